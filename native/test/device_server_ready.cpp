// SPDX-License-Identifier: Apache-2.0
// Readiness sets as the device has them: who is marked where, who is woken, and that nobody marks in
// another's.
#include <set>

#include "device/server_limits.h"
#include "device_server_support.h"

using namespace device_test;

namespace {

// A set of a client, by hand.
struct ReadinessSet {
  uint32_t number = 0;
  Mapped<SharedChannel> channel;
  Descriptor bell;

  [[nodiscard]] std::set<uint32_t> take() const {
    std::set<uint32_t> ids;
    channel_take(*channel.get(), [&](uint32_t id) { ids.insert(id); });
    return ids;
  }
  // Sleeps as a client does.
  void ask_for_the_bell() const { channel->asleep.store(1); }
  [[nodiscard]] bool rung() const { return wait_for(bell.get(), POLLIN) != 0; }
};

class DeviceReady : public DeviceTest {
 protected:
  ReadinessSet make_set(Link* by = nullptr) {
    LinkRequest request{};
    request.op = LinkOp::set;
    LinkReply reply{};
    Descriptor fds[2];
    EXPECT_TRUE((by ? by : link.get())->request(request, reply, fds));
    if (reply.status != MANGO_STATUS_OK || !fds[1]) return {};
    return {reply.session, Mapped<SharedChannel>(fds[0].get(), sizeof(SharedChannel)), std::move(fds[1])};
  }
};

}  // namespace

TEST_F(DeviceReady, a_session_that_names_a_set_is_marked_there_instead_of_ringing) {
  const ReadinessSet set = make_set();
  const Peer listening = Peer::listening();
  RawSession session = connect(listening.port());
  const Peer peer = listening.accept();
  session.shared->rx_set.store(set.number);
  set.ask_for_the_bell();
  peer.send("hello");
  ASSERT_TRUE(set.rung());
  EXPECT_EQ(std::set<uint32_t>{session.id}, set.take());
  EXPECT_EQ("hello", session.take());
  EXPECT_EQ(0, wait_for(session.fd(), POLLIN, 0)) << "no octet";

  session.shared->rx_set.store(0);
  session.disarm();
  peer.send("again");
  EXPECT_EQ(POLLIN, wait_for(session.fd(), POLLIN));
}

TEST_F(DeviceReady, the_bell_rings_once_for_many) {
  const ReadinessSet set = make_set();
  const Peer listening = Peer::listening();
  RawSession one = connect(listening.port());
  const Peer to_one = listening.accept();
  RawSession other = connect(listening.port());
  const Peer to_other = listening.accept();
  for (const RawSession* session : {&one, &other}) session->shared->rx_set.store(set.number);
  set.ask_for_the_bell();
  to_one.send("x");
  to_other.send("y");
  while (one.shared->rx_tail.load() == 0 || other.shared->rx_tail.load() == 0) (void)config("device.state");
  eventfd_t rings = 0;
  ASSERT_TRUE(set.rung());
  EXPECT_EQ(0, eventfd_read(set.bell.get(), &rings));
  EXPECT_EQ(1u, rings);
  EXPECT_EQ((std::set<uint32_t>{one.id, other.id}), set.take());
}

TEST_F(DeviceReady, a_set_that_is_not_the_owners_is_none) {
  Link stranger(server->link_path());
  const ReadinessSet foreign = make_set(&stranger);
  const Peer listening = Peer::listening();
  for (const uint32_t number : {foreign.number, foreign.number + 1, UINT32_MAX}) {
    RawSession session = connect(listening.port());
    const Peer peer = listening.accept();
    session.shared->rx_set.store(number);
    peer.send("x");
    EXPECT_EQ(POLLIN, wait_for(session.fd(), POLLIN)) << number;
    EXPECT_TRUE(foreign.take().empty());
  }
}

TEST_F(DeviceReady, sets_go_with_their_client_and_their_number_is_limited) {
  auto client = std::make_unique<Link>(server->link_path());
  int made = 0;
  while (make_set(client.get()).number != 0) ++made;
  EXPECT_EQ(kMostSetsPerClient, made);
  client->close();
  ASSERT_TRUE(eventually("clients.open", "1"));
  EXPECT_NE(0u, make_set().number);
}
