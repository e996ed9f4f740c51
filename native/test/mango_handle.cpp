// SPDX-License-Identifier: Apache-2.0
// Handles: misuse is answered, never crashed on.
#include <atomic>
#include <set>
#include <thread>

#include "mango/socket.h"
#include "mango_support.h"

using namespace mango_test;

namespace {

std::vector<mango_status_e> call_everything(void* handle) {
  char buffer[8] = {};
  size_t n = 0;
  int number = 0;
  bool flag = false;
  sockaddr_in address = loopback();
  socklen_t length = sizeof(address);
  auto* name = reinterpret_cast<sockaddr*>(&address);
  iovec piece{buffer, sizeof(buffer)};
  epoll_event event{};
  mango_socket_h out = nullptr;
  return {
      mango_context_destroy(handle),
      mango_context_set_hw_accel(handle, MANGO_HW_ACCEL_NONE, 0),
      mango_context_check_feature(handle, MANGO_HW_FEATURE_TOE, &flag),
      mango_tcp_destroy(handle),
      mango_tcp_set_context(handle, handle),
      mango_tcp_epoll_create(handle, 0),
      mango_tcp_epoll_ctl(handle, 0, EPOLL_CTL_ADD, 0, &event),
      mango_tcp_epoll_wait(handle, 0, &event, 1, 0, &number),
      mango_tcp_epoll_close(handle, 0),
      mango_tcp_epoll_check(handle, 0),
      mango_socket_create(handle, &out),
      mango_socket_open(handle, &number),
      mango_socket_bind(handle, name, length),
      mango_socket_listen(handle, 1),
      mango_socket_accept(handle, nullptr, nullptr, &out),
      mango_socket_connect(handle, name, length),
      mango_socket_send(handle, buffer, 1, &n),
      mango_socket_send_iov(handle, &piece, 1, &n),
      mango_socket_send_tls(handle, buffer, 1, &n),
      mango_socket_recv(handle, buffer, 1, &n),
      mango_socket_recv_iov(handle, &piece, 1, &n),
      mango_socket_recv_tls(handle, buffer, 1, &n),
      mango_socket_set_ssl(handle, nullptr),
      mango_socket_get_fd(handle, &number),
      mango_socket_get_session(handle, &number),
      mango_socket_get_name(handle, name, &length),
      mango_socket_get_peername(handle, name, &length),
      mango_socket_get_option(handle, SOL_SOCKET, SO_TYPE, &number, &length),
      mango_socket_set_option(handle, SOL_SOCKET, SO_REUSEADDR, &number, sizeof(number)),
      mango_socket_get_num_avail(handle, &number),
      mango_socket_set_nonblocking(handle, true),
      mango_socket_wait(handle),
      mango_socket_abort(handle),
      mango_socket_reset(handle),
      mango_socket_reset_blocking(handle, 1),
      mango_socket_shutdown(handle, SHUT_WR),
      mango_socket_detach(handle),
      mango_socket_close(handle),
      mango_socket_destroy(handle),
  };
}

void expect_all_invalid(void* handle) {
  const std::vector<mango_status_e> statuses = call_everything(handle);
  for (size_t i = 0; i < statuses.size(); ++i)
    EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, statuses[i]) << "call " << i;
}

}  // namespace

TEST(MangoHandle, null_is_refused_by_every_function) {
  expect_all_invalid(nullptr);
}

TEST(MangoHandle, pointers_and_made_up_numbers_are_refused) {
  int local = 0;
  expect_all_invalid(&local);
  const auto heap = std::make_unique<char[]>(4096);
  expect_all_invalid(heap.get());
  for (uint64_t made_up : {1ULL, 0xFFFFFFFFFFFFFFFFULL, 0xA4FFFFFFFFFFFFFFULL, 0xA400000000000000ULL,
                           0xA4000001FFFFFFFFULL, 0xA300000200000000ULL}) {
    expect_all_invalid(reinterpret_cast<void*>(made_up));
  }
}

TEST(MangoHandle, destroyed_handles_are_refused_after_their_slot_was_given_away) {
  Engine engine;
  mango_socket_h old = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_create(engine.tcp, &old));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_destroy(old));
  mango_socket_h again = engine.open();
  EXPECT_NE(old, again);
  expect_all_invalid(old);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_close(again));
}

TEST(MangoHandle, a_handle_of_another_type_is_refused) {
  Engine engine;
  bool flag = false;
  int number = 0;
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_open(engine.tcp, &number));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_get_fd(engine.context, &number));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_tcp_destroy(engine.context));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE,
            mango_context_check_feature(engine.open(), MANGO_HW_FEATURE_TOE, &flag));
}

TEST(MangoHandle, handles_in_use_cannot_be_destroyed) {
  Engine engine;
  mango_socket_h socket = engine.open();
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_context_destroy(engine.context));
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_tcp_destroy(engine.tcp));
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_tcp_set_context(engine.tcp, engine.context));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_destroy(socket));
}

TEST(MangoHandle, two_threads_destroying_one_handle_succeed_once) {
  Engine engine;
  for (int round = 0; round < 500; ++round) {
    mango_socket_h socket = nullptr;
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_create(engine.tcp, &socket));
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_open(socket, nullptr));
    std::atomic<int> won{0};
    const auto destroy = [&] { won += mango_socket_destroy(socket) == MANGO_STATUS_OK; };
    std::thread other(destroy);
    destroy();
    other.join();
    ASSERT_EQ(1, won.load());
  }
}

TEST(MangoHandle, open_and_close_a_hundred_thousand_times_keeps_the_table_small) {
  Engine engine;
  const uint32_t before = mango::kernel::sockets().capacity();
  for (int i = 0; i < 100'000; ++i) {
    mango_socket_h socket = nullptr;
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_create(engine.tcp, &socket));
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_open(socket, nullptr));
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(socket));
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_destroy(socket));
  }
  EXPECT_LE(mango::kernel::sockets().capacity(), before + 1);
}

TEST(MangoHandle, sockets_made_by_one_thread_and_destroyed_by_another_are_recycled) {
  Engine engine;
  const uint32_t before = mango::kernel::sockets().capacity();
  for (int round = 0; round < 200; ++round) {
    std::vector<mango_socket_h> made(10);
    std::thread maker([&] {
      for (mango_socket_h& socket : made)
        ASSERT_EQ(MANGO_STATUS_OK, mango_socket_create(engine.tcp, &socket));
    });
    maker.join();
    for (mango_socket_h socket : made) ASSERT_EQ(MANGO_STATUS_OK, mango_socket_destroy(socket));
  }
  EXPECT_LE(mango::kernel::sockets().capacity(), before + 10);
}

TEST(MangoHandle, a_socket_object_stays_small) {
  EXPECT_LE(sizeof(mango::kernel::Socket), 64U);
}

TEST(MangoHandle, find_knows_open_sockets_only) {
  Engine engine;
  mango_socket_h socket = engine.open();
  const int fd = Engine::fd_of(socket);
  mango_socket_h found = nullptr;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_find(fd, &found));
  EXPECT_EQ(socket, found);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_find(fd, nullptr));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(socket));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_socket_find(fd, &found));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_socket_find(-1, &found));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_socket_find(0x7FFFFFFF, &found));
}

TEST(MangoHandle, a_descriptor_number_used_again_belongs_to_the_new_socket) {
  Engine engine;
  mango_socket_h first = engine.open();
  const int fd = Engine::fd_of(first);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(first));
  mango_socket_h second = engine.open();
  ASSERT_EQ(fd, Engine::fd_of(second));
  mango_socket_h found = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_find(fd, &found));
  EXPECT_EQ(second, found);
  int none = 0;
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_get_fd(first, &none));
}

TEST(MangoHandle, out_pointers_are_required) {
  Engine engine;
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_context_create(nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_create(nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_create(engine.tcp, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_get_counters(nullptr, 0));
}
