// SPDX-License-Identifier: Apache-2.0
// The tcp handle itself: its life, its engine, its reset, its addresses.
#include <atomic>
#include <thread>

#include "mango/address.h"
#include "mango_conformance.h"
#include "netns_support.h"

namespace mango_test {
namespace {

// A reset from beginning to end; how often it had to be asked for.
int reset_whole(mango_tcp_h tcp, bool preserved = true) {
  int calls = 1;
  mango_status_e status = mango_tcp_reset(tcp, preserved);
  EXPECT_EQ(MANGO_STATUS_IN_PROGRESS, status) << "the first call";
  for (; status == MANGO_STATUS_IN_PROGRESS && calls < 1'000'000; ++calls) {
    status = mango_tcp_reset(tcp, preserved);
    std::this_thread::yield();
  }
  EXPECT_EQ(MANGO_STATUS_OK, status);
  return calls;
}

struct Seen {
  std::atomic<int> runs{0};
  mango_tcp_h tcp = nullptr;
  mango_context_h context = nullptr;
};

void note(mango_tcp_h tcp, mango_context_h context, void* param) {
  auto* seen = static_cast<Seen*>(param);
  ++seen->runs;
  seen->tcp = tcp;
  seen->context = context;
}

}  // namespace

CONFORMANCE(mango_tcp_create, a_handle_needs_a_place_to_go) {
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_create(nullptr));
  mango_tcp_h made = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_create(&made));
  mango_socket_h socket = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_create(made, &socket));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_open(socket, nullptr)) << "no engine yet";
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_reset(made, false));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_destroy(socket));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_destroy(made));
}

CONFORMANCE(mango_tcp_destroy, not_while_sockets_or_listeners_exist) {
  mango_tcp_h other = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_create(&other));
  ASSERT_EQ(MANGO_STATUS_OK,
            on_device() ? mango_tcp_set_ipc(other, ipc) : mango_tcp_set_context(other, context));
  sockaddr_in address = loopback();
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_listen(other, &address));
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_tcp_destroy(other));
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_listen_close(other, &address));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_destroy(other));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_tcp_destroy(other));
}

CONFORMANCE(mango_tcp_set_context, once_and_never_beside_ipc) {
  mango_context_h another = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_context_create(&another));
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_tcp_set_context(tcp, another));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_tcp_set_context(tcp, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_tcp_set_context(another, another));
  EXPECT_EQ(MANGO_STATUS_OK, mango_context_destroy(another)) << "nothing refers to it";
}

CONFORMANCE(mango_tcp_set_ipc, once_and_never_beside_a_context) {
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_tcp_set_ipc(tcp, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_tcp_set_ipc(tcp, tcp));
  if (!on_device()) return;
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_tcp_set_ipc(tcp, ipc));
  EXPECT_EQ(MANGO_STATUS_BUSY, mango_ipc_close(ipc)) << "the tcp handle runs on it";
  mango_tcp_h other = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_create(&other));
  ASSERT_EQ(MANGO_STATUS_OK, mango_ipc_set_index(ipc, 63));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_set_ipc(other, ipc)) << "no such device";
  ASSERT_EQ(MANGO_STATUS_OK, mango_ipc_set_index(ipc, 0));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_set_ipc(other, ipc)) << "free to try again";
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_destroy(other));
}

CONFORMANCE(mango_tcp_set_ipc, a_device_that_died_is_unavailable_and_the_handle_stays_free) {
  if (!on_device()) GTEST_SKIP() << "about the device";
  DeviceProcess mortal;
  ASSERT_EQ("", mortal.error());
  mango_ipc_h deaf = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_ipc_open(mortal.path().c_str(), false, &deaf));
  mortal.kill();
  mango_tcp_h other = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_create(&other));
  EXPECT_EQ(MANGO_STATUS_IPC_UNAVAILABLE, mango_tcp_set_ipc(other, deaf));
  mango_context_h fallback = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_context_create(&fallback));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_set_context(other, fallback));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_destroy(other));
  EXPECT_EQ(MANGO_STATUS_OK, mango_context_destroy(fallback));
  EXPECT_EQ(MANGO_STATUS_OK, mango_ipc_close(deaf));
}

CONFORMANCE(mango_tcp_reset, every_session_dies_and_stays_dead_until_closed) {
  const Pair pair = connect_pair();
  mango_socket_h listener = listen(true);
  mango_socket_h fresh = open();
  const sockaddr_in address = loopback();
  reset_whole(tcp);
  EXPECT_EQ(ECONNRESET, pair.peer.read_to_end()) << "an RST, not a FIN";
  EXPECT_TRUE(poll_events(fd_of(pair.socket), POLLIN) & POLLHUP);
  EXPECT_TRUE(poll_events(fd_of(listener), POLLIN) & POLLHUP);
  for (mango_socket_h socket : {pair.socket, listener, fresh}) {
    char byte = 0;
    size_t n = 0;
    iovec piece{&byte, 1};
    EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_recv(socket, &byte, 1, &n));
    EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_recv_iov(socket, &piece, 1, &n));
    EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_send(socket, &byte, 1, &n));
    EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_send_iov(socket, &piece, 1, &n));
    EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_connect(socket, as_sockaddr(address), sizeof(address)));
    EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_bind(socket, as_sockaddr(address), sizeof(address)));
    EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_listen(socket, 1));
    EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_shutdown(socket, SHUT_RDWR));
    EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_abort(socket));
    EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_reset(socket));
  }
  mango_socket_h client = nullptr;
  EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_accept(listener, nullptr, nullptr, &client));
  EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_wait(pair.socket));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_close(pair.socket));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_open(pair.socket, nullptr)) << "a new life";
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_bind(pair.socket, as_sockaddr(address), sizeof(address)));
}

CONFORMANCE(mango_tcp_reset, one_that_somebody_else_asked_for_is_felt_as_well) {
  if (!on_device()) GTEST_SKIP() << "handles on this host have nothing in common";
  const Pair pair = connect_pair();
  mango_socket_h listener = listen(true);
  reset_whole(make_tcp());
  char byte = 0;
  size_t n = 0;
  mango_socket_h client = nullptr;
  const sockaddr_in address = loopback();
  EXPECT_TRUE(poll_events(fd_of(pair.socket), POLLIN) & POLLHUP);
  EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_accept(listener, nullptr, nullptr, &client));
  EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_wait(pair.socket));
  EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_recv(pair.socket, &byte, 1, &n));
  EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_send(pair.socket, &byte, 1, &n));
  EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_recv(pair.socket, &byte, 1, &n)) << "again";
  EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_shutdown(pair.socket, SHUT_RDWR));
  EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_abort(pair.socket));
  EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_socket_bind(listener, as_sockaddr(address), sizeof(address)));
}

CONFORMANCE(mango_tcp_reset, whoever_is_blocked_is_woken) {
  const Pair receiving = connect_pair();
  const Pair sending = connect_pair(4096);
  mango_socket_h listener = listen();
  std::atomic<int> reached{0};
  std::vector<std::thread> blocked;
  const auto expect_reset = [&](auto call) {
    blocked.emplace_back([&reached, call] {
      ++reached;
      mango_status_e status = MANGO_STATUS_OK;
      while (status == MANGO_STATUS_OK) status = call();
      EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, status);
    });
  };
  const std::string block = pattern(1 << 16);
  expect_reset([&] {
    char byte = 0;
    size_t n = 0;
    return mango_socket_recv(receiving.socket, &byte, 1, &n);
  });
  expect_reset([&] { return mango_socket_send(sending.socket, block.data(), block.size(), nullptr); });
  expect_reset([&] {
    mango_socket_h client = nullptr;
    return mango_socket_accept(listener, nullptr, nullptr, &client);
  });
  while (reached != 3) std::this_thread::yield();
  reset_whole(tcp);
  for (std::thread& thread : blocked) thread.join();
}

CONFORMANCE(mango_tcp_reset, listeners_by_address_die_too_and_make_way) {
  sockaddr_in address = loopback();
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_listen(tcp, &address));
  reset_whole(tcp);
  sockaddr_in at = address;
  int session = -1;
  EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_tcp_accept(tcp, &at, nullptr, false, &session));
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_listen(tcp, &address)) << "the same port";
  RawPeer peer(ntohs(address.sin_port));
  at = address;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_accept(tcp, &at, nullptr, false, &session));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_listen_close(tcp, &address));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_listen_close(tcp, &address)) << "the dead one is not kept";
}

CONFORMANCE(mango_tcp_reset, listeners_by_address_learn_of_somebody_elses) {
  if (!on_device()) GTEST_SKIP() << "handles on this host have nothing in common";
  sockaddr_in address = loopback();
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_listen(tcp, &address));
  reset_whole(make_tcp());
  sockaddr_in at = address;
  int session = -1;
  EXPECT_EQ(MANGO_STATUS_DEVICE_RESET, mango_tcp_accept(tcp, &at, nullptr, true, &session));
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_listen(tcp, &address)) << "the same port";
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_listen_close(tcp, &address));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_listen_close(tcp, &address));
}

CONFORMANCE(mango_tcp_reset, on_this_host_other_handles_live_on) {
  if (on_device()) GTEST_SKIP() << "a device is reset as a whole";
  const Pair pair = connect_pair();
  reset_whole(make_tcp());
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, "x", 1, nullptr));
}

CONFORMANCE(mango_tcp_reset, sockets_opened_and_closed_meanwhile_are_in_nobodys_way) {
  if (on_device()) GTEST_SKIP() << "in the device, its own thread does it";
  std::atomic<bool> stop{false};
  std::thread churn([&] {
    RawListener server(128);
    while (!stop) {
      mango_socket_h socket = nullptr;
      ASSERT_EQ(MANGO_STATUS_OK, mango_socket_create(tcp, &socket));
      ASSERT_EQ(MANGO_STATUS_OK, mango_socket_open(socket, nullptr));
      const sockaddr_in& address = server.address();
      if (mango_socket_connect(socket, as_sockaddr(address), sizeof(address)) == MANGO_STATUS_OK) {
        ::close(server.accept());
      }
      ASSERT_EQ(MANGO_STATUS_OK, mango_socket_destroy(socket));
      const int bystander = ::socket(AF_INET, SOCK_STREAM, 0);  // takes the number: must not be hung up
      sockaddr_in any = loopback();
      EXPECT_EQ(0, ::bind(bystander, as_sockaddr(any), sizeof(any)));
      EXPECT_EQ(0, ::listen(bystander, 1));
      EXPECT_EQ(0, poll_events(bystander, POLLIN, 0));
      ::close(bystander);
    }
  });
  for (int round = 0; round < 300; ++round) reset_whole(tcp);
  stop = true;
  churn.join();
}

CONFORMANCE(mango_tcp_register_reset, the_function_runs_once_per_reset) {
  Seen seen;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_register_reset(tcp, note, &seen));
  EXPECT_EQ(0, seen.runs);
  reset_whole(tcp);
  EXPECT_EQ(1, seen.runs);
  EXPECT_EQ(tcp, seen.tcp);
  EXPECT_EQ(context, seen.context);
  reset_whole(tcp);
  EXPECT_EQ(2, seen.runs);
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_register_reset(tcp, nullptr, nullptr));
  reset_whole(tcp);
  EXPECT_EQ(2, seen.runs);
}

CONFORMANCE(mango_tcp_register_reset, the_function_may_listen_anew) {
  static sockaddr_in address;
  address = loopback();
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_listen(tcp, &address));
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_register_reset(
                                 tcp,
                                 [](mango_tcp_h handle, mango_context_h, void*) {
                                   EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_listen(handle, &address));
                                   EXPECT_EQ(MANGO_STATUS_IN_PROGRESS, mango_tcp_reset(handle, false));
                                   EXPECT_EQ(MANGO_STATUS_BUSY, mango_tcp_destroy(handle));
                                 },
                                 nullptr));
  reset_whole(tcp);
  RawPeer peer(ntohs(address.sin_port));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_listen_close(tcp, &address));
}

CONFORMANCE(mango_tcp_get_address, what_is_not_wanted_may_be_left_out) {
  in_addr ip{};
  in_addr subnet{};
  ether_addr mac{};
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_get_address(tcp, &ip, &subnet, &mac));
  in_addr again{};
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_get_address(tcp, &again, nullptr, nullptr));
  EXPECT_EQ(ip.s_addr, again.s_addr);
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_get_address(tcp, nullptr, nullptr, nullptr));
}

CONFORMANCE(mango_tcp_get_ip_address, it_is_the_same_address_as_text) {
  in_addr ip{};
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_get_address(tcp, &ip, nullptr, nullptr));
  const char* text = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_get_ip_address(tcp, &text));
  EXPECT_EQ(ip.s_addr, inet_addr(text));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_get_ip_address(tcp, nullptr));
}

CONFORMANCE(mango_tcp_set_address, bad_texts_change_nothing) {
  in_addr before{};
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_get_address(tcp, &before, nullptr, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_set_address(tcp, nullptr, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_set_address(tcp, "10.0.0.256", nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_set_address(tcp, "10.0.0.1", "02:00"));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_set_address(tcp, "224.0.0.1", nullptr));
  in_addr after{};
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_get_address(tcp, &after, nullptr, nullptr));
  EXPECT_EQ(before.s_addr, after.s_addr);
}

CONFORMANCE(mango_tcp_set_address, an_address_of_its_own_is_set_and_comes_back_with_a_reset) {
  const bool device = on_device();
  in_fresh_netns([device] {
    mango::kernel::Netlink netlink;
    ASSERT_EQ(MANGO_STATUS_OK, set_up(netlink, "lo"));
    ASSERT_EQ(MANGO_STATUS_OK, make_veth(netlink, "dev0", "far0"));
    mango::kernel::AddressChange first;
    ASSERT_TRUE(mango::kernel::parse_ip("10.8.0.1/24", first));
    ASSERT_EQ(MANGO_STATUS_OK, write_addresses(netlink, "dev0", first));
    mango_context_h host = nullptr;
    mango_ipc_h channel = nullptr;
    mango_tcp_h handle = nullptr;
    ASSERT_EQ(MANGO_STATUS_OK, mango_context_create(&host));
    ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_create(&handle));
    std::unique_ptr<DeviceProcess> process;
    if (device) {
      process = std::make_unique<DeviceProcess>(true);
      ASSERT_EQ("", process->error());
      ASSERT_EQ(MANGO_STATUS_OK, mango_ipc_open(process->path().c_str(), false, &channel));
    }
    ASSERT_EQ(MANGO_STATUS_OK,
              device ? mango_tcp_set_ipc(handle, channel) : mango_tcp_set_context(handle, host));
    ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_set_address(handle, "10.9.0.1/16", "02:00:00:00:00:09"));
    in_addr ip{};
    in_addr subnet{};
    ether_addr mac{};
    ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_get_address(handle, &ip, &subnet, &mac));
    EXPECT_EQ(inet_addr("10.9.0.1"), ip.s_addr);
    EXPECT_EQ(inet_addr("255.255.0.0"), subnet.s_addr);
    EXPECT_EQ(9, mac.ether_addr_octet[5]);
    reset_whole(handle, true);
    ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_get_address(handle, &ip, nullptr, nullptr));
    EXPECT_EQ(inet_addr("10.9.0.1"), ip.s_addr) << "preserved";
    reset_whole(handle, false);
    ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_get_address(handle, &ip, nullptr, nullptr));
    EXPECT_EQ(inet_addr("10.8.0.1"), ip.s_addr) << "not preserved";
  });
}

}  // namespace mango_test
