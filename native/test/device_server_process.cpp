// SPDX-License-Identifier: Apache-2.0
// Device and client as processes of their own: what a death shows, and what a stranger may do. Children are
// made before there are threads, and talk over a pair.
#include <grp.h>
#include <signal.h>
#include <sys/wait.h>

#include "device_server_support.h"

using namespace device_test;

namespace {

constexpr uid_t kNobody = 65534;

// A child that runs `body` with its end of a pair.
class Child {
 public:
  template <class Body>
  explicit Child(Body body) {
    int ends[2];
    EXPECT_EQ(0, ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(ends[0]);
      body(ends[1]);
      ::_exit(0);
    }
    ::close(ends[1]);
    end_.reset(ends[0]);
  }
  ~Child() {
    if (pid_ > 0) kill();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  void kill() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  [[nodiscard]] int end() const { return end_.get(); }

 private:
  pid_t pid_ = -1;
  Descriptor end_;
};

void say(int fd, const std::string& text) {
  (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
}
std::string hear(int fd) {
  std::string text(256, '\0');
  const ssize_t n = ::recv(fd, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

struct Answers {
  std::string link = "none";  // what became of the link
  int32_t reserved = 1;
  int32_t priority = 1;
  int32_t bound = 1;
};

// As a process without rights sees a device.
Answers ask_as_nobody(const std::string& path) {
  Answers answers;
  Link link(path);
  if (!link.doorbell) return answers;
  answers.link = "welcome";
  LinkRequest request{};
  LinkReply reply{};
  Descriptor fds[2];
  request.op = LinkOp::open;
  request.level = AF_INET;
  if (!link.request(request, reply, fds) || reply.status != 0) return answers;
  request = {};
  request.session = reply.session;
  request.op = LinkOp::set_option;
  request.level = SOL_SOCKET;
  request.name = SO_PRIORITY;
  request.length = sizeof(int);
  Descriptor none[2];
  if (link.request(request, reply, none)) answers.priority = reply.status;
  request.op = LinkOp::bind;
  request.length = sizeof(sockaddr_in);
  for (const uint16_t port : {uint16_t{81}, uint16_t{0}}) {
    const sockaddr_in to = loopback(port);
    std::memcpy(request.payload, &to, sizeof(to));
    if (link.request(request, reply, none)) (port == 0 ? answers.bound : answers.reserved) = reply.status;
  }
  return answers;
}

Answers run_stranger(const std::string& access) {
  const Child stranger([](int end) {
    const std::string path = hear(end);
    if (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) return;
    const Answers answers = ask_as_nobody(path);
    say(end, answers.link);
    say(end, std::string(reinterpret_cast<const char*>(&answers.reserved), 3 * sizeof(int32_t)));
  });
  ServerOptions options;
  options.access = access;
  std::string error;
  const auto server = Server::start(options, error);
  EXPECT_TRUE(server) << error;
  say(stranger.end(), server->link_path());
  Answers answers;
  answers.link = hear(stranger.end());
  const std::string numbers = hear(stranger.end());
  if (numbers.size() == 3 * sizeof(int32_t)) std::memcpy(&answers.reserved, numbers.data(), numbers.size());
  return answers;
}

}  // namespace

TEST(DeviceProcess, resets_its_peers_when_it_is_killed) {
  Child device([](int end) {
    std::string error;
    const auto server = Server::start({}, error);
    say(end, server ? server->link_path() : std::string("-"));
    while (!hear(end).empty()) {
      // A message is answered with the port of a listening session.
      ipc::Request request;
      request.type = MANGO_IPC_MSG_TCP_LISTEN;
      request.client = hear(end);
      const std::string id = hear(end);
      std::memcpy(&request.session, id.data(), sizeof(request.session));
      request.backlog = 4;
      request.address = to_address(loopback());
      std::promise<uint16_t> bound;
      server->serve(request, [&](const ipc::Response& response) {
        bound.set_value(port_of(response.address.storage));
      });
      say(end, std::to_string(bound.get_future().get()));
    }
  });
  Link link(hear(device.end()));
  LinkRequest request{};
  request.op = LinkOp::open;
  request.level = AF_INET;
  LinkReply reply{};
  Descriptor fds[2];
  ASSERT_TRUE(link.request(request, reply, fds));
  RawSession from(link, reply.session, std::move(fds[0]), fds[1]);
  say(device.end(), "listen");
  say(device.end(), link.token());
  say(device.end(), std::string(reinterpret_cast<const char*>(&from.id), sizeof(from.id)));
  const Peer peer = Peer::connected(static_cast<uint16_t>(std::stoi(hear(device.end()))));
  AcceptedFrame frame{};
  ASSERT_EQ(static_cast<ssize_t>(sizeof(frame)), receive(from.fd(), &frame, sizeof(frame), fds));
  RawSession session(link, frame.session, std::move(fds[0]), fds[1]);
  session.send("half of");
  EXPECT_EQ("half of", peer.read(7));
  device.kill();
  int error = 0;
  EXPECT_EQ("", peer.read(1, &error));
  EXPECT_EQ(ECONNRESET, error);
  EXPECT_TRUE(session.hung_up());
  EXPECT_EQ(SharedState::connected, session.shared->state.load());
  EXPECT_TRUE(from.hung_up());
}

TEST(DeviceProcess, lets_nobody_else_in_by_default) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  EXPECT_EQ("none", run_stranger("owner").link);
  EXPECT_EQ("none", run_stranger("group:root").link);
}

TEST(DeviceProcess, lets_strangers_in_without_giving_them_rights) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  const group* nobody = ::getgrgid(kNobody);
  std::vector<std::string> accesses{"all"};
  if (nobody) accesses.push_back(std::string("group:") + nobody->gr_name);
  for (const std::string& access : accesses) {
    const Answers answers = run_stranger(access);
    EXPECT_EQ("welcome", answers.link) << access;
    EXPECT_EQ(MANGO_STATUS_ACCESS_DENIED, answers.reserved);
    EXPECT_EQ(MANGO_STATUS_NOT_PERMITTED, answers.priority);
    EXPECT_EQ(0, answers.bound);
  }
}

TEST(DeviceProcess, does_not_start_with_an_access_that_is_none) {
  std::string error;
  ServerOptions options;
  for (const char* access : {"everybody", "group:", "group:no-such-group"}) {
    options.access = access;
    EXPECT_FALSE(Server::start(options, error)) << access;
    EXPECT_EQ(EINVAL, errno);
  }
}
