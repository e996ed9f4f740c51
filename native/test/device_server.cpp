// SPDX-License-Identifier: Apache-2.0
// The device: sessions both ways, their bytes, and how they end.
#include <thread>

#include "device_server_support.h"

using namespace device_test;

namespace {

class DeviceServer : public DeviceTest {
 protected:
  // An accepted session and its peer.
  struct Pair {
    RawSession session;
    Peer peer;
  };
  Pair accepted() {
    uint16_t port = 0;
    RawSession from = listener(&port);
    Peer peer = Peer::connected(port);
    RawSession session = accept(from);
    from.close();
    return {std::move(session), std::move(peer)};
  }
};

}  // namespace

TEST_F(DeviceServer, welcomes_a_client_and_tells_its_health) {
  EXPECT_EQ(kLinkMagic, link->welcome.magic);
  EXPECT_EQ(kSharedVersion, link->welcome.version);
  EXPECT_EQ(static_cast<uint32_t>(getpid()), link->welcome.pid);
  ipc::Request health;
  const ipc::Response response = call(health);
  EXPECT_EQ(MANGO_STATUS_OK, response.status);
  EXPECT_EQ(server->link_path(), response.link);
  EXPECT_NE("", response.version);
  EXPECT_EQ("1", config("clients.open"));
}

TEST_F(DeviceServer, makes_a_session_that_is_writable_and_nothing_else) {
  const RawSession session = open();
  EXPECT_EQ(kSessionMagic, session.shared->magic);
  EXPECT_EQ(session.id, session.shared->id);
  EXPECT_NE(0U, session.id);
  EXPECT_EQ(SharedState::open, session.shared->state.load());
  EXPECT_EQ(POLLOUT, wait_for(session.fd(), POLLIN | POLLOUT | POLLRDHUP));
  sockaddr_un name{};
  socklen_t length = sizeof(name);
  ASSERT_EQ(0, getpeername(session.fd(), reinterpret_cast<sockaddr*>(&name), &length));
  const std::string expected =
      kSessionNamePrefix + std::to_string(getpid()) + ".0." + std::to_string(session.id);
  EXPECT_EQ(expected, std::string(name.sun_path + 1, length - offsetof(sockaddr_un, sun_path) - 1));
}

TEST_F(DeviceServer, cannot_have_its_memory_shrunk) {
  LinkRequest request{};
  request.op = LinkOp::open;
  request.level = AF_INET;
  LinkReply reply{};
  Descriptor fds[2];
  ASSERT_TRUE(link->request(request, reply, fds));
  EXPECT_EQ(-1, ftruncate(fds[1].get(), 0));
  EXPECT_EQ(-1, ftruncate(fds[1].get(), 1 << 24));
}

TEST_F(DeviceServer, accepts_and_exchanges_bytes) {
  Pair pair = accepted();
  EXPECT_EQ(SharedState::connected, pair.session.shared->state.load());
  EXPECT_EQ(pair.peer.port(), port_of(pair.session.shared->peer));
  pair.peer.send("question");
  EXPECT_EQ("question", pair.session.read(8));
  pair.session.send("answer");
  EXPECT_EQ("answer", pair.peer.read(6));
}

TEST_F(DeviceServer, connects_and_exchanges_bytes) {
  const Peer listening = Peer::listening();
  RawSession session = connect(listening.port());
  const Peer peer = listening.accept();
  session.send("question");
  EXPECT_EQ("question", peer.read(8));
  peer.send("answer");
  EXPECT_EQ("answer", session.read(6));
  EXPECT_EQ("1", config("counters.connected"));
  EXPECT_EQ("8", config("counters.tx_bytes"));
  EXPECT_EQ("6", config("counters.rx_bytes"));
}

TEST_F(DeviceServer, tells_of_a_refused_connect) {
  uint16_t port = 0;
  {
    const Peer gone = Peer::listening();
    port = gone.port();
  }
  RawSession session = open();
  EXPECT_EQ(MANGO_STATUS_IN_PROGRESS, start_connect(session, port));
  EXPECT_TRUE(session.hung_up());
  EXPECT_EQ(SharedState::failed, session.shared->state.load());
  EXPECT_EQ(ECONNREFUSED, session.shared->error.load());
  EXPECT_TRUE(has_sessions(0));
}

TEST_F(DeviceServer, tells_of_a_connect_that_cannot_be) {
  RawSession session = open();
  session.stuff();
  ipc::Request request;
  request.type = MANGO_IPC_MSG_TCP_CONNECT;
  request.client = link->token();
  request.session = session.id;
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  std::memcpy(&request.address.storage, &six, sizeof(six));
  const ipc::Response response = call(request);
  EXPECT_EQ(MANGO_STATUS_FAMILY_NOT_SUPPORTED, response.status);
  EXPECT_TRUE(session.hung_up());
  EXPECT_EQ(EAFNOSUPPORT, session.shared->error.load());
}

TEST_F(DeviceServer, moves_much_with_backpressure_both_ways) {
  Pair pair = accepted();
  const std::string data = pattern(8 << 20);
  std::thread peer([&] {
    pair.peer.send(data);
    EXPECT_EQ(data, pair.peer.read(data.size()));
  });
  EXPECT_EQ(data, pair.session.read(data.size()));
  pair.session.send(data);
  peer.join();
}

TEST_F(DeviceServer, moves_much_through_small_rings) {
  server.reset();
  ServerOptions options;
  rx_ring_bytes = options.rx_ring_bytes = kLeastRingBytes;
  tx_ring_bytes = options.tx_ring_bytes = kLeastRingBytes;
  start(options);
  Pair pair = accepted();
  const std::string data = pattern(1 << 20);
  std::thread peer([&] {
    pair.peer.send(data);
    EXPECT_EQ(data, pair.peer.read(data.size()));
  });
  EXPECT_EQ(data, pair.session.read(data.size()));
  pair.session.send(data);
  peer.join();
}

TEST_F(DeviceServer, holds_back_a_sender_nobody_reads) {
  Pair pair = accepted();
  fcntl(pair.peer.fd(), F_SETFL, O_NONBLOCK);
  const std::string data = pattern(1 << 20);
  while (wait_for(pair.peer.fd(), POLLOUT, 200) != 0)
    if (::send(pair.peer.fd(), data.data(), data.size(), MSG_NOSIGNAL) < 0) break;
  EXPECT_EQ(kRingBytes, pair.session.shared->rx_tail.load());
  EXPECT_EQ(1U, pair.session.shared->rx_starved.load());
  EXPECT_EQ(data.substr(0, kRingBytes), pair.session.read(kRingBytes));
  EXPECT_EQ(data.substr(kRingBytes, kRingBytes), pair.session.read(kRingBytes));
}

TEST_F(DeviceServer, says_that_the_ring_is_full_and_has_room_again) {
  Pair pair = accepted();
  const std::string data(kRingBytes, 'x');
  size_t sent = 0;
  while (pair.session.put(data.data(), data.size()) != 0 || wait_for(pair.session.fd(), POLLOUT, 0) == 0) {
    ++sent;
    ::poll(nullptr, 0, 1);
    if (sent > 2000) break;
    if (pair.session.tx_tail - pair.session.shared->tx_head.load() == kRingBytes && sent > 100) break;
  }
  pair.session.stuff();
  pair.session.shared->tx_armed.store(1);
  EXPECT_EQ(0, wait_for(pair.session.fd(), POLLOUT, 0));
  const std::string got = pair.peer.read(pair.session.tx_tail);
  EXPECT_EQ(pair.session.tx_tail, got.size());
  EXPECT_EQ(POLLOUT, wait_for(pair.session.fd(), POLLOUT));
  EXPECT_EQ(0U, pair.session.shared->tx_armed.load());
}

TEST_F(DeviceServer, passes_the_peers_end_behind_its_bytes) {
  Pair pair = accepted();
  pair.peer.send("last words");
  shutdown(pair.peer.fd(), SHUT_WR);
  EXPECT_EQ("last words", pair.session.read(100));
  EXPECT_EQ(1U, pair.session.shared->rx_end.load());
  EXPECT_NE(0, wait_for(pair.session.fd(), POLLRDHUP) & POLLRDHUP);
  pair.session.send("still here");
  EXPECT_EQ("still here", pair.peer.read(10));
}

TEST_F(DeviceServer, passes_the_clients_end_behind_its_bytes) {
  Pair pair = accepted();
  pair.session.put("last words", 10);
  pair.session.wish(kWishFin);
  EXPECT_EQ("last words", pair.peer.read(100));
  pair.peer.send("still here");
  EXPECT_EQ("still here", pair.session.read(10));
}

TEST_F(DeviceServer, gives_what_came_before_a_reset) {
  Pair pair = accepted();
  pair.peer.send("last words");
  EXPECT_NE(0, wait_for(pair.session.fd(), POLLIN));
  pair.peer.rst();
  EXPECT_TRUE(pair.session.hung_up());
  EXPECT_EQ("last words", pair.session.read(100));
  EXPECT_EQ(SharedState::failed, pair.session.shared->state.load());
  EXPECT_EQ(ECONNRESET, pair.session.shared->error.load());
  EXPECT_TRUE(has_sessions(0));
}

TEST_F(DeviceServer, tells_of_a_reset_behind_a_fin) {
  Pair pair = accepted();
  shutdown(pair.peer.fd(), SHUT_WR);
  EXPECT_EQ("", pair.session.read(1));
  pair.peer.rst();
  EXPECT_TRUE(pair.session.hung_up());
  EXPECT_EQ(SharedState::failed, pair.session.shared->state.load());
  EXPECT_TRUE(has_sessions(0));
}

TEST_F(DeviceServer, sends_what_is_queued_before_a_close) {
  Pair pair = accepted();
  const std::string data = pattern(100'000);
  ASSERT_EQ(data.size(), pair.session.put(data.data(), data.size()));
  pair.session.close();
  int error = 0;
  EXPECT_EQ(data, pair.peer.read(data.size() + 1, &error));
  EXPECT_EQ(0, error);
  EXPECT_TRUE(has_sessions(0));
  EXPECT_EQ("2", config("counters.closed"));  // and the listener
}

TEST_F(DeviceServer, drains_a_closed_session_to_a_slow_reader) {
  auto [session, peer, sent] = choked();
  session.close();
  EXPECT_EQ("1", config("sessions.open"));
  EXPECT_EQ(sent, peer.read(sent.size() + 1));
  EXPECT_TRUE(has_sessions(0));
}

TEST_F(DeviceServer, gives_up_a_closed_session_whose_peer_reads_nothing) {
  auto [session, peer, sent] = choked();
  session.close();
  EXPECT_EQ("1", config("sessions.open"));
  EXPECT_EQ(MANGO_STATUS_OK, configure("session.drain_timeout_ms", "10"));
  EXPECT_TRUE(has_sessions(0));
  EXPECT_NE(0, wait_for(peer.fd(), POLLERR | POLLHUP) & (POLLERR | POLLHUP));
}

TEST_F(DeviceServer, resets_what_is_closed_with_unread_bytes) {
  Pair pair = accepted();
  pair.peer.send("unread");
  EXPECT_NE(0, wait_for(pair.session.fd(), POLLIN));
  pair.session.close();
  int error = 0;
  EXPECT_EQ("", pair.peer.read(1, &error));
  EXPECT_EQ(ECONNRESET, error);
  EXPECT_TRUE(has_sessions(0));
}

TEST_F(DeviceServer, resets_what_is_sent_to_a_closed_session) {
  auto [session, peer, sent] = choked();
  session.close();
  EXPECT_EQ("1", config("sessions.open"));
  peer.send("too late");
  EXPECT_TRUE(has_sessions(0));
  EXPECT_NE(0, wait_for(peer.fd(), POLLERR | POLLHUP) & (POLLERR | POLLHUP));
}

TEST_F(DeviceServer, resets_at_once_when_the_client_wants_no_linger) {
  Pair pair = accepted();
  const linger none{1, 0};
  EXPECT_EQ(0, ask(LinkOp::set_option, pair.session, SOL_SOCKET, SO_LINGER, &none, sizeof(none)));
  pair.session.close();
  int error = 0;
  EXPECT_EQ("", pair.peer.read(1, &error));
  EXPECT_EQ(ECONNRESET, error);
}

TEST_F(DeviceServer, aborts_on_a_wish_and_on_a_message) {
  for (const bool message : {false, true}) {
    Pair pair = accepted();
    if (message)
      EXPECT_EQ(MANGO_STATUS_OK, call(MANGO_IPC_MSG_TCP_ABORT, pair.session.id).status);
    else
      pair.session.wish(kWishAbort);
    EXPECT_TRUE(pair.session.hung_up());
    EXPECT_EQ(ECONNABORTED, pair.session.shared->error.load());
    int error = 0;
    EXPECT_EQ("", pair.peer.read(1, &error));
    EXPECT_EQ(ECONNRESET, error);
  }
  EXPECT_TRUE(has_sessions(0));
  EXPECT_EQ("2", config("counters.aborted"));
}

TEST_F(DeviceServer, closes_on_a_message) {
  Pair pair = accepted();
  pair.session.put("bye", 3);
  EXPECT_EQ(MANGO_STATUS_OK, call(MANGO_IPC_MSG_TCP_CLOSE, pair.session.id).status);
  EXPECT_EQ("bye", pair.peer.read(100));
  EXPECT_TRUE(pair.session.hung_up());
  EXPECT_EQ(SharedState::failed, pair.session.shared->state.load());
  EXPECT_EQ(ECONNABORTED, pair.session.shared->error.load());
  EXPECT_TRUE(has_sessions(0));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, call(MANGO_IPC_MSG_TCP_CLOSE, pair.session.id).status);
}

TEST_F(DeviceServer, closes_a_listener_and_resets_who_was_not_accepted) {
  uint16_t port = 0;
  RawSession from = listener(&port);
  const Peer peer = Peer::connected(port);
  EXPECT_NE(0, wait_for(from.fd(), POLLIN));
  from.close();
  int error = 0;
  EXPECT_EQ("", peer.read(1, &error));
  EXPECT_EQ(ECONNRESET, error);
  EXPECT_TRUE(has_sessions(0));
  RawSession again = open();
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, call(MANGO_IPC_MSG_TCP_LISTEN_CLOSE, again.id).status);
}

TEST_F(DeviceServer, binds_what_was_closed_a_moment_ago) {
  uint16_t port = 0;
  RawSession first = listener(&port);
  for (int i = 0; i < 100; ++i) {
    first.close();
    RawSession next = open();
    ASSERT_EQ(MANGO_STATUS_OK, listen(next, 1, port).status);
    first = std::move(next);
  }
}

TEST_F(DeviceServer, says_that_an_address_is_in_use) {
  uint16_t port = 0;
  const RawSession first = listener(&port);
  const RawSession second = open();
  EXPECT_EQ(MANGO_STATUS_ADDRESS_IN_USE, bind(second, port));
  EXPECT_EQ(MANGO_STATUS_ADDRESS_IN_USE, listen(second, 1, port).status);
  EXPECT_EQ(SharedState::open, second.shared->state.load());
}

TEST_F(DeviceServer, accepts_more_than_a_pair_can_carry) {
  constexpr int kMany = 300;
  uint16_t port = 0;
  const RawSession from = listener(&port, 1024);
  std::vector<Peer> peers;
  for (int i = 0; i < kMany; ++i) peers.push_back(Peer::connected(port));
  EXPECT_LT(std::stoi(config("sessions.open")), 200);
  std::vector<RawSession> sessions;
  for (int i = 0; i < kMany; ++i) {
    sessions.push_back(accept(from));
    ASSERT_NE(0U, sessions.back().id) << i;
  }
  EXPECT_TRUE(has_sessions(kMany + 1));
}

TEST_F(DeviceServer, renews_a_session_under_its_id) {
  Pair pair = accepted();
  Descriptor fds[2];
  LinkReply reply{};
  EXPECT_EQ(0, ask(LinkOp::renew, pair.session, 0, 0, nullptr, 0, &reply, nullptr, -1, fds));
  EXPECT_EQ(pair.session.id, reply.session);
  int error = 0;
  EXPECT_EQ("", pair.peer.read(1, &error));
  EXPECT_EQ(ECONNRESET, error);
  EXPECT_TRUE(pair.session.hung_up());
  RawSession fresh(*link, reply.session, std::move(fds[0]), fds[1]);
  const Peer listening = Peer::listening();
  EXPECT_EQ(MANGO_STATUS_IN_PROGRESS, start_connect(fresh, listening.port()));
  EXPECT_NE(0, wait_for(fresh.fd(), POLLOUT) & POLLOUT);
  fresh.send("anew");
  EXPECT_EQ("anew", listening.accept().read(4));
}

TEST_F(DeviceServer, gives_the_tcp_socket_away) {
  Pair pair = accepted();
  pair.peer.send("in the ring");
  EXPECT_NE(0, wait_for(pair.session.fd(), POLLIN));
  Descriptor fds[2];
  EXPECT_EQ(MANGO_STATUS_BUSY, ask(LinkOp::detach, pair.session));
  EXPECT_EQ("in the ring", pair.session.read(11));
  EXPECT_EQ(0, ask(LinkOp::detach, pair.session, 0, 0, nullptr, 0, nullptr, nullptr, -1, fds));
  ASSERT_TRUE(fds[0]);
  EXPECT_EQ("0", config("sessions.open"));
  EXPECT_EQ(5, ::send(fds[0].get(), "plain", 5, 0));
  EXPECT_EQ("plain", pair.peer.read(5));
}

TEST_F(DeviceServer, keeps_options) {
  const RawSession session = open();
  const int on = 1;
  LinkReply reply{};
  const auto value = [&] {
    int got = -1;
    std::memcpy(&got, reply.payload, sizeof(got));
    return got;
  };
  EXPECT_EQ(0, ask(LinkOp::set_option, session, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
  EXPECT_EQ(0, ask(LinkOp::get_option, session, IPPROTO_TCP, TCP_NODELAY, nullptr, sizeof(int), &reply));
  EXPECT_EQ(1, value());
  EXPECT_EQ(0, ask(LinkOp::set_option, session, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
  EXPECT_EQ(0, ask(LinkOp::get_option, session, SOL_SOCKET, SO_KEEPALIVE, nullptr, sizeof(int), &reply));
  EXPECT_EQ(1, value());
  EXPECT_EQ(0, ask(LinkOp::get_option, session, IPPROTO_TCP, TCP_INFO, nullptr, kLinkPayloadBytes, &reply));
  EXPECT_GE(reply.length, 100U);
  EXPECT_EQ(MANGO_STATUS_UNKNOWN_OPTION,
            ask(LinkOp::set_option, session, SOL_SOCKET, SO_MARK, &on, sizeof(on)));
  EXPECT_EQ(MANGO_STATUS_UNKNOWN_OPTION,
            ask(LinkOp::get_option, session, IPPROTO_TCP, TCP_ULP, nullptr, sizeof(int), &reply));
}

TEST_F(DeviceServer, tells_what_the_peer_has_not_acknowledged) {
  Pair pair = accepted();
  LinkReply reply{};
  EXPECT_EQ(0, ask(LinkOp::queued, pair.session, 0, 0, nullptr, 0, &reply));
  EXPECT_EQ(sizeof(int32_t), reply.length);
  const int32_t status = ask(LinkOp::sequence, pair.session, 0, 0, nullptr, 0, &reply);
  EXPECT_TRUE(status == 0 || status == MANGO_STATUS_NOT_PERMITTED) << status;
  pair.peer.send("goes on");
  EXPECT_EQ("goes on", pair.session.read(7));
}

TEST_F(DeviceServer, ends_all_sessions_when_it_is_stopped) {
  Pair pair = accepted();
  server.reset();
  EXPECT_TRUE(pair.session.hung_up());
  EXPECT_EQ(SharedState::reset, pair.session.shared->state.load());
  int error = 0;
  EXPECT_EQ("", pair.peer.read(1, &error));
  EXPECT_EQ(ECONNRESET, error);
}
