// SPDX-License-Identifier: Apache-2.0
// The channel over iceoryx. Its daemon has one fixed place on a machine, so these tests start it, or stay
// away when one runs already. Whoever registers with the daemon is ended with it: everything happens in
// children.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <atomic>
#include <chrono>
#include <vector>

#include "ipc_support.h"

// A child of fork() leaves its parent's port alone, on purpose, for nobody knows who held its lock: in a
// child that ends in exit(), that is a leak to LeakSanitizer.
static bool leaks_are_looked_for = true;
extern "C" __attribute__((visibility("default"))) int
__lsan_is_turned_off() {  // NOLINT: LeakSanitizer's name
  return leaks_are_looked_for ? 0 : 1;
}

namespace {

using namespace mango::ipc;
using namespace mango::ipc::test;

constexpr char kDaemonSocket[] = "/tmp/roudi";

bool daemon_listens() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string(kDaemonSocket).copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool listens = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return listens;
}

// iox-roudi in the foreground; it says when it is ready.
class Daemon {
 public:
  Daemon() {
    int out[2];
    if (pipe2(out, O_CLOEXEC) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      dup2(out[1], STDOUT_FILENO);
      dup2(out[1], STDERR_FILENO);
      execlp("iox-roudi", "iox-roudi", "--log-level", "off", static_cast<char*>(nullptr));
      _exit(127);
    }
    ::close(out[1]);
    out_ = out[0];
    std::string said;
    for (char c = 0; said.find("ready for clients") == std::string::npos && ::read(out_, &c, 1) == 1;)
      said += c;
    ready_ = said.find("ready for clients") != std::string::npos;
  }
  ~Daemon() { stop(); }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  [[nodiscard]] bool ready() const noexcept { return ready_; }
  void signal(int number) const noexcept { ::kill(pid_, number); }
  void stop() noexcept { end(SIGTERM); }
  void kill() noexcept { end(SIGKILL); }

 private:
  void end(int signal) noexcept {
    if (pid_ <= 0) return;
    ::kill(pid_, signal);
    ::close(out_);
    const auto pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    pollfd ended{pidfd, POLLIN, 0};
    if (::poll(&ended, 1, kPatienceMs) != 1) ::kill(pid_, SIGKILL);  // it hangs: a lock died with its holder
    ::close(pidfd);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  pid_t pid_ = -1;
  int out_ = -1;
  bool ready_ = false;
};

class IpcIceoryx : public testing::Test {
 protected:
  void SetUp() override {
    Failure failure;
    (void)open_client("iceoryx:probe", failure);
    if (failure.status == MANGO_STATUS_NOT_SUPPORTED) GTEST_SKIP() << failure.message;
    // Tests of one run may go on at the same time, each in a process of its own.
    lock_ =
        ::open("/tmp/mango-edge-roudi.lock", O_CREAT | O_RDWR | O_CLOEXEC, 0666);  // as test/support/roudi.ts
    ASSERT_EQ(flock(lock_, LOCK_EX), 0);
    if (daemon_listens()) GTEST_SKIP() << "iox-roudi runs on this machine already; it is not ours to disturb";
  }
  void TearDown() override {
    if (lock_ >= 0) ::close(lock_);
  }

  int lock_ = -1;
  const std::string path_ = "iceoryx:mango-test-" + std::to_string(getpid());
};

class IpcIceoryxDaemon : public IpcIceoryx {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer lets no child of fork() start the threads of iceoryx's runtime";
#endif
    IpcIceoryx::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    daemon_ = std::make_unique<Daemon>();
    if (!daemon_->ready()) GTEST_SKIP() << "no iox-roudi on this machine";
  }
  void TearDown() override {
    daemon_.reset();
    IpcIceoryx::TearDown();
  }

  std::unique_ptr<Daemon> daemon_;
};

std::string ask(ControlClient& client, const std::string& field, int timeout_ms = kPatienceMs) {
  Response response;
  const mango_status_e status = client.call(asking(field), response, timeout_ms);
  return status == MANGO_STATUS_OK ? response.value : std::to_string(status);
}

std::unique_ptr<ControlClient> connect_to(const std::string& path) {
  Failure failure;
  return open_client(path, failure);
}

TEST_F(IpcIceoryx, without_its_daemon_is_unavailable_and_nobody_dies) {
  Failure failure;
  EXPECT_FALSE(open_client(path_, failure));
  EXPECT_EQ(failure.status, MANGO_STATUS_IPC_UNAVAILABLE);
  EXPECT_NE(failure.message.find("iox-roudi"), std::string::npos) << failure.message;
  EXPECT_FALSE(open_server(path_, echo, failure));
  EXPECT_EQ(failure.status, MANGO_STATUS_IPC_UNAVAILABLE);
}

TEST_F(IpcIceoryxDaemon, a_request_is_answered) {
  const ServerProcess server(path_);
  ASSERT_EQ(server.path(), path_);
  const int status = in_child([&] {
    const auto client = connect_to(path_);
    if (!client) return 1;
    Request request = asking("name", std::string(15'000, 'v'));
    request.client = std::string("\x00\xFF", 2);
    Response response;
    if (client->call(request, response, kPatienceMs) != MANGO_STATUS_OK) return 2;
    if (response.value != "name=" + request.value || response.link != request.client) return 3;
    request.value.assign(kMaxMessageBytes, 'v');
    return client->call(request, response, kPatienceMs) == MANGO_STATUS_INVALID_ARGUMENT ? 0 : 4;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(IpcIceoryxDaemon, a_name_has_one_server) {
  const ServerProcess server(path_);
  ASSERT_EQ(server.path(), path_);
  const int status = in_child([&] {
    Failure failure;
    if (open_server(path_, echo, failure)) return 1;
    return failure.status == MANGO_STATUS_ADDRESS_IN_USE ? 0 : 2;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(IpcIceoryxDaemon, posts_and_calls_of_eight_threads_are_kept_apart) {
  const ServerProcess server(path_);
  const int status = in_child([&] {
    const auto client = connect_to(path_);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 100; ++i) {
          const std::string name = std::to_string(t) + '.' + std::to_string(i);
          wrong.fetch_add(client->post(asking("post")) != MANGO_STATUS_OK);
          wrong.fetch_add(ask(*client, name) != name + '=');
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return wrong.load() == 0 ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(IpcIceoryxDaemon, a_call_without_a_server_ends_by_its_deadline) {
  const int status = in_child([&] {
    const auto client = connect_to(path_);
    return ask(*client, "x", 50) == std::to_string(MANGO_STATUS_IPC_UNAVAILABLE) ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(IpcIceoryxDaemon, a_killed_server_is_unavailable_until_another_is_there) {
  auto server = std::make_unique<ServerProcess>(path_);
  const int status = in_child([&] {
    const auto client = connect_to(path_);
    if (ask(*client, "one") != "one=") return 1;
    server->rest();  // killed amid a call, it may leave a lock behind that the daemon waits for in vain
    server->kill();
    if (ask(*client, "two", 300) != std::to_string(MANGO_STATUS_IPC_UNAVAILABLE)) return 2;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
    while (std::chrono::steady_clock::now() < end) {
      const ServerProcess next(path_);
      if (next.path().empty()) continue;  // its name is free again once the daemon has noticed
      return ask(*client, "three") == "three=" ? 0 : 3;
    }
    return 4;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(IpcIceoryxDaemon, a_forked_child_has_a_runtime_of_its_own) {
  const ServerProcess server(path_);
  const int status = in_child([&] {
    const auto client = connect_to(path_);
    if (ask(*client, "parent") != "parent=") return 1;
    leaks_are_looked_for = false;
    const pid_t child = fork();
    if (child == 0) {
      const bool right = ask(*client, "child") == "child=";
      exit(right ? 0 : 2);  // the whole way out: destructors of libraries run
    }
    const pid_t idle = fork();
    if (idle == 0) exit(0);  // never calls, and must not hang on the parent's runtime
    int first = 0;
    int second = 0;
    waitpid(child, &first, 0);
    waitpid(idle, &second, 0);
    if (first != 0 || second != 0) return 3;
    return ask(*client, "parent again") == "parent again=" ? 0 : 4;
  });
  EXPECT_EQ(status, 0);
}

TEST_F(IpcIceoryxDaemon, one_that_hangs_is_unavailable) {
  daemon_->signal(SIGSTOP);
  const int status = in_child([&] {
    Failure failure;
    if (open_client(path_, failure)) return 1;
    return failure.status == MANGO_STATUS_IPC_UNAVAILABLE ? 0 : 2;
  });
  EXPECT_EQ(status, 0);
  daemon_->signal(SIGCONT);
  EXPECT_EQ(in_child([&] { return connect_to(path_) ? 0 : 1; }), 0);
}

TEST_F(IpcIceoryxDaemon, one_that_was_started_again_needs_a_new_process) {
  int used[2];
  int again[2];
  ASSERT_EQ(pipe2(used, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(again, O_CLOEXEC), 0);
  std::thread restarter([&] {
    char c = 0;
    (void)!::read(used[0], &c, 1);
    daemon_->kill();  // ended in order, it would end its applications, too
    daemon_ = std::make_unique<Daemon>();
    (void)!::write(again[1], &c, 1);
  });
  const int status = in_child([&] {
    char c = 0;
    if (!connect_to(path_) || ::write(used[1], &c, 1) != 1 || ::read(again[0], &c, 1) != 1) return 1;
    Failure failure;
    if (open_client(path_, failure)) return 2;
    return failure.status == MANGO_STATUS_IPC_UNAVAILABLE ? 0 : 3;
  });
  restarter.join();
  for (const int fd : {used[0], used[1], again[0], again[1]}) ::close(fd);
  EXPECT_EQ(status, 0);
}

}  // namespace
