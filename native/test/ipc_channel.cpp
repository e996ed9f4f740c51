// SPDX-License-Identifier: Apache-2.0
// Ipc handles, as their users see them.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "ipc_support.h"
#include "libmango.h"

namespace {

using namespace std::string_literals;

constexpr char kAnyPort[] = "127.0.0.1:0";

std::string path_of(mango_ipc_h ipc) {
  const char* path = nullptr;
  EXPECT_EQ(mango_ipc_get_server_path(ipc, &path), MANGO_STATUS_OK);
  return path ? path : "";
}

mango_ipc_h open_ipc(const std::string& path, bool owner) {
  mango_ipc_h ipc = nullptr;
  EXPECT_EQ(mango_ipc_open(path.c_str(), owner, &ipc), MANGO_STATUS_OK) << mango_ipc_error();
  return ipc;
}

// The value, or the status's name.
std::string get(mango_ipc_h ipc, const char* field) {
  char* value = nullptr;
  const mango_status_e status = mango_ipc_get_config(ipc, field, &value);
  if (status != MANGO_STATUS_OK) return mango_status_name(status);
  std::string text = value;
  free(value);
  return text;
}

// A tcp handle on the kernel engine: what an owner serves.
struct Engine {
  Engine() {
    EXPECT_EQ(mango_context_create(&context), MANGO_STATUS_OK);
    EXPECT_EQ(mango_tcp_create(&tcp), MANGO_STATUS_OK);
    EXPECT_EQ(mango_tcp_set_context(tcp, context), MANGO_STATUS_OK);
  }
  ~Engine() {
    EXPECT_EQ(mango_tcp_destroy(tcp), MANGO_STATUS_OK);
    EXPECT_EQ(mango_context_destroy(context), MANGO_STATUS_OK);
  }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  mango_context_h context = nullptr;
  mango_tcp_h tcp = nullptr;
};

// An owner with one device, and a client of it.
struct Pair {
  Pair() : owner(open_ipc(kAnyPort, true)) {
    EXPECT_EQ(mango_ipc_set_tcp(owner, engine.tcp), MANGO_STATUS_OK) << mango_ipc_error();
    client = open_ipc(path_of(owner), false);
  }
  ~Pair() {
    EXPECT_EQ(mango_ipc_close(client), MANGO_STATUS_OK);
    EXPECT_EQ(mango_ipc_close(owner), MANGO_STATUS_OK);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  Engine engine;
  mango_ipc_h owner = nullptr;
  mango_ipc_h client = nullptr;
};

TEST(IpcChannel, an_owner_tells_the_port_it_got) {
  mango_ipc_h owner = open_ipc(kAnyPort, true);
  const std::string path = path_of(owner);
  EXPECT_EQ(path.find("127.0.0.1:"), 0u);
  EXPECT_NE(path, kAnyPort);
  mango_ipc_h client = open_ipc(path, false);
  EXPECT_EQ(path_of(client), path);
  mango_ipc_h second = nullptr;
  EXPECT_EQ(mango_ipc_open(path.c_str(), true, &second), MANGO_STATUS_ADDRESS_IN_USE);
  EXPECT_NE(mango_ipc_error(), ""s);
  EXPECT_EQ(mango_ipc_close(client), MANGO_STATUS_OK);
  EXPECT_EQ(mango_ipc_close(owner), MANGO_STATUS_OK);
}

TEST(IpcChannel, without_an_owner_is_unavailable) {
  mango_ipc_h owner = open_ipc(kAnyPort, true);
  const std::string path = path_of(owner);
  mango_ipc_close(owner);
  mango_ipc_h client = nullptr;
  EXPECT_EQ(mango_ipc_open(path.c_str(), false, &client), MANGO_STATUS_IPC_UNAVAILABLE);
  EXPECT_EQ(client, nullptr);
  EXPECT_NE(std::string(mango_ipc_error()).find(path), std::string::npos);
}

TEST(IpcChannel, a_path_that_is_none_is_refused) {
  mango_ipc_h ipc = nullptr;
  for (const char* path : {"", ":", "host:port", "iceoryx:", "a b:1", "127.0.0.1:65536"}) {
    EXPECT_EQ(mango_ipc_open(path, false, &ipc), MANGO_STATUS_INVALID_ARGUMENT) << path;
    EXPECT_EQ(mango_ipc_open(path, true, &ipc), MANGO_STATUS_INVALID_ARGUMENT) << path;
  }
  EXPECT_EQ(mango_ipc_open(kAnyPort, false, &ipc), MANGO_STATUS_INVALID_ARGUMENT) << "a client needs a port";
  EXPECT_EQ(mango_ipc_open(nullptr, false, &ipc), MANGO_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(mango_ipc_open(kAnyPort, true, nullptr), MANGO_STATUS_INVALID_ARGUMENT);
}

TEST(IpcChannel, misuse_of_handles_is_answered) {
  const Engine engine;
  mango_ipc_h closed = open_ipc(kAnyPort, true);
  ASSERT_EQ(mango_ipc_close(closed), MANGO_STATUS_OK);
  for (mango_ipc_h ipc : {mango_ipc_h{}, closed, mango_ipc_h{engine.tcp}, reinterpret_cast<mango_ipc_h>(1)}) {
    const char* path = nullptr;
    char* value = nullptr;
    EXPECT_EQ(mango_ipc_close(ipc), MANGO_STATUS_INVALID_HANDLE);
    EXPECT_EQ(mango_ipc_get_server_path(ipc, &path), MANGO_STATUS_INVALID_HANDLE);
    EXPECT_EQ(mango_ipc_get_config(ipc, "device.fields", &value), MANGO_STATUS_INVALID_HANDLE);
    EXPECT_EQ(mango_ipc_set_config(ipc, "session.max", "1"), MANGO_STATUS_INVALID_HANDLE);
    EXPECT_EQ(mango_ipc_set_context(ipc, engine.context), MANGO_STATUS_INVALID_HANDLE);
    EXPECT_EQ(mango_ipc_set_index(ipc, 0), MANGO_STATUS_INVALID_HANDLE);
    EXPECT_EQ(mango_ipc_set_tcp(ipc, engine.tcp), MANGO_STATUS_INVALID_HANDLE);
    EXPECT_EQ(mango_ipc_shutdown(ipc), MANGO_STATUS_INVALID_HANDLE);
    EXPECT_EQ(mango_ipc_wait(ipc), MANGO_STATUS_INVALID_HANDLE);
  }
}

TEST(IpcChannel, null_arguments_are_refused) {
  const Pair pair;
  for (mango_ipc_h ipc : {pair.owner, pair.client}) {
    char* value = nullptr;
    EXPECT_EQ(mango_ipc_get_server_path(ipc, nullptr), MANGO_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(mango_ipc_get_config(ipc, nullptr, &value), MANGO_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(mango_ipc_get_config(ipc, "device.index", nullptr), MANGO_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(mango_ipc_get_config(ipc, "\xFF", &value), MANGO_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(mango_ipc_set_config(ipc, nullptr, "1"), MANGO_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(mango_ipc_set_config(ipc, "session.max", nullptr), MANGO_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(mango_ipc_set_index(ipc, -1), MANGO_STATUS_INVALID_ARGUMENT);
  }
  EXPECT_EQ(mango_ipc_set_context(pair.owner, nullptr), MANGO_STATUS_INVALID_HANDLE);
  EXPECT_EQ(mango_ipc_set_index(pair.owner, 1), MANGO_STATUS_OK);
  EXPECT_EQ(mango_ipc_set_tcp(pair.owner, nullptr), MANGO_STATUS_INVALID_HANDLE);
}

TEST(IpcChannel, what_is_an_owners_is_not_a_clients) {
  const Pair pair;
  EXPECT_EQ(mango_ipc_wait(pair.client), MANGO_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(mango_ipc_shutdown(pair.client), MANGO_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(mango_ipc_set_context(pair.client, pair.engine.context), MANGO_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(mango_ipc_set_tcp(pair.client, pair.engine.tcp), MANGO_STATUS_NOT_SUPPORTED);
}

// ---------------------------------------------------------------------------------------- configuration --

TEST(IpcChannel, both_sides_read_the_devices_fields) {
  const Pair pair;
  EXPECT_EQ(get(pair.client, "device.index"), "0");
  EXPECT_EQ(get(pair.owner, "device.index"), "0");
  EXPECT_EQ(get(pair.client, "device.pid"), std::to_string(getpid()));
  EXPECT_NE(get(pair.client, "device.fields").find("session.max rw\n"), std::string::npos);
  EXPECT_EQ(get(pair.client, "no.such.field"), "MANGO_STATUS_NOT_FOUND");
  EXPECT_EQ(get(pair.owner, "no.such.field"), "MANGO_STATUS_NOT_FOUND");
}

TEST(IpcChannel, both_sides_write_them) {
  const Pair pair;
  EXPECT_EQ(mango_ipc_set_config(pair.client, "session.max", "17"), MANGO_STATUS_OK);
  EXPECT_EQ(get(pair.owner, "session.max"), "17");
  EXPECT_EQ(mango_ipc_set_config(pair.owner, "session.max", "19"), MANGO_STATUS_OK);
  EXPECT_EQ(get(pair.client, "session.max"), "19");
  for (mango_ipc_h ipc : {pair.owner, pair.client}) {
    EXPECT_EQ(mango_ipc_set_config(ipc, "session.max", "many"), MANGO_STATUS_INVALID_ARGUMENT);
    EXPECT_EQ(mango_ipc_set_config(ipc, "no.such.field", "1"), MANGO_STATUS_NOT_FOUND);
    EXPECT_EQ(mango_ipc_set_config(ipc, "session.max", std::string(20'000, '1').c_str()),
              MANGO_STATUS_INVALID_ARGUMENT);
  }
  EXPECT_EQ(get(pair.client, "session.max"), "19") << "a refused value changes nothing";
}

TEST(IpcChannel, nothing_is_written_without_the_links_token) {
  const Pair pair;
  mango::ipc::Failure failure;
  const auto stranger = mango::ipc::open_client(path_of(pair.owner), failure);
  mango::ipc::Request request;
  request.type = MANGO_IPC_MSG_SET_CONFIG;
  request.field = "session.max";
  request.value = "1";
  mango::ipc::Response response;
  for (const std::string& token : {""s, "made up"s, std::string(16, '\0')}) {
    request.client = token;
    ASSERT_EQ(stranger->call(request, response, mango::ipc::test::kPatienceMs), MANGO_STATUS_OK);
    EXPECT_NE(response.status, MANGO_STATUS_OK) << testing::PrintToString(token);
  }
  EXPECT_NE(get(pair.client, "session.max"), "1");
}

TEST(IpcChannel, a_device_is_configured_before_it_starts) {
  const Engine engine;
  mango_ipc_h owner = open_ipc(kAnyPort, true);
  EXPECT_NE(get(owner, "device.fields").find("session.rx_buffer_bytes rw\n"), std::string::npos);
  EXPECT_EQ(get(owner, "device.pid"), "MANGO_STATUS_NOT_FOUND");
  EXPECT_EQ(mango_ipc_set_config(owner, "session.rx_buffer_bytes", "65536"), MANGO_STATUS_OK);
  EXPECT_EQ(get(owner, "session.rx_buffer_bytes"), "65536");
  for (const char* bad : {"", "0", "65537", "2048", "1e9", "-65536", "33554432", "65536 "}) {
    EXPECT_EQ(mango_ipc_set_config(owner, "session.rx_buffer_bytes", bad), MANGO_STATUS_INVALID_ARGUMENT)
        << bad;
  }
  EXPECT_EQ(mango_ipc_set_config(owner, "device.access", "everybody"), MANGO_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(mango_ipc_set_config(owner, "device.uptime_seconds", "1"), MANGO_STATUS_NOT_FOUND);
  ASSERT_EQ(mango_ipc_set_tcp(owner, engine.tcp), MANGO_STATUS_OK) << mango_ipc_error();
  EXPECT_EQ(get(owner, "session.rx_buffer_bytes"), "65536");
  EXPECT_EQ(mango_ipc_close(owner), MANGO_STATUS_OK);
}

TEST(IpcChannel, a_device_that_cannot_start_says_why) {
  const Engine engine;
  mango_ipc_h owner = open_ipc(kAnyPort, true);
  EXPECT_EQ(mango_ipc_set_config(owner, "device.netns", "mango-no-such-namespace"), MANGO_STATUS_OK);
  EXPECT_NE(mango_ipc_set_tcp(owner, engine.tcp), MANGO_STATUS_OK);
  EXPECT_NE(std::string(mango_ipc_error()).find("mango-no-such-namespace"), std::string::npos)
      << mango_ipc_error();
  EXPECT_EQ(mango_ipc_close(owner), MANGO_STATUS_OK);
}

// -------------------------------------------------------------------------------------------------- devices
// --

TEST(IpcChannel, devices_go_by_index) {
  const Engine first;
  const Engine second;
  mango_ipc_h owner = open_ipc(kAnyPort, true);
  ASSERT_EQ(mango_ipc_set_tcp(owner, first.tcp), MANGO_STATUS_OK);
  EXPECT_EQ(mango_ipc_set_tcp(owner, second.tcp), MANGO_STATUS_BUSY) << "index 0 has one";
  ASSERT_EQ(mango_ipc_set_index(owner, 5), MANGO_STATUS_OK);
  ASSERT_EQ(mango_ipc_set_tcp(owner, second.tcp), MANGO_STATUS_OK);
  mango_ipc_h client = open_ipc(path_of(owner), false);
  EXPECT_EQ(get(client, "device.index"), "0");
  EXPECT_EQ(mango_ipc_set_index(client, 5), MANGO_STATUS_OK);
  EXPECT_EQ(get(client, "device.index"), "5");
  EXPECT_EQ(mango_ipc_set_index(client, 1), MANGO_STATUS_OK);
  EXPECT_EQ(get(client, "device.index"), "MANGO_STATUS_NOT_FOUND");
  EXPECT_EQ(mango_ipc_set_config(client, "session.max", "1"), MANGO_STATUS_NOT_FOUND);
  EXPECT_EQ(mango_ipc_set_index(owner, 1 << 20), MANGO_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(mango_ipc_close(client), MANGO_STATUS_OK);
  EXPECT_EQ(mango_ipc_close(owner), MANGO_STATUS_OK);
}

TEST(IpcChannel, two_channels_share_a_device) {
  const Engine engine;
  mango_ipc_h first = open_ipc(kAnyPort, true);
  mango_ipc_h second = open_ipc(kAnyPort, true);
  ASSERT_EQ(mango_ipc_set_tcp(first, engine.tcp), MANGO_STATUS_OK);
  EXPECT_EQ(mango_ipc_set_config(second, "session.max", "5"), MANGO_STATUS_OK);
  EXPECT_EQ(mango_ipc_set_tcp(second, engine.tcp), MANGO_STATUS_BUSY) << "too late for options";
  ASSERT_EQ(mango_ipc_set_index(second, 1), MANGO_STATUS_OK);
  EXPECT_EQ(mango_ipc_set_tcp(second, engine.tcp), MANGO_STATUS_INVALID_ARGUMENT) << "it has an index";
  mango_ipc_close(second);
  second = open_ipc(kAnyPort, true);
  ASSERT_EQ(mango_ipc_set_tcp(second, engine.tcp), MANGO_STATUS_OK);
  EXPECT_EQ(mango_ipc_set_config(first, "session.max", "23"), MANGO_STATUS_OK);
  EXPECT_EQ(mango_ipc_close(first), MANGO_STATUS_OK);
  mango_ipc_h client = open_ipc(path_of(second), false);
  EXPECT_EQ(get(client, "session.max"), "23") << "it ends with the last of its channels";
  EXPECT_EQ(mango_ipc_close(client), MANGO_STATUS_OK);
  EXPECT_EQ(mango_ipc_close(second), MANGO_STATUS_OK);
}

TEST(IpcChannel, what_is_served_is_busy) {
  mango_context_h context = nullptr;
  mango_tcp_h tcp = nullptr;
  ASSERT_EQ(mango_context_create(&context), MANGO_STATUS_OK);
  ASSERT_EQ(mango_tcp_create(&tcp), MANGO_STATUS_OK);
  mango_ipc_h owner = open_ipc(kAnyPort, true);
  EXPECT_EQ(mango_ipc_set_tcp(owner, tcp), MANGO_STATUS_INVALID_ARGUMENT) << "it has no engine";
  ASSERT_EQ(mango_tcp_set_context(tcp, context), MANGO_STATUS_OK);
  EXPECT_EQ(mango_ipc_set_context(owner, context), MANGO_STATUS_OK);
  ASSERT_EQ(mango_ipc_set_tcp(owner, tcp), MANGO_STATUS_OK);
  EXPECT_EQ(mango_tcp_destroy(tcp), MANGO_STATUS_BUSY);
  EXPECT_EQ(mango_ipc_close(owner), MANGO_STATUS_OK);
  EXPECT_EQ(mango_tcp_destroy(tcp), MANGO_STATUS_OK);
  EXPECT_EQ(mango_context_destroy(context), MANGO_STATUS_OK);
}

TEST(IpcChannel, a_channel_that_a_tcp_handle_runs_on_is_busy) {
  Pair pair;
  mango_tcp_h tcp = nullptr;
  ASSERT_EQ(mango_tcp_create(&tcp), MANGO_STATUS_OK);
  EXPECT_EQ(mango_tcp_set_ipc(tcp, pair.owner), MANGO_STATUS_INVALID_ARGUMENT) << "an owner's";
  ASSERT_EQ(mango_tcp_set_ipc(tcp, pair.client), MANGO_STATUS_OK);
  EXPECT_EQ(mango_ipc_close(pair.client), MANGO_STATUS_BUSY);
  EXPECT_EQ(get(pair.client, "device.index"), "0");
  EXPECT_EQ(mango_tcp_destroy(tcp), MANGO_STATUS_OK);
}

// ------------------------------------------------------------------------------------------------------ end
// --

TEST(IpcChannel, waiting_ends_with_shutdown) {
  const Engine engine;
  mango_ipc_h owner = open_ipc(kAnyPort, true);
  ASSERT_EQ(mango_ipc_set_tcp(owner, engine.tcp), MANGO_STATUS_OK);
  mango_ipc_h client = open_ipc(path_of(owner), false);
  std::thread ending([&] { EXPECT_EQ(mango_ipc_shutdown(owner), MANGO_STATUS_OK); });
  EXPECT_EQ(mango_ipc_wait(owner), MANGO_STATUS_OK);
  EXPECT_EQ(get(client, "device.index"), "MANGO_STATUS_IPC_UNAVAILABLE");
  EXPECT_EQ(mango_ipc_wait(owner), MANGO_STATUS_OK) << "it is over";
  EXPECT_EQ(get(owner, "device.index"), "0") << "the device is there until the channel is closed";
  EXPECT_EQ(mango_ipc_close(owner), MANGO_STATUS_OK) << "though the other thread may not be back yet";
  ending.join();
  EXPECT_EQ(mango_ipc_close(client), MANGO_STATUS_OK);
}

TEST(IpcChannel, closing_ends_waiting) {
  mango_ipc_h owner = open_ipc(kAnyPort, true);
  std::atomic<int> status{1};
  std::thread waiting([&] { status.store(mango_ipc_wait(owner)); });
  EXPECT_EQ(mango_ipc_close(owner), MANGO_STATUS_OK);
  waiting.join();
  EXPECT_TRUE(status.load() == MANGO_STATUS_OK || status.load() == MANGO_STATUS_INVALID_HANDLE)
      << status.load();
}

TEST(IpcChannel, of_two_threads_that_close_one_does) {
  for (int i = 0; i < 20; ++i) {
    mango_ipc_h owner = open_ipc(kAnyPort, true);
    std::atomic<int> closed{0};
    const auto close_it = [&] {
      const mango_status_e status = mango_ipc_close(owner);
      if (status == MANGO_STATUS_OK) closed.fetch_add(1);
      if (status != MANGO_STATUS_OK) {
        EXPECT_EQ(status, MANGO_STATUS_INVALID_HANDLE);
      }
    };
    std::thread other(close_it);
    close_it();
    other.join();
    EXPECT_EQ(closed.load(), 1);
  }
}

TEST(IpcChannel, the_same_port_serves_again) {
  mango_ipc_h owner = open_ipc(kAnyPort, true);
  const std::string path = path_of(owner);
  for (int i = 0; i < 5; ++i) {
    mango_ipc_h client = open_ipc(path, false);
    EXPECT_EQ(mango_ipc_close(owner), MANGO_STATUS_OK);
    owner = open_ipc(path, true);
    EXPECT_EQ(get(client, "device.index"), "MANGO_STATUS_NOT_FOUND") << "an owner without a device";
    EXPECT_EQ(mango_ipc_close(client), MANGO_STATUS_OK);
  }
  EXPECT_EQ(mango_ipc_close(owner), MANGO_STATUS_OK);
}

}  // namespace
