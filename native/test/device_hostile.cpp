// SPDX-License-Identifier: Apache-2.0
// Clients that lie: in shared memory, over the link. They lose what they lied with; the device and everybody
// else go on.
#include <random>
#include <thread>

#include "device_server_support.h"

using namespace device_test;

namespace {

class DeviceHostile : public DeviceTest {
 protected:
  // A session of an honest client that still works.
  void expect_service() {
    Link honest(server->link_path());
    link.swap(keep_);
    link = std::make_unique<Link>(server->link_path());
    const Peer listening = Peer::listening();
    RawSession session = connect(listening.port());
    const Peer peer = listening.accept();
    session.send("alive");
    EXPECT_EQ("alive", peer.read(5));
    peer.send("indeed");
    EXPECT_EQ("indeed", session.read(6));
    session.close();
    link.swap(keep_);
  }
  void expect_punished(RawSession& session, const Peer& peer) {
    EXPECT_TRUE(session.hung_up());
    EXPECT_EQ(SharedState::failed, session.shared->state.load());
    EXPECT_EQ("1", config("counters.hostile"));
    EXPECT_EQ("0", config("sessions.open"));
    int error = 0;
    EXPECT_EQ("", peer.read(1, &error));
    EXPECT_EQ(ECONNRESET, error);
    expect_service();
  }

 private:
  std::unique_ptr<Link> keep_;
};

}  // namespace

TEST_F(DeviceHostile, claims_to_have_sent_more_than_the_ring_holds) {
  const Peer listening = Peer::listening();
  RawSession session = connect(listening.port());
  const Peer peer = listening.accept();
  session.shared->tx_tail.store(kRingBytes + 1);
  session.notify();
  expect_punished(session, peer);
}

TEST_F(DeviceHostile, claims_to_have_sent_less_than_was_sent) {
  const Peer listening = Peer::listening();
  RawSession session = connect(listening.port());
  const Peer peer = listening.accept();
  session.send("12345");
  EXPECT_EQ("12345", peer.read(5));
  session.shared->tx_tail.store(4);
  session.notify();
  expect_punished(session, peer);
}

TEST_F(DeviceHostile, claims_to_have_received_what_never_came) {
  const Peer listening = Peer::listening();
  RawSession session = connect(listening.port());
  const Peer peer = listening.accept();
  session.shared->rx_head.store(1);
  peer.send("x and more");
  expect_punished(session, peer);
}

TEST_F(DeviceHostile, claims_too_much_in_closing) {
  const Peer listening = Peer::listening();
  RawSession session = connect(listening.port());
  const Peer peer = listening.accept();
  session.shared->tx_tail.store(0x80000000U);
  session.close();
  int error = 0;
  EXPECT_EQ("", peer.read(1, &error));
  EXPECT_EQ(ECONNRESET, error);
  EXPECT_TRUE(has_sessions(0));
  expect_service();
}

TEST_F(DeviceHostile, writes_nonsense_where_only_the_device_writes) {
  const Peer listening = Peer::listening();
  RawSession session = connect(listening.port());
  const Peer peer = listening.accept();
  SharedSession& shared = *session.shared.get();
  shared.magic = 0;
  shared.id = 0xFFFFFFFF;
  shared.rx_bytes = 1U << 31;
  shared.tx_bytes = 3;
  shared.rx_tail.store(0x12345678);
  shared.tx_head.store(0x87654321);
  shared.state.store(SharedState::listening);
  peer.send("in place");
  EXPECT_NE(0, wait_for(session.fd(), POLLIN));
  EXPECT_EQ(0, std::memcmp(rx_ring(&shared), "in place", 8));
  expect_service();
}

TEST_F(DeviceHostile, changes_what_it_sends_after_closing) {
  auto [session, peer, sent] = choked();
  session.close();
  EXPECT_EQ("1", config("sessions.open"));
  session.shared->tx_tail.store(0x80000000U);
  link->mark(session.id);
  EXPECT_EQ(sent, peer.read(sent.size() + 1));
  EXPECT_TRUE(has_sessions(0));
}

TEST_F(DeviceHostile, scribbles_over_everything_while_traffic_runs) {
  constexpr int kRounds = 150;
  std::mt19937 random(4711);
  for (int round = 0; round < kRounds; ++round) {
    const Peer listening = Peer::listening();
    RawSession session = connect(listening.port());
    const Peer peer = listening.accept();
    fcntl(peer.fd(), F_SETFL, O_NONBLOCK);
    const std::string data(64 * 1024, 'p');
    auto* words = reinterpret_cast<uint32_t*>(session.shared.get());
    for (int i = 0; i < 400; ++i) {
      const uint32_t at = random() % (sizeof(SharedSession) / sizeof(uint32_t));
      const uint32_t value = random() % 3 == 0 ? random() : random() % 70'000;
      __atomic_store_n(words + at, value, __ATOMIC_RELAXED);
      link->mark(random() % 4 == 0 ? random() % kMaxSessions : session.id);
      if (i % 16 == 0) (void)::send(peer.fd(), data.data(), data.size(), MSG_NOSIGNAL);
      if (i % 64 == 0) (void)::send(session.fd(), data.data(), random() % 5000, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    session.drop();
  }
  expect_service();
  EXPECT_TRUE(has_sessions(0));
}

TEST_F(DeviceHostile, scribbles_over_its_channel) {
  std::mt19937 random(42);
  auto* words = reinterpret_cast<uint64_t*>(link->channel.get());
  for (int i = 0; i < 20'000; ++i) {
    const size_t at = random() % (sizeof(SharedChannel) / sizeof(uint64_t));
    __atomic_store_n(words + at, uint64_t{random()} << 32 | random(), __ATOMIC_RELAXED);
    if (i % 64 == 0) eventfd_write(link->doorbell.get(), 1);
  }
  expect_service();
}

TEST_F(DeviceHostile, has_its_doorbell_full_or_drained) {
  (void)::fcntl(link->doorbell.get(), F_SETFL, O_NONBLOCK);
  (void)eventfd_write(link->doorbell.get(), UINT64_MAX - 1);
  expect_service();
  eventfd_t value = 0;
  (void)eventfd_read(link->doorbell.get(), &value);
  expect_service();
}

TEST_F(DeviceHostile, sends_what_is_no_request) {
  for (const size_t length : {size_t{1}, size_t{19}, sizeof(LinkRequest) + 1, size_t{60'000}}) {
    Link liar(server->link_path());
    const std::string junk(length, '\xFF');
    EXPECT_EQ(static_cast<ssize_t>(length), ::send(liar.fd(), junk.data(), length, MSG_NOSIGNAL));
    char answer[8];
    EXPECT_LE(::recv(liar.fd(), answer, sizeof(answer), 0), 0) << length;
  }
  EXPECT_TRUE(eventually("clients.open", "1"));
  expect_service();
}

TEST_F(DeviceHostile, sends_requests_that_lie_about_themselves) {
  Link liar(server->link_path());
  LinkRequest request{};
  LinkReply reply{};
  Descriptor fds[2];
  request.op = static_cast<LinkOp>(4711);
  const RawSession session = open(&liar);
  request.session = session.id;
  EXPECT_TRUE(liar.request(request, reply, fds));
  EXPECT_EQ(MANGO_STATUS_NOT_SUPPORTED, reply.status);
  request.op = LinkOp::name;
  for (const uint32_t id : {0U, 65'535U, 65'536U, 0xFFFFFFFFU}) {
    request.session = id;
    EXPECT_TRUE(liar.request(request, reply, fds));
    EXPECT_EQ(MANGO_STATUS_NOT_FOUND, reply.status);
  }
  request.op = LinkOp::open;
  request.level = AF_UNIX;
  EXPECT_TRUE(liar.request(request, reply, fds));
  EXPECT_EQ(MANGO_STATUS_FAMILY_NOT_SUPPORTED, reply.status);
  request.op = LinkOp::get_option;
  request.length = kLinkPayloadBytes + 1;
  EXPECT_FALSE(liar.request(request, reply, fds));
  expect_service();
}

TEST_F(DeviceHostile, floods_its_link_and_reads_nothing) {
  Link liar(server->link_path());
  LinkRequest request{};
  request.op = LinkOp::name;
  int sent = 0;
  while (sent < 100'000 && liar.send(request)) ++sent;
  EXPECT_LT(sent, 100'000);
  EXPECT_TRUE(eventually("clients.open", "1"));
  expect_service();
}

TEST_F(DeviceHostile, sends_descriptors_nobody_asked_for) {
  Link liar(server->link_path());
  LinkRequest request{};
  request.op = LinkOp::name;
  const auto descriptors = [] {
    int count = 0;
    for (int fd = 0; fd < 1024; ++fd) count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return count;
  };
  const int before = descriptors();
  for (int i = 0; i < 100; ++i) {
    LinkReply reply{};
    Descriptor fds[2];
    EXPECT_TRUE(liar.request(request, reply, fds, STDIN_FILENO));
  }
  EXPECT_EQ("2", config("clients.open"));  // a turn of the device later
  EXPECT_EQ(before, descriptors());
}

TEST_F(DeviceHostile, opens_links_without_end) {
  std::vector<std::unique_ptr<Descriptor>> links;
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string& path = server->link_path();
  std::memcpy(name.sun_path + 1, path.data() + 1, path.size() - 1);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  for (int i = 0; i < 1100; ++i) {
    auto fd = std::make_unique<Descriptor>(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (::connect(fd->get(), reinterpret_cast<sockaddr*>(&name), length) == 0) links.push_back(std::move(fd));
  }
  EXPECT_TRUE(eventually("clients.open", "1024"));
  links.clear();
  EXPECT_TRUE(eventually("clients.open", "1"));
  expect_service();
}

TEST_F(DeviceHostile, stuffs_its_pair_and_shuts_it) {
  const Peer listening = Peer::listening();
  RawSession session = connect(listening.port());
  const Peer peer = listening.accept();
  const int large = 1 << 20;
  setsockopt(session.fd(), SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
  const std::string junk(4096, 'j');
  for (int i = 0; i < 100; ++i)
    (void)::send(session.fd(), junk.data(), junk.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  session.shared->tx_armed.store(1);
  session.send("through");
  EXPECT_EQ("through", peer.read(7));
  shutdown(session.fd(), SHUT_RD);
  peer.send("unheard");
  shutdown(session.fd(), SHUT_WR);
  EXPECT_TRUE(has_sessions(0));
  expect_service();
}
