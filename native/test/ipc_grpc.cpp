// SPDX-License-Identifier: Apache-2.0
// Our gRPC client and the server of libgrpc++, over real connections.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <vector>

#include "ipc/dial.h"
#include "ipc_support.h"

namespace {

using namespace mango::ipc;
using namespace mango::ipc::test;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

std::unique_ptr<ControlServer> serve(Serve handler = echo, const std::string& path = "127.0.0.1:0") {
  Failure failure;
  auto server = open_server(path, std::move(handler), failure);
  EXPECT_TRUE(server) << failure.message;
  return server;
}

std::unique_ptr<ControlClient> connect_to(const std::string& path) {
  Failure failure;
  auto client = open_client(path, failure);
  EXPECT_TRUE(client) << failure.message;
  return client;
}

// The value the server answers `field` with, or the status's number.
std::string ask(ControlClient& client, const std::string& field, int timeout_ms = kPatienceMs) {
  Response response;
  const mango_status_e status = client.call(asking(field), response, timeout_ms);
  return status == MANGO_STATUS_OK ? response.value : std::to_string(status);
}

TEST(IpcGrpc, a_request_is_answered) {
  const auto server = serve();
  const auto client = connect_to(server->path());
  Request request = asking("name", "value");
  request.type = MANGO_IPC_MSG_TCP_CONNECT;
  request.client = std::string("\x00\xFF", 2);
  request.session = 7;
  request.backlog = -5;
  Response response;
  ASSERT_EQ(client->call(request, response, kPatienceMs), MANGO_STATUS_OK);
  EXPECT_EQ(response.status, MANGO_STATUS_IN_PROGRESS) << "the device's own status is in the answer";
  EXPECT_EQ(response.value, "name=value");
  EXPECT_EQ(response.link, request.client);
  EXPECT_EQ(response.version, "7.-5");
}

TEST(IpcGrpc, the_longest_message_passes_and_a_longer_one_is_refused) {
  const auto server = serve([](const Request& request, const Answer& answer) {
    Response response;
    response.value = request.value;
    answer(response);
  });
  const auto client = connect_to(server->path());
  Request request;
  request.value.assign(kMaxMessageBytes - 3, 'v');
  Response response;
  ASSERT_EQ(encode(request).size(), kMaxMessageBytes);
  EXPECT_EQ(client->call(request, response, kPatienceMs), MANGO_STATUS_OK);
  EXPECT_EQ(response.value, request.value);
  request.value += 'v';
  EXPECT_EQ(client->call(request, response, kPatienceMs), MANGO_STATUS_INVALID_ARGUMENT);
  EXPECT_EQ(client->post(request), MANGO_STATUS_INVALID_ARGUMENT);
}

TEST(IpcGrpc, an_answer_may_come_from_another_thread_or_not_at_all) {
  std::mutex mutex;
  std::vector<std::thread> threads;
  auto server = serve([&](const Request& request, const Answer& answer) {
    if (request.field == "drop") return;
    std::lock_guard lock(mutex);
    threads.emplace_back([request, answer] { echo(request, answer); });
  });
  const auto client = connect_to(server->path());
  EXPECT_EQ(ask(*client, "later"), "later=");
  EXPECT_EQ(ask(*client, "drop"), std::to_string(MANGO_STATUS_IPC_UNAVAILABLE));
  EXPECT_EQ(ask(*client, "again"), "again=");
  server.reset();
  for (std::thread& thread : threads) thread.join();
}

TEST(IpcGrpc, names_are_resolved) {
  const auto server = serve(echo, "localhost:0");
  EXPECT_EQ(ask(*connect_to(server->path()), "a"), "a=");
  const std::string port = server->path().substr(server->path().find(':'));
  EXPECT_EQ(ask(*connect_to("127.0.0.1" + port), "b"), "b=") << "all addresses of the name are bound";
}

TEST(IpcGrpc, a_server_says_why_it_cannot_listen) {
  const auto server = serve();
  Failure failure;
  EXPECT_FALSE(open_server(server->path(), echo, failure));
  EXPECT_EQ(failure.status, MANGO_STATUS_ADDRESS_IN_USE) << failure.message;
  EXPECT_FALSE(open_server("192.0.2.1:0", echo, failure));
  EXPECT_EQ(failure.status, MANGO_STATUS_ADDRESS_NOT_AVAILABLE) << failure.message;
  EXPECT_FALSE(open_server("no-such-host.invalid:0", echo, failure));
  EXPECT_EQ(failure.status, MANGO_STATUS_ADDRESS_NOT_AVAILABLE) << failure.message;
}

TEST(IpcGrpc, a_wildcard_is_of_its_own_family_only) {
  Failure failure;
  const auto six = open_server("[::]:0", echo, failure);
  if (!six) GTEST_SKIP() << "no IPv6 here: " << failure.message;
  const std::string port = six->path().substr(six->path().rfind(':'));
  EXPECT_TRUE(open_server("0.0.0.0" + port, echo, failure)) << failure.message;
}

TEST(IpcGrpc, a_call_without_a_server_is_unavailable) {
  std::string path = serve()->path();
  const auto client = connect_to(path);
  EXPECT_EQ(ask(*client, "x"), std::to_string(MANGO_STATUS_IPC_UNAVAILABLE));
  EXPECT_EQ(client->post(asking("x")), MANGO_STATUS_IPC_UNAVAILABLE);
  Failure failure;
  EXPECT_FALSE(open_client("127.0.0.1:0", failure));
  EXPECT_EQ(failure.status, MANGO_STATUS_INVALID_ARGUMENT);
}

TEST(IpcGrpc, a_client_finds_a_server_that_came_back) {
  auto server = serve();
  const std::string path = server->path();
  const auto client = connect_to(path);
  EXPECT_EQ(ask(*client, "one"), "one=");
  server.reset();
  EXPECT_EQ(ask(*client, "two"), std::to_string(MANGO_STATUS_IPC_UNAVAILABLE));
  server = serve(echo, path);
  EXPECT_EQ(ask(*client, "three"), "three=");
  server.reset();
  server = serve(echo, path);
  EXPECT_EQ(ask(*client, "four"), "four=") << "reconnects without a call lost in between";
  server.reset();
  server = serve(echo, path);
  EXPECT_EQ(client->post(asking("five")), MANGO_STATUS_OK);
  EXPECT_EQ(ask(*client, "six"), "six=");
}

TEST(IpcGrpc, a_killed_server_is_unavailable_until_another_is_there) {
  std::string path;
  std::unique_ptr<ControlClient> client;
  {
    ServerProcess server("127.0.0.1:0");
    path = server.path();
    ASSERT_FALSE(path.empty());
    client = connect_to(path);
    EXPECT_EQ(ask(*client, "one"), "one=");
    server.kill();
    EXPECT_EQ(ask(*client, "two"), std::to_string(MANGO_STATUS_IPC_UNAVAILABLE));
  }
  const ServerProcess next(path);
  ASSERT_EQ(next.path(), path);
  EXPECT_EQ(ask(*client, "three"), "three=");
}

TEST(IpcGrpc, a_deadline_ends_a_call_and_no_other) {
  std::mutex mutex;
  std::vector<Answer> held;
  const auto server = serve([&](const Request& request, const Answer& answer) {
    if (request.field != "hold") return echo(request, answer);
    std::lock_guard lock(mutex);
    held.push_back(answer);
  });
  const auto client = connect_to(server->path());
  EXPECT_EQ(ask(*client, "before"), "before=");
  EXPECT_EQ(ask(*client, "hold", 50), std::to_string(MANGO_STATUS_IPC_UNAVAILABLE));
  EXPECT_EQ(ask(*client, "after"), "after=");
  EXPECT_EQ(ask(*client, "never", 0), std::to_string(MANGO_STATUS_IPC_UNAVAILABLE));
  std::lock_guard lock(mutex);
  for (const Answer& answer : held) answer(Response{});  // into the void
}

TEST(IpcGrpc, posts_arrive_and_their_answers_do_not_pile_up) {
  constexpr int kPosts = kSanitized ? 500 : 3000;  // a server slowed down a hundredfold is one that hangs
  std::atomic<int> left{kPosts + 1};
  std::promise<void> all_arrived;
  const auto server = serve([&](const Request& request, const Answer& answer) {
    if (left.fetch_sub(1) == 1) all_arrived.set_value();
    echo(request, answer);
  });
  const auto client = connect_to(server->path());
  Request request = asking("post");
  request.value.assign(1000, 'p');
  for (int i = 0; i < kPosts; ++i) ASSERT_EQ(client->post(request), MANGO_STATUS_OK) << i;
  EXPECT_EQ(ask(*client, "last"), "last=");
  // Calls of one client are served in any order.
  EXPECT_EQ(all_arrived.get_future().wait_for(std::chrono::milliseconds(kPatienceMs)),
            std::future_status::ready)
      << left;
}

TEST(IpcGrpc, threads_share_a_client) {
  const auto server = serve();
  const auto client = connect_to(server->path());
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const std::string name = std::to_string(t) + '.' + std::to_string(i);
        if (i % 7 == 0 && client->post(asking("post")) != MANGO_STATUS_OK) continue;
        if (ask(*client, name) == name + '=') right.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right.load(), 8 * 200);
}

TEST(IpcGrpc, threads_find_a_server_that_comes_and_goes) {
  auto server = serve();
  const std::string path = server->path();
  const auto client = connect_to(path);
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (!stop.load()) {
        const std::string answer = ask(*client, "x", 1000);
        if (answer != "x=" && answer != std::to_string(MANGO_STATUS_IPC_UNAVAILABLE)) wrong.fetch_add(1);
      }
    });
  }
  for (int i = 0; i < 10; ++i) {
    server.reset();
    server = serve(echo, path);
    EXPECT_EQ(ask(*client, "y"), "y=");
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(IpcGrpc, a_server_ends_though_an_answer_is_owed) {
  std::mutex mutex;
  std::vector<Answer> held;
  std::promise<void> asked;
  auto server = serve([&](const Request&, const Answer& answer) {
    std::lock_guard lock(mutex);
    held.push_back(answer);
    if (held.size() == 1) asked.set_value();
  });
  const auto client = connect_to(server->path());
  std::thread caller([&] { EXPECT_EQ(ask(*client, "x"), std::to_string(MANGO_STATUS_IPC_UNAVAILABLE)); });
  asked.get_future().wait();
  server.reset();
  caller.join();
  for (const Answer& answer : held) answer(Response{});
}

// ------------------------------------------------------------------------------------------------- fork() --

TEST(IpcGrpc, a_forked_child_has_a_connection_of_its_own) {
  const ServerProcess server("127.0.0.1:0");
  const auto client = connect_to(server.path());
  EXPECT_EQ(ask(*client, "parent"), "parent=");
  const int status = in_child([&] {
    if (ask(*client, "child") != "child=") return 1;
    if (client->post(asking("post")) != MANGO_STATUS_OK) return 2;
    return in_child([&] { return ask(*client, "grandchild") == "grandchild=" ? 0 : 3; });
  });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(ask(*client, "parent again"), "parent again=");
}

TEST(IpcGrpc, a_child_forked_amid_calls_of_other_threads_can_call) {
  if (kSanitized)
    GTEST_SKIP() << "a sanitizer's own locks do not survive a fork amid other threads' allocations";
  const auto server = serve();
  const auto client = connect_to(server->path());
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::thread caller([&] {
    while (!stop.load()) wrong.fetch_add(ask(*client, "t") != "t=");
  });
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(in_child([&] { return ask(*client, "child") == "child=" ? 0 : 1; }), 0);
  }
  stop.store(true);
  caller.join();
  EXPECT_EQ(wrong.load(), 0);
}

// -------------------------------------------------------------------------------------------- descriptors --

int socket_of_this_process() {
  for (int fd = 3; fd < 256; ++fd) {
    int type = 0;
    socklen_t length = sizeof type;
    sockaddr_storage peer{};
    socklen_t peer_length = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM &&
        getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_length) == 0 && peer.ss_family == AF_INET) {
      return fd;
    }
  }
  return -1;
}

TEST(IpcGrpc, the_standard_descriptors_are_never_taken) {
  const ServerProcess server("127.0.0.1:0");
  const int status = in_child([&] {
    for (int fd = 0; fd <= 2; ++fd) ::close(fd);
    if (ask(*connect_to(server.path()), "x") != "x=") return 1;
    for (int fd = 0; fd <= 2; ++fd) {
      if (fcntl(fd, F_GETFD) != -1) return 2;
    }
    return 0;
  });
  EXPECT_EQ(status, 0);
}

TEST(IpcGrpc, the_connection_is_closed_by_exec) {
  const ServerProcess server("127.0.0.1:0");
  const auto client = connect_to(server.path());
  ASSERT_EQ(ask(*client, "x"), "x=");
  const int fd = socket_of_this_process();
  ASSERT_GE(fd, 3);
  EXPECT_EQ(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST(IpcGrpc, a_descriptor_that_became_another_file_is_left_alone) {
  const ServerProcess server("127.0.0.1:0");
  const auto client = connect_to(server.path());
  ASSERT_EQ(ask(*client, "x"), "x=");
  const int fd = socket_of_this_process();
  ASSERT_GE(fd, 3);
  int other[2];
  ASSERT_EQ(pipe2(other, O_NONBLOCK), 0);
  ASSERT_EQ(dup2(other[1], fd), fd);  // what a program does that closes "all" descriptors and opens its own
  EXPECT_EQ(ask(*client, "y"), "y=");
  EXPECT_NE(fcntl(fd, F_GETFD), -1) << "it is the program's, and open";
  char octet = 0;
  EXPECT_EQ(::read(other[0], &octet, 1), -1) << "nothing was written into it";
  for (const int each : {fd, other[0], other[1]}) ::close(each);
}

// A listener whose queue is full does not complete connections.
TEST(IpcGrpc, a_deadline_ends_connecting_too) {
  Failure failure;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  const uint16_t port = ntohs(address.sin_port);
  const Descriptor first = dial("127.0.0.1", port, Clock::now() + std::chrono::seconds(5));
  EXPECT_GE(first.fd(), 0);
  const Descriptor second = dial("127.0.0.1", port, Clock::now() + std::chrono::milliseconds(300));
  const auto client = connect_to("127.0.0.1:" + std::to_string(port));
  EXPECT_EQ(ask(*client, "x", 100), std::to_string(MANGO_STATUS_IPC_UNAVAILABLE));
  ::close(listener);
}

}  // namespace
