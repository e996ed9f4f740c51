// SPDX-License-Identifier: Apache-2.0
// The device's clients: whose sessions are whose, limits, configuration, resets, death.
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <fstream>

#include "device_server_support.h"

using namespace device_test;

namespace {

class DeviceControl : public DeviceTest {
 protected:
  void restart(const ServerOptions& options) {
    link.reset();
    server.reset();
    start(options);
  }
};

}  // namespace

TEST_F(DeviceControl, keeps_sessions_from_other_clients) {
  uint16_t port = 0;
  const RawSession mine = listener(&port);
  Link other(server->link_path());
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, ask(LinkOp::name, mine, 0, 0, nullptr, 0, nullptr, &other));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, ask(LinkOp::renew, mine, 0, 0, nullptr, 0, nullptr, &other));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, ask(LinkOp::detach, mine, 0, 0, nullptr, 0, nullptr, &other));
  for (const auto type : {MANGO_IPC_MSG_TCP_LISTEN, MANGO_IPC_MSG_TCP_CONNECT, MANGO_IPC_MSG_TCP_CLOSE,
                          MANGO_IPC_MSG_TCP_LISTEN_CLOSE, MANGO_IPC_MSG_TCP_ABORT})
    EXPECT_EQ(MANGO_STATUS_NOT_FOUND, call(type, mine.id, &other).status);
  EXPECT_EQ(SharedState::listening, mine.shared->state.load());
}

TEST_F(DeviceControl, attaches_only_who_shows_the_descriptor) {
  uint16_t port = 0;
  const RawSession mine = listener(&port);
  const RawSession decoy = open();
  Link other(server->link_path());
  const auto attach = [&](int proof, Descriptor* fds = nullptr) {
    return ask(LinkOp::attach, mine, 0, 0, nullptr, 0, nullptr, &other, proof, fds);
  };
  EXPECT_EQ(MANGO_STATUS_ACCESS_DENIED, attach(-1));
  EXPECT_EQ(MANGO_STATUS_ACCESS_DENIED, attach(decoy.fd()));
  EXPECT_EQ(MANGO_STATUS_ACCESS_DENIED, attach(other.fd()));
  EXPECT_EQ(MANGO_STATUS_ACCESS_DENIED, attach(STDIN_FILENO));
  Descriptor fds[2];
  EXPECT_EQ(0, attach(mine.fd(), fds));
  ASSERT_TRUE(fds[0]);
  const Mapped<SharedSession> shared(fds[0].get(), kSessionHeaderBytes);
  EXPECT_EQ(mine.id, shared->id);
  EXPECT_EQ(0, ask(LinkOp::name, mine, 0, 0, nullptr, 0, nullptr, &other));
  EXPECT_EQ(MANGO_STATUS_OK, call(MANGO_IPC_MSG_TCP_LISTEN_CLOSE, mine.id, &other).status);
}

TEST_F(DeviceControl, asks_for_a_token) {
  ipc::Request request;
  request.type = MANGO_IPC_MSG_TCP_CLOSE;
  request.session = open().id;
  EXPECT_EQ(MANGO_STATUS_NOT_PERMITTED, call(request).status);
  request.client = std::string(kTokenBytes, '\0');
  EXPECT_EQ(MANGO_STATUS_NOT_PERMITTED, call(request).status);
  request.type = MANGO_IPC_MSG_SET_CONFIG;
  request.field = "device.reset";
  request.value = "all";
  EXPECT_EQ(MANGO_STATUS_NOT_PERMITTED, call(request).status);
  request.type = MANGO_IPC_MSG_TCP_ACCEPT;
  request.client = link->token();
  EXPECT_EQ(MANGO_STATUS_NOT_SUPPORTED, call(request).status);
}

TEST_F(DeviceControl, forgets_a_token_with_its_link) {
  const std::string token = link->token();
  link->close();
  EXPECT_TRUE(eventually("clients.open", "0"));
  ipc::Request request;
  request.type = MANGO_IPC_MSG_SET_CONFIG;
  request.client = token;
  EXPECT_EQ(MANGO_STATUS_NOT_PERMITTED, call(request).status);
}

TEST_F(DeviceControl, lets_sessions_outlive_their_link) {
  const Peer listening = Peer::listening();
  RawSession session = connect(listening.port());
  const Peer peer = listening.accept();
  link->close();
  EXPECT_TRUE(eventually("clients.open", "0"));
  peer.send("still there");
  EXPECT_EQ("still there", session.read(11));
  Link heir(server->link_path());
  EXPECT_EQ(0, ask(LinkOp::attach, session, 0, 0, nullptr, 0, nullptr, &heir, session.fd()));
  session.put("and back", 8);
  heir.mark(session.id);
  EXPECT_EQ("and back", peer.read(8));
}

TEST_F(DeviceControl, limits_sessions_in_total_and_per_client) {
  ServerOptions options;
  options.most_sessions = 16;
  restart(options);
  std::vector<RawSession> sessions;
  int32_t status = 0;
  for (int i = 0; i < 14; ++i) sessions.push_back(open());
  open(nullptr, &status);
  EXPECT_EQ(MANGO_STATUS_SYSTEM_FILE_LIMIT, status);
  Link other(server->link_path());
  sessions.push_back(open(&other));
  sessions.push_back(open(&other));
  open(&other, &status);
  EXPECT_EQ(MANGO_STATUS_SYSTEM_FILE_LIMIT, status);
  sessions.clear();
  EXPECT_TRUE(has_sessions(0));
  open(nullptr, &status);
  EXPECT_EQ(0, status);
}

TEST_F(DeviceControl, leaves_connections_waiting_that_have_no_room) {
  ServerOptions options;
  options.most_sessions = 8;
  restart(options);
  uint16_t port = 0;
  const RawSession from = listener(&port);
  std::vector<Peer> peers;
  for (int i = 0; i < 10; ++i) peers.push_back(Peer::connected(port));
  for (int i = 0; i < 10; ++i) {
    RawSession session = accept(from);
    ASSERT_NE(0U, session.id) << i;
    session.send("hello");
    session.close();
  }
  for (const Peer& peer : peers) EXPECT_EQ("hello", peer.read(5));
}

TEST_F(DeviceControl, does_not_spin_when_descriptors_are_out) {
  uint16_t port = 0;
  const RawSession from = listener(&port);
  std::vector<Descriptor> hoard;
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit tight{256, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &tight);
  Peer peer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  while (true) {
    Descriptor one(::dup(STDIN_FILENO));
    if (!one) break;
    hoard.push_back(std::move(one));
  }
  const sockaddr_in to = loopback(port);
  EXPECT_EQ(0, ::connect(peer.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)));
  EXPECT_EQ(0, wait_for(from.fd(), POLLIN, 300));
  const int wakeups = std::stoi(config("counters.wakeups"));
  EXPECT_LT(wakeups, 1000);
  hoard.clear();
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_NE(0, wait_for(from.fd(), POLLIN));
  EXPECT_NE(0U, accept(from).id);
}

TEST_F(DeviceControl, has_fields_that_can_be_read_and_set) {
  EXPECT_EQ("ready", config("device.state"));
  EXPECT_EQ(std::to_string(getpid()), config("device.pid"));
  EXPECT_EQ(std::to_string(kRingBytes), config("session.rx_buffer_bytes"));
  EXPECT_EQ(MANGO_STATUS_OK, configure("session.rx_buffer_bytes", "8192"));
  EXPECT_EQ("8192", config("session.rx_buffer_bytes"));
  for (const char* bad : {"", "8193", "-1", "1e3", "2048", "33554432", "8192 ", "99999999999999999999"})
    EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, configure("session.rx_buffer_bytes", bad)) << bad;
  EXPECT_EQ("8192", config("session.rx_buffer_bytes"));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, configure("device.nonsense", "1"));
  EXPECT_EQ(MANGO_STATUS_NOT_PERMITTED, configure("device.pid", "1"));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, configure("device.reset", "some"));
  // The host's, and a client's no business.
  EXPECT_EQ(MANGO_STATUS_NOT_PERMITTED, configure("device.ip", "192.0.2.1"));
  EXPECT_EQ(MANGO_STATUS_NOT_PERMITTED, configure("device.mac", "02:00:5e:00:00:01"));
  ipc::Request request;
  request.type = MANGO_IPC_MSG_GET_CONFIG;
  request.field = "device.nonsense";
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, call(request).status);
  const std::string fields = config("device.fields");
  EXPECT_NE(std::string::npos, fields.find("session.max rw\n"));
  EXPECT_NE(std::string::npos, fields.find("counters.hostile ro\n"));
}

TEST_F(DeviceControl, lets_its_owner_configure_without_a_token) {
  ipc::Request request;
  request.type = MANGO_IPC_MSG_SET_CONFIG;
  request.field = "device.spin_us";
  request.value = "0";
  EXPECT_EQ(MANGO_STATUS_OK, call(request).status);
  EXPECT_EQ("0", config("device.spin_us"));
}

TEST_F(DeviceControl, resets_all_sessions_once) {
  int resets = 0;
  ServerOptions options;
  options.on_reset = [&] { ++resets; };
  restart(options);
  uint16_t port = 0;
  const RawSession from = listener(&port);
  const Peer accepted_peer = Peer::connected(port);
  RawSession accepted = accept(from);
  const Peer waiting_peer = Peer::connected(port);
  const RawSession fresh = open();
  EXPECT_EQ(MANGO_STATUS_OK, configure("device.reset", "all"));
  EXPECT_TRUE(eventually("device.state", "ready"));
  EXPECT_EQ("0", config("sessions.open"));
  EXPECT_EQ(1, resets);
  for (const RawSession* session : {&from, &fresh, const_cast<const RawSession*>(&accepted)}) {
    EXPECT_TRUE(session->hung_up());
    EXPECT_EQ(SharedState::reset, session->shared->state.load());
    EXPECT_EQ(2003, session->shared->error.load());
  }
  for (const Peer* peer : {&accepted_peer, &waiting_peer}) {
    int error = 0;
    EXPECT_EQ("", peer->read(1, &error));
    EXPECT_EQ(ECONNRESET, error);
  }
  const RawSession again = open();
  EXPECT_EQ(MANGO_STATUS_OK, listen(again, 4, port).status);
}

TEST_F(DeviceControl, takes_a_stale_link_path_and_no_living_one) {
  const std::string path = testing::TempDir() + "mango-link-" + std::to_string(getpid());
  ServerOptions options;
  options.link_path = path;
  {
    const Descriptor stale(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, path.data(), path.size());
    ASSERT_EQ(0, ::bind(stale.get(), reinterpret_cast<sockaddr*>(&name), sizeof(name)));
  }
  restart(options);
  std::string error;
  EXPECT_FALSE(Server::start(options, error));
  EXPECT_EQ(EADDRINUSE, errno);
  EXPECT_NE("", error);
  open();
  link.reset();
  server.reset();
  EXPECT_NE(0, ::access(path.c_str(), F_OK));
}

TEST_F(DeviceControl, says_why_it_cannot_start) {
  std::string error;
  ServerOptions options;
  options.netns = "no-such-namespace";
  EXPECT_FALSE(Server::start(options, error));
  EXPECT_EQ(ENOENT, errno);
  EXPECT_NE(std::string::npos, error.find("no-such-namespace"));
  options.netns.clear();
  options.rx_ring_bytes = 5000;
  EXPECT_FALSE(Server::start(options, error));
  EXPECT_EQ(EINVAL, errno);
}

TEST_F(DeviceControl, lives_in_a_network_namespace_of_its_own) {
  const pid_t holder = ::fork();
  if (holder == 0) {
    if (::unshare(CLONE_NEWNET) != 0) _exit(1);
    ::kill(::getpid(), SIGSTOP);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(holder, ::waitpid(holder, &status, WUNTRACED));
  if (!WIFSTOPPED(status)) GTEST_SKIP() << "no right to make a network namespace";
  ServerOptions options;
  options.netns = "/proc/" + std::to_string(holder) + "/ns/net";
  restart(options);
  EXPECT_EQ(options.netns, config("device.netns"));
  EXPECT_EQ("lo", config("device.interface"));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, configure("device.ip", "nowhere"));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, configure("device.mac", "01:00:5e:00:00:01"));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, configure("device.interface", "none-such"));
  RawSession session = open();
  // Its loopback is down, and ours is not reached from there.
  const Peer here = Peer::listening();
  start_connect(session, here.port());
  EXPECT_TRUE(session.hung_up());
  EXPECT_EQ(SharedState::failed, session.shared->state.load());
  ::kill(holder, SIGKILL);
  ::waitpid(holder, &status, 0);
}

// The client is a process of its own, made before the device so that it holds none of the device's
// descriptors.
TEST(DeviceDeath, resets_the_sessions_of_a_killed_client_and_frees_them) {
  int pipe[2];
  ASSERT_EQ(0, ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pipe));
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(pipe[0]);
    char path[108] = {};
    if (::recv(pipe[1], path, sizeof(path) - 1, 0) <= 0) _exit(1);
    Link link(path);
    LinkRequest request{};
    request.op = LinkOp::open;
    request.level = AF_INET;
    LinkReply reply{};
    Descriptor fds[2];
    if (!link.request(request, reply, fds)) _exit(1);
    (void)::send(pipe[1], link.token().data(), kTokenBytes, 0);
    (void)::send(pipe[1], &reply.session, sizeof(reply.session), 0);
    for (;;) ::pause();
  }
  ::close(pipe[1]);
  std::string error;
  auto server = Server::start({}, error);
  ASSERT_TRUE(server) << error;
  const Peer listening = Peer::listening();
  ASSERT_GT(::send(pipe[0], server->link_path().data(), server->link_path().size(), 0), 0);
  ipc::Request request;
  request.type = MANGO_IPC_MSG_TCP_CONNECT;
  request.client.resize(kTokenBytes);
  ASSERT_EQ(static_cast<ssize_t>(kTokenBytes), ::recv(pipe[0], request.client.data(), kTokenBytes, 0));
  ASSERT_EQ(static_cast<ssize_t>(sizeof(request.session)),
            ::recv(pipe[0], &request.session, sizeof(request.session), 0));
  request.address = to_address(loopback(listening.port()));
  const auto call = [&](const ipc::Request& asked) {
    std::promise<ipc::Response> answered;
    server->serve(asked, [&](const ipc::Response& response) { answered.set_value(response); });
    return answered.get_future().get();
  };
  EXPECT_EQ(MANGO_STATUS_IN_PROGRESS, call(request).status);
  const Peer peer = listening.accept();
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  int reason = 0;
  EXPECT_EQ("", peer.read(1, &reason));
  EXPECT_EQ(ECONNRESET, reason);
  ipc::Request count;
  count.type = MANGO_IPC_MSG_GET_CONFIG;
  count.field = "sessions.open";
  EXPECT_EQ("0", call(count).value);
  ::close(pipe[0]);
}

TEST(DeviceDeath, answers_what_is_asked_while_it_goes) {
  std::string error;
  auto server = Server::start({}, error);
  ASSERT_TRUE(server) << error;
  std::atomic<int> answered{0};
  constexpr int kAsked = 1000;
  for (int i = 0; i < kAsked; ++i) server->serve({}, [&](const ipc::Response&) { ++answered; });
  server.reset();
  EXPECT_EQ(kAsked, answered.load());
}
