// SPDX-License-Identifier: Apache-2.0
// Servers for the tests of the IPC channel: a real one in this process or another, and liars.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>

#include "ipc/transport.h"

namespace mango::ipc::test {

constexpr int kPathFd = 3;           // where ServerProcess is told the path
constexpr int kPatienceMs = 20'000;  // far more than anything takes: reaching it is the failure

// Answers with what it was asked, in every field an answer has.
inline void echo(const Request& request, const Answer& answer) {
  Response response;
  response.status = request.type == MANGO_IPC_MSG_TCP_CONNECT ? MANGO_STATUS_IN_PROGRESS : MANGO_STATUS_OK;
  response.address = request.address;
  response.value = request.field + '=' + request.value;
  response.link = request.client;
  response.version = std::to_string(request.session) + '.' + std::to_string(request.backlog);
  answer(response);
}

inline Request asking(std::string field, std::string value = {}) {
  Request request;
  request.type = MANGO_IPC_MSG_GET_CONFIG;
  request.field = std::move(field);
  request.value = std::move(value);
  return request;
}

// Runs `body` in a child of fork() and gives its exit status; 128 and more: killed by a signal.
inline int in_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// An echo server in a process of its own, that can be killed. It is this very program, run anew, since
// libgrpc does not survive fork(); ipc_serve.cpp is its main.
class ServerProcess {
 public:
  explicit ServerProcess(const std::string& path) {
    int out[2];
    int in[2];
    if (pipe(out) != 0 || pipe(in) != 0) return;
    pid_ = fork();
    if (pid_ == 0) run(path, in, out);
    ::close(in[0]);
    ::close(out[1]);
    stop_ = in[1];
    for (char c = 0; ::read(out[0], &c, 1) == 1 && c != '\n';) path_ += c;
    ::close(out[0]);
  }
  ~ServerProcess() { end(0); }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Empty when it did not start.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  void kill() noexcept { end(SIGKILL); }

  // Returns when all its threads sleep.
  void rest() const {
    const std::filesystem::path tasks = "/proc/" + std::to_string(pid_) + "/task";
    bool busy = true;
    while (busy) {
      busy = false;
      for (const auto& task : std::filesystem::directory_iterator(tasks)) {
        std::ifstream file(task.path() / "stat");
        const std::string stat{std::istreambuf_iterator<char>(file), {}};
        const size_t state = stat.rfind(')') + 2;  // after the name, which may be anything
        busy = busy || state >= stat.size() || stat[state] != 'S';
      }
    }
  }

 private:
  [[noreturn]] static void run(const std::string& path, const int in[2], const int out[2]) {
    dup2(in[0], STDIN_FILENO);
    const int said = fcntl(out[1], F_DUPFD, 256);
    dup2(::open("/dev/null", O_WRONLY), STDOUT_FILENO);
    dup2(said, kPathFd);
    for (int fd = kPathFd + 1; fd <= said; ++fd) ::close(fd);
    setenv("MANGO_TEST_SERVE", path.c_str(), 1);
    execl("/proc/self/exe", "native-tests", "--gtest_filter=*serves_for_another_process",
          "--gtest_also_run_disabled_tests", static_cast<char*>(nullptr));
    _exit(127);
  }

  void end(int signal) noexcept {
    if (pid_ <= 0) return;
    if (signal != 0) ::kill(pid_, signal);
    ::close(stop_);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  pid_t pid_ = -1;
  int stop_ = -1;
  std::string path_;
};

// A listener that treats every connection as `serve` does, one after the other.
class RawServer {
 public:
  using ServeConnection = std::function<void(int fd)>;

  explicit RawServer(ServeConnection serve) : serve_(std::move(serve)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(fd_, 16) != 0) abort();
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length);
    path_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { run(); });
  }
  ~RawServer() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  void run() {
    for (;;) {
      const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      serve_(fd);
      ::close(fd);
    }
  }

  const ServeConnection serve_;
  int fd_ = -1;
  std::string path_;
  std::thread thread_;
};

}  // namespace mango::ipc::test
