// SPDX-License-Identifier: Apache-2.0
#include "device_session_support.h"

#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cstdlib>
#include <thread>

namespace session_test {
namespace {

// "FD RING PATH": where to report the control socket's path, and what to serve.
constexpr char kVariable[] = "MANGO_TEST_SESSION_DEVICE";
// Before each message: an encoded one may have no octets, and such a packet is the end of a connection.
const std::string kBegin = "m";

sockaddr_un address_of(const std::string& path, socklen_t& length) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path + 1, path.data(), path.size());
  length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + path.size());
  return name;
}

template <class Call>
auto resumed(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

Descriptor dial(const std::string& path) {
  socklen_t length = 0;
  const sockaddr_un name = address_of(path, length);
  Descriptor fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (resumed([&] { return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), length); }) != 0)
    fd.reset();
  return fd;
}

void answer(Server& server, int fd) {
  char octets[ipc::kMaxMessageBytes];
  const ssize_t n = ::recv(fd, octets, sizeof(octets), 0);
  if (n <= 0) return;
  const auto request = ipc::decode_request({octets + 1, static_cast<size_t>(n - 1)});
  if (!request) return;
  std::promise<ipc::Response> promise;
  server.serve(*request, [&promise](const ipc::Response& response) { promise.set_value(response); });
  const std::string reply = kBegin + ipc::encode(promise.get_future().get());
  (void)::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL);
}

std::string listen_for_control(const std::string& wanted, Descriptor& listener) {
  const std::string path = wanted.empty() ? "mango-test." + std::to_string(getpid()) : wanted;
  socklen_t length = 0;
  const sockaddr_un name = address_of(path, length);
  listener.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  EXPECT_EQ(0, ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&name), length));
  EXPECT_EQ(0, ::listen(listener.get(), 64));
  return path;
}

void serve(int report, uint32_t ring_bytes, const std::string& wanted) {
  std::string error;
  const ServerOptions options{.rx_ring_bytes = ring_bytes, .tx_ring_bytes = ring_bytes};
  const auto server = Server::start(options, error);
  ASSERT_TRUE(server) << error;
  Descriptor listener;
  const std::string line = listen_for_control(wanted, listener) + "\n";
  EXPECT_EQ(static_cast<ssize_t>(line.size()), ::write(report, line.data(), line.size()));
  ::close(report);
  for (;;) {
    const Descriptor connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection) answer(*server, connection.get());
  }
}

}  // namespace

DeviceProcess::DeviceProcess(uint32_t ring_bytes, const std::string& control_path) {
  int report[2];
  EXPECT_EQ(0, pipe2(report, 0));
  const std::string variable = std::string(kVariable) + "=" + std::to_string(report[1]) + " " +
                               std::to_string(ring_bytes) + " " + control_path;
  std::vector<char*> environment;
  for (char** entry = environ; *entry; ++entry) environment.push_back(*entry);
  environment.push_back(const_cast<char*>(variable.c_str()));
  environment.push_back(nullptr);
  char program[] = "/proc/self/exe";
  char filter[] = "--gtest_filter=DeviceOfSessions.serves";
  char quiet[] = "--gtest_brief=1";
  char* arguments[] = {program, filter, quiet, nullptr};
  EXPECT_EQ(0, posix_spawn(&pid_, program, nullptr, nullptr, arguments, environment.data()));
  ::close(report[1]);
  char one = 0;
  while (::read(report[0], &one, 1) == 1 && one != '\n') path_ += one;
  ::close(report[0]);
  EXPECT_FALSE(path_.empty());
}

void DeviceProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void DeviceProcess::stop() const {
  ::kill(pid_, SIGSTOP);
  int status = 0;
  waitpid(pid_, &status, WUNTRACED);
}
void DeviceProcess::resume() const {
  ::kill(pid_, SIGCONT);
}

mango_status_e Control::call(const ipc::Request& request, ipc::Response& response, int timeout_ms) noexcept {
  const Descriptor fd = dial(path_);
  const std::string message = kBegin + ipc::encode(request);
  if (!fd || ::send(fd.get(), message.data(), message.size(), MSG_NOSIGNAL) < 0)
    return MANGO_STATUS_IPC_UNAVAILABLE;
  pollfd watched{fd.get(), POLLIN, 0};
  if (resumed([&] { return ::poll(&watched, 1, timeout_ms); }) != 1) return MANGO_STATUS_IPC_UNAVAILABLE;
  char octets[ipc::kMaxMessageBytes];
  const ssize_t n = ::recv(fd.get(), octets, sizeof(octets), 0);
  const auto decoded = ipc::decode_response({octets + 1, static_cast<size_t>(n > 0 ? n - 1 : 0)});
  if (n <= 0 || !decoded) return MANGO_STATUS_IPC_UNAVAILABLE;
  response = *decoded;
  return MANGO_STATUS_OK;
}

mango_status_e Control::post(const ipc::Request& request) noexcept {
  const Descriptor fd = dial(path_);
  const std::string message = kBegin + ipc::encode(request);
  const bool sent = fd && ::send(fd.get(), message.data(), message.size(), MSG_NOSIGNAL) > 0;
  return sent ? MANGO_STATUS_OK : MANGO_STATUS_IPC_UNAVAILABLE;
}

std::unique_ptr<Session> Setting::listener(int flags) const {
  std::unique_ptr<Session> session = open(flags);
  EXPECT_EQ(0, bind_to(*session, loopback())) << errno;
  EXPECT_EQ(0, session->listen(128)) << errno;
  return session;
}

}  // namespace session_test

TEST(DeviceOfSessions, serves) {
  const char* wanted = std::getenv(session_test::kVariable);
  if (!wanted) GTEST_SKIP() << "not a test: the device of other tests";
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  char* rest = nullptr;
  const auto report = static_cast<int>(std::strtol(wanted, &rest, 10));
  const auto ring = static_cast<uint32_t>(std::strtoul(rest, &rest, 10));
  session_test::serve(report, ring, rest + 1);
}
