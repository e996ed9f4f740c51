// SPDX-License-Identifier: Apache-2.0
// The IPC channel: a client's of the device that runs beside the tests, and an owner's in this process.
#include <cstring>
#include <thread>

#include "mango_conformance.h"

namespace mango_test {
namespace {

#define DEVICE_ONLY() \
  if (!on_device()) GTEST_SKIP() << "an engine in this process has no channel"

// What an owner needs: a channel on a port of the system's choice and a tcp handle to serve.
struct Owner {
  mango_context_h context = nullptr;
  mango_tcp_h tcp = nullptr;
  mango_ipc_h ipc = nullptr;
  Owner() {
    EXPECT_EQ(MANGO_STATUS_OK, mango_context_create(&context));
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_create(&tcp));
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_set_context(tcp, context));
    EXPECT_EQ(MANGO_STATUS_OK, mango_ipc_open("127.0.0.1:0", true, &ipc)) << mango_ipc_error();
  }
  ~Owner() {
    EXPECT_EQ(MANGO_STATUS_OK, mango_ipc_close(ipc));
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_destroy(tcp));
    EXPECT_EQ(MANGO_STATUS_OK, mango_context_destroy(context));
  }
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
};

std::string config_of(mango_ipc_h ipc, const char* field) {
  char* value = nullptr;
  EXPECT_EQ(MANGO_STATUS_OK, mango_ipc_get_config(ipc, field, &value)) << field;
  const std::string text = value ? value : "";
  free(value);
  return text;
}

}  // namespace

CONFORMANCE(mango_ipc_open, a_path_that_leads_nowhere_is_refused) {
  mango_ipc_h made = nullptr;
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_ipc_open(nullptr, false, &made));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_ipc_open("127.0.0.1:1", false, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_ipc_open("no port", false, &made));
  EXPECT_STRNE("", mango_ipc_error());
  std::string path;
  {
    RawListener nobody;
    path = "127.0.0.1:" + std::to_string(ntohs(nobody.address().sin_port));
  }
  EXPECT_EQ(MANGO_STATUS_IPC_UNAVAILABLE, mango_ipc_open(path.c_str(), false, &made));
  EXPECT_EQ(nullptr, made);
}

CONFORMANCE(mango_ipc_close, not_while_a_tcp_handle_runs_on_it) {
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_ipc_close(tcp));
  DEVICE_ONLY();
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_ipc_close(ipc));
  mango_ipc_h second = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_ipc_open(DeviceProcess::shared().path().c_str(), false, &second));
  EXPECT_EQ(MANGO_STATUS_OK, mango_ipc_close(second));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_ipc_close(second));
}

CONFORMANCE(mango_ipc_get_server_path, what_it_was_opened_with) {
  const char* path = nullptr;
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_ipc_get_server_path(tcp, &path));
  DEVICE_ONLY();
  ASSERT_EQ(MANGO_STATUS_OK, mango_ipc_get_server_path(ipc, &path));
  EXPECT_EQ(DeviceProcess::shared().path(), path);
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_ipc_get_server_path(ipc, nullptr));
}

CONFORMANCE(mango_ipc_get_config, every_listed_field_that_can_be_read_is) {
  char* value = nullptr;
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_ipc_get_config(tcp, "device.pid", &value));
  DEVICE_ONLY();
  const std::string fields = config_of(ipc, "device.fields");
  size_t read = 0;
  for (size_t at = 0; at < fields.size(); at = fields.find('\n', at) + 1) {
    const std::string line = fields.substr(at, fields.find('\n', at) - at);
    const std::string name = line.substr(0, line.find(' '));
    if (line.find(" wo") == std::string::npos) (void)config_of(ipc, name.c_str());
    ++read;
    if (fields.find('\n', at) == std::string::npos) break;
  }
  EXPECT_GT(read, 10U) << fields;
  EXPECT_NE(std::to_string(getpid()), config_of(ipc, "device.pid")) << "another process";
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_ipc_get_config(ipc, "no.such", &value));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_ipc_get_config(ipc, nullptr, &value));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_ipc_get_config(ipc, "device.pid", nullptr));
  EXPECT_EQ(nullptr, value);
}

CONFORMANCE(mango_ipc_set_config, what_is_refused_changes_nothing) {
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_ipc_set_config(tcp, "session.rx_buffer_bytes", "4096"));
  DEVICE_ONLY();
  const std::string before = config_of(ipc, "session.rx_buffer_bytes");
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_ipc_set_config(ipc, "session.rx_buffer_bytes", "many"));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_ipc_set_config(ipc, "no.such", "1"));
  EXPECT_NE(MANGO_STATUS_OK, mango_ipc_set_config(ipc, "device.pid", "1")) << "read only";
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_ipc_set_config(ipc, nullptr, "1"));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_ipc_set_config(ipc, "device.ip", nullptr));
  EXPECT_EQ(before, config_of(ipc, "session.rx_buffer_bytes"));
}

CONFORMANCE(mango_ipc_set_config, buffers_of_sessions_to_come) {
  DEVICE_ONLY();
  const std::string before = config_of(ipc, "session.rx_buffer_bytes");
  ASSERT_EQ(MANGO_STATUS_OK, mango_ipc_set_config(ipc, "session.rx_buffer_bytes", "4096"));
  EXPECT_EQ("4096", config_of(ipc, "session.rx_buffer_bytes"));
  const Pair pair = connect_pair();
  const std::string bytes = pattern(50'000);
  std::thread writer([&] { pair.peer.send(bytes); });
  EXPECT_TRUE(bytes == receive_exactly(pair.socket, bytes.size())) << "through a small ring";
  writer.join();
  EXPECT_EQ(MANGO_STATUS_OK, mango_ipc_set_config(ipc, "session.rx_buffer_bytes", before.c_str()));
}

CONFORMANCE(mango_ipc_set_index, devices_go_by_number) {
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_ipc_set_index(tcp, 0));
  DEVICE_ONLY();
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_ipc_set_index(ipc, -1));
  char* value = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_ipc_set_index(ipc, 7));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_ipc_get_config(ipc, "device.pid", &value)) << "no such device";
  ASSERT_EQ(MANGO_STATUS_OK, mango_ipc_set_index(ipc, 0));
  EXPECT_EQ("0", config_of(ipc, "device.index"));
}

CONFORMANCE(mango_ipc_set_context, an_owners_and_once) {
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_ipc_set_context(tcp, nullptr));
  DEVICE_ONLY();
  const Owner owner;
  EXPECT_EQ(MANGO_STATUS_NOT_SUPPORTED, mango_ipc_set_context(ipc, owner.context)) << "a client's";
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_ipc_set_context(owner.ipc, owner.tcp));
  EXPECT_EQ(MANGO_STATUS_OK, mango_ipc_set_context(owner.ipc, owner.context));
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_context_destroy(owner.context));
}

CONFORMANCE(mango_ipc_set_tcp, the_handle_is_served_from_then_on) {
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_ipc_set_tcp(tcp, nullptr));
  DEVICE_ONLY();
  const Owner owner;
  EXPECT_EQ(MANGO_STATUS_NOT_SUPPORTED, mango_ipc_set_tcp(ipc, owner.tcp)) << "a client's";
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_ipc_set_tcp(owner.ipc, owner.context));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_ipc_set_tcp(owner.ipc, tcp)) << "it is a device's itself";
  ASSERT_EQ(MANGO_STATUS_OK, mango_ipc_set_tcp(owner.ipc, owner.tcp));
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_ipc_set_tcp(owner.ipc, owner.tcp)) << "the index is taken";
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_tcp_destroy(owner.tcp));
  const char* path = nullptr;
  mango_ipc_h client = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_ipc_get_server_path(owner.ipc, &path));
  ASSERT_EQ(MANGO_STATUS_OK, mango_ipc_open(path, false, &client));
  EXPECT_EQ(std::to_string(getpid()), config_of(client, "device.pid"));
  EXPECT_EQ(MANGO_STATUS_OK, mango_ipc_close(client));
}

CONFORMANCE(mango_ipc_shutdown, clients_find_nobody_afterwards) {
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_ipc_shutdown(tcp));
  DEVICE_ONLY();
  EXPECT_EQ(MANGO_STATUS_NOT_SUPPORTED, mango_ipc_shutdown(ipc)) << "a client's";
  const Owner owner;
  const char* path = nullptr;
  mango_ipc_h client = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_ipc_get_server_path(owner.ipc, &path));
  EXPECT_EQ(MANGO_STATUS_OK, mango_ipc_shutdown(owner.ipc));
  EXPECT_EQ(MANGO_STATUS_OK, mango_ipc_shutdown(owner.ipc)) << "as often as one likes";
  EXPECT_EQ(MANGO_STATUS_IPC_UNAVAILABLE, mango_ipc_open(path, false, &client));
}

CONFORMANCE(mango_ipc_wait, until_the_shutdown) {
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_ipc_wait(tcp));
  DEVICE_ONLY();
  EXPECT_EQ(MANGO_STATUS_NOT_SUPPORTED, mango_ipc_wait(ipc)) << "a client's";
  const Owner owner;
  std::thread waiting([&] { EXPECT_EQ(MANGO_STATUS_OK, mango_ipc_wait(owner.ipc)); });
  std::this_thread::yield();
  EXPECT_EQ(MANGO_STATUS_OK, mango_ipc_shutdown(owner.ipc));
  waiting.join();
  EXPECT_EQ(MANGO_STATUS_OK, mango_ipc_wait(owner.ipc)) << "it is over";
}

}  // namespace mango_test
