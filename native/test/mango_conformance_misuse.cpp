// SPDX-License-Identifier: Apache-2.0
// What callers do wrong, and what happens to them that is nobody's fault: answered, never crashed on, nothing
// lost.
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

#include "failing_memory.h"
#include "mango_conformance.h"

namespace mango_test {
namespace {

// Every function of one handle and its status, with arguments that would do.
struct Call {
  const char* name;
  std::function<mango_status_e(void*)> run;
};

const std::vector<Call>& every_call() {
  static char buffer[8];
  static size_t n;
  static int number;
  static bool flag;
  static sockaddr_in address = loopback(1);
  static socklen_t length;
  static uint32_t sequence;
  static void* out;
  static char* text;
  static const char* constant;
  static epoll_event event;
  static auto* name = reinterpret_cast<sockaddr*>(&address);
  static const std::vector<Call> calls = {
      {"mango_context_destroy", [](void* h) { return mango_context_destroy(h); }},
      {"mango_context_set_hw_accel",
       [](void* h) { return mango_context_set_hw_accel(h, MANGO_HW_ACCEL_NONE, 0); }},
      {"mango_context_check_feature",
       [](void* h) { return mango_context_check_feature(h, MANGO_HW_FEATURE_TOE, &flag); }},
      {"mango_ipc_close", [](void* h) { return mango_ipc_close(h); }},
      {"mango_ipc_get_server_path", [](void* h) { return mango_ipc_get_server_path(h, &constant); }},
      {"mango_ipc_get_config", [](void* h) { return mango_ipc_get_config(h, "device.fields", &text); }},
      {"mango_ipc_set_config", [](void* h) { return mango_ipc_set_config(h, "device.fields", "1"); }},
      {"mango_ipc_set_context", [](void* h) { return mango_ipc_set_context(h, h); }},
      {"mango_ipc_set_index", [](void* h) { return mango_ipc_set_index(h, 0); }},
      {"mango_ipc_set_tcp", [](void* h) { return mango_ipc_set_tcp(h, h); }},
      {"mango_ipc_shutdown", [](void* h) { return mango_ipc_shutdown(h); }},
      {"mango_ipc_wait", [](void* h) { return mango_ipc_wait(h); }},
      {"mango_tcp_destroy", [](void* h) { return mango_tcp_destroy(h); }},
      {"mango_tcp_set_context", [](void* h) { return mango_tcp_set_context(h, h); }},
      {"mango_tcp_set_ipc", [](void* h) { return mango_tcp_set_ipc(h, h); }},
      {"mango_tcp_get_address", [](void* h) { return mango_tcp_get_address(h, nullptr, nullptr, nullptr); }},
      {"mango_tcp_get_ip_address", [](void* h) { return mango_tcp_get_ip_address(h, &constant); }},
      {"mango_tcp_set_address", [](void* h) { return mango_tcp_set_address(h, nullptr, nullptr); }},
      {"mango_tcp_listen", [](void* h) { return mango_tcp_listen(h, &address); }},
      {"mango_tcp_listen_close", [](void* h) { return mango_tcp_listen_close(h, &address); }},
      {"mango_tcp_accept", [](void* h) { return mango_tcp_accept(h, &address, nullptr, true, &number); }},
      {"mango_tcp_connect", [](void* h) { return mango_tcp_connect(h, &address, nullptr, &number); }},
      {"mango_tcp_close", [](void* h) { return mango_tcp_close(h, 0); }},
      {"mango_tcp_abort", [](void* h) { return mango_tcp_abort(h, 0); }},
      {"mango_tcp_session_reset", [](void* h) { return mango_tcp_session_reset(h, 0, 0); }},
      {"mango_tcp_wait", [](void* h) { return mango_tcp_wait(h, 0); }},
      {"mango_tcp_reset", [](void* h) { return mango_tcp_reset(h, true); }},
      {"mango_tcp_register_reset", [](void* h) { return mango_tcp_register_reset(h, nullptr, nullptr); }},
      {"mango_tcp_poll", [](void* h) { return mango_tcp_poll(h, nullptr, 0, 0, &number); }},
      {"mango_tcp_epoll_create", [](void* h) { return mango_tcp_epoll_create(h, 0); }},
      {"mango_tcp_epoll_ctl", [](void* h) { return mango_tcp_epoll_ctl(h, 0, EPOLL_CTL_ADD, 0, &event); }},
      {"mango_tcp_epoll_wait", [](void* h) { return mango_tcp_epoll_wait(h, 0, &event, 1, 0, &number); }},
      {"mango_tcp_epoll_close", [](void* h) { return mango_tcp_epoll_close(h, 0); }},
      {"mango_tcp_epoll_check", [](void* h) { return mango_tcp_epoll_check(h, 0); }},
      {"mango_socket_create", [](void* h) { return mango_socket_create(h, &out); }},
      {"mango_socket_destroy", [](void* h) { return mango_socket_destroy(h); }},
      {"mango_socket_open", [](void* h) { return mango_socket_open(h, &number); }},
      {"mango_socket_close", [](void* h) { return mango_socket_close(h); }},
      {"mango_socket_detach", [](void* h) { return mango_socket_detach(h); }},
      {"mango_socket_abort", [](void* h) { return mango_socket_abort(h); }},
      {"mango_socket_reset", [](void* h) { return mango_socket_reset(h); }},
      {"mango_socket_reset_blocking", [](void* h) { return mango_socket_reset_blocking(h, 1); }},
      {"mango_socket_shutdown", [](void* h) { return mango_socket_shutdown(h, SHUT_RDWR); }},
      {"mango_socket_bind", [](void* h) { return mango_socket_bind(h, name, sizeof(address)); }},
      {"mango_socket_listen", [](void* h) { return mango_socket_listen(h, 1); }},
      {"mango_socket_accept", [](void* h) { return mango_socket_accept(h, nullptr, nullptr, &out); }},
      {"mango_socket_connect", [](void* h) { return mango_socket_connect(h, name, sizeof(address)); }},
      {"mango_socket_send", [](void* h) { return mango_socket_send(h, buffer, 1, &n); }},
      {"mango_socket_send_iov", [](void* h) { return mango_socket_send_iov(h, nullptr, 0, &n); }},
      {"mango_socket_send_tls", [](void* h) { return mango_socket_send_tls(h, buffer, 1, &n); }},
      {"mango_socket_recv", [](void* h) { return mango_socket_recv(h, buffer, 1, &n); }},
      {"mango_socket_recv_iov", [](void* h) { return mango_socket_recv_iov(h, nullptr, 0, &n); }},
      {"mango_socket_recv_tls", [](void* h) { return mango_socket_recv_tls(h, buffer, 1, &n); }},
      {"mango_socket_get_num_avail", [](void* h) { return mango_socket_get_num_avail(h, &number); }},
      {"mango_socket_wait", [](void* h) { return mango_socket_wait(h); }},
      {"mango_socket_set_ssl", [](void* h) { return mango_socket_set_ssl(h, nullptr); }},
      {"mango_socket_get_fd", [](void* h) { return mango_socket_get_fd(h, &number); }},
      {"mango_socket_get_session", [](void* h) { return mango_socket_get_session(h, &number); }},
      {"mango_socket_get_name", [](void* h) { return mango_socket_get_name(h, name, &length); }},
      {"mango_socket_get_peername", [](void* h) { return mango_socket_get_peername(h, name, &length); }},
      {"mango_socket_get_option",
       [](void* h) { return mango_socket_get_option(h, SOL_SOCKET, SO_TYPE, &number, &length); }},
      {"mango_socket_set_option",
       [](void* h) { return mango_socket_set_option(h, SOL_SOCKET, SO_KEEPALIVE, &number, sizeof(number)); }},
      {"mango_socket_set_nonblocking", [](void* h) { return mango_socket_set_nonblocking(h, true); }},
      {"mango_socket_get_sequence",
       [](void* h) { return mango_socket_get_sequence(h, &sequence, &sequence); }},
  };
  return calls;
}

size_t open_descriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

bool is_of(const std::string& name, const char* kind) {
  return name.rfind(std::string("mango_") + kind + "_", 0) == 0;
}

// mango_socket_create wants a tcp handle.
const char* kind_of(const std::string& name) {
  if (name == "mango_socket_create") return "tcp";
  for (const char* kind : {"context", "ipc", "tcp", "socket"}) {
    if (is_of(name, kind)) return kind;
  }
  return "";
}

// A timer that interrupts whatever the process does, every 100 microseconds.
class SignalStorm {
 public:
  SignalStorm() {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    sigaction(SIGALRM, &action, &before_);
    const itimerval often{{0, 100}, {0, 100}};
    setitimer(ITIMER_REAL, &often, nullptr);
  }
  ~SignalStorm() {
    const itimerval never{};
    setitimer(ITIMER_REAL, &never, nullptr);
    sigaction(SIGALRM, &before_, nullptr);
  }
  SignalStorm(const SignalStorm&) = delete;
  SignalStorm& operator=(const SignalStorm&) = delete;

 private:
  struct sigaction before_ {};
};

}  // namespace

TEST_P(Conformance, misuse__null_made_up_stale_and_foreign_handles_are_answered) {
  mango_socket_h destroyed = create();
  mango_tcp_h gone = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_destroy(destroyed));
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_create(&gone));
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_destroy(gone));
  int local = 0;
  for (const Call& call : every_call()) {
    for (void* handle : {static_cast<void*>(nullptr), reinterpret_cast<void*>(1), static_cast<void*>(&local),
                         reinterpret_cast<void*>(~uintptr_t{0}), reinterpret_cast<void*>(0xA400000100000000),
                         destroyed, gone}) {
      EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, call.run(handle)) << call.name << " of " << handle;
    }
  }
}

TEST_P(Conformance, misuse__handles_of_another_type_are_answered) {
  const std::pair<const char*, void*> handles[] = {
      {"tcp", tcp}, {"socket", open()}, {"ipc", ipc}, {"context", context}};
  for (const Call& call : every_call()) {
    for (const auto& [kind, handle] : handles) {
      if (std::string(kind) != kind_of(call.name)) {
        EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, call.run(handle)) << call.name << " of a " << kind;
      }
    }
  }
}

TEST_P(Conformance, misuse__every_function_of_the_reference_is_among_them) {
  for (const Call& call : every_call()) {
    EXPECT_TRUE(is_covered(call.name) || is_of(call.name, "context")) << call.name;
  }
  EXPECT_EQ(61U + 3U, every_call().size()) << "all but the three that make a handle out of nothing";
}

TEST_P(Conformance, misuse__two_threads_that_close_one_socket) {
  for (int round = 0; round < (on_device() ? 100 : 500); ++round) {
    mango_socket_h socket = nullptr;
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_create(tcp, &socket));
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_open(socket, nullptr));
    const int session = fd_of(socket);
    std::atomic<int> closed{0};
    std::atomic<int> destroyed{0};
    std::thread other([&] {
      closed += mango_socket_close(socket) == MANGO_STATUS_OK;
      destroyed += mango_socket_destroy(socket) == MANGO_STATUS_OK;
    });
    closed += round % 2 ? mango_tcp_close(tcp, session) == MANGO_STATUS_OK
                        : mango_socket_close(socket) == MANGO_STATUS_OK;
    destroyed += mango_socket_destroy(socket) == MANGO_STATUS_OK;
    other.join();
    ASSERT_LE(closed, 1);
    ASSERT_EQ(1, destroyed);
  }
}

TEST_P(Conformance, misuse__a_number_used_again_is_another_session) {
  mango_socket_h first = open();
  const int fd = fd_of(first);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(first));
  const int stranger = own_fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(fd, stranger) << "the lowest free number";
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_socket_find(stranger, nullptr));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_close(tcp, stranger));
  EXPECT_EQ(MANGO_STATUS_NOT_FOUND, mango_tcp_abort(tcp, stranger));
  EXPECT_EQ(MANGO_STATUS_INVALID_HANDLE, mango_socket_send(first, "x", 1, nullptr));
  EXPECT_NE(-1, fcntl(stranger, F_GETFD)) << "nobody closed it";
}

TEST_P(Conformance, misuse__a_descriptor_closed_behind_the_librarys_back) {
  const Pair pair = connect_pair();
  const int fd = fd_of(pair.socket);
  char byte = 0;
  size_t n = 0;
  ASSERT_EQ(0, ::close(fd));
  EXPECT_NE(MANGO_STATUS_OK, mango_socket_recv(pair.socket, &byte, 1, &n));
  EXPECT_NE(MANGO_STATUS_OK, mango_socket_get_option(pair.socket, IPPROTO_TCP, 9999, &byte, nullptr));
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_destroy(pair.socket));
}

TEST_P(Conformance, misuse__signals_interrupt_nothing) {
  const Pair pair = connect_pair(4096);
  const std::string bytes = pattern(1'000'000);
  std::string got(bytes.size(), '\0');
  const SignalStorm storm;
  std::thread peer([&] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);  // the storm is for the library's calls
    ASSERT_EQ(static_cast<ssize_t>(got.size()), recv(pair.peer.fd(), got.data(), got.size(), MSG_WAITALL));
    pair.peer.send(bytes);
  });
  size_t sent = 0;
  for (size_t at = 0; at < bytes.size(); at += sent) {
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, bytes.data() + at, bytes.size() - at, &sent));
  }
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_wait(pair.socket));
  EXPECT_TRUE(bytes == receive_exactly(pair.socket, bytes.size()));
  peer.join();
  EXPECT_TRUE(bytes == got);
}

TEST_P(Conformance, misuse__no_descriptors_left) {
  mango_socket_h listener = listen(true);
  RawPeer peer(Engine::port_of(listener));
  ASSERT_TRUE(poll_events(fd_of(listener), POLLIN) & POLLIN);
  mango_socket_h spare = create();
  rlimit before{};
  ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
  const rlimit none{3, before.rlim_max};
  mango_socket_h client = nullptr;
  int session = -1;
  const sockaddr_in address = name_of(listener);
  sockaddr_in any = loopback();
  ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
  const mango_status_e opened = mango_socket_open(spare, nullptr);
  const mango_status_e listened = mango_tcp_listen(tcp, &any);
  const mango_status_e connected = mango_tcp_connect(tcp, &address, nullptr, &session);
  const mango_status_e accepted = mango_socket_accept(listener, nullptr, nullptr, &client);
  ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &before));
  EXPECT_EQ(MANGO_STATUS_TOO_MANY_FILES, opened);
  EXPECT_EQ(MANGO_STATUS_TOO_MANY_FILES, listened);
  EXPECT_EQ(MANGO_STATUS_TOO_MANY_FILES, connected);
  EXPECT_EQ(MANGO_STATUS_TOO_MANY_FILES, accepted);
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_open(spare, nullptr)) << "fine again";
}

// Every call with its first, second, third ... allocation failing, until it needs no more of them.
TEST_P(Conformance, misuse__out_of_memory_at_any_allocation) {
  const Pair pair = connect_pair();
  mango_socket_h listener = listen(true);
  const sockaddr_in address = name_of(listener);
  const SslContext server = server_context();
  const Ssl ssl = server_ssl(server);
  const std::function<mango_status_e()> scenes[] = {
      [&] {
        mango_tcp_h made = nullptr;
        mango_status_e status = mango_tcp_create(&made);
        if (status != MANGO_STATUS_OK) return status;
        status = on_device() ? mango_tcp_set_ipc(made, ipc) : mango_tcp_set_context(made, context);
        EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_destroy(made));
        return status;
      },
      [&] {
        mango_socket_h made = nullptr;
        mango_status_e status = mango_socket_create(tcp, &made);
        if (status != MANGO_STATUS_OK) return status;
        const int on = 1;
        status = mango_socket_open(made, nullptr);
        if (status == MANGO_STATUS_OK)
          status = mango_socket_set_option(made, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        if (status == MANGO_STATUS_OK)
          status = mango_socket_connect(made, as_sockaddr(address), sizeof(address));
        EXPECT_EQ(MANGO_STATUS_OK, mango_socket_destroy(made));
        mango_socket_h client = nullptr;
        if (status == MANGO_STATUS_OK) (void)poll_events(fd_of(listener), POLLIN);
        if (status == MANGO_STATUS_OK) status = mango_socket_accept(listener, nullptr, nullptr, &client);
        if (client) (void)mango_socket_destroy(client);
        return status;
      },
      [&] {
        sockaddr_in any = loopback();
        const mango_status_e status = mango_tcp_listen(tcp, &any);
        if (status == MANGO_STATUS_OK) (void)mango_tcp_listen_close(tcp, &any);
        return status;
      },
      [&] {
        const char* text = nullptr;
        return mango_tcp_get_ip_address(tcp, &text);
      },
      [&] {
        const mango_status_e status = mango_socket_set_ssl(pair.socket, ssl.get());
        EXPECT_EQ(MANGO_STATUS_OK, mango_socket_set_ssl(pair.socket, nullptr));
        return status;
      },
      [&] {
        const mango_status_e status = mango_socket_send(pair.socket, "x", 1, nullptr);
        const mango_status_e waited = mango_socket_wait(pair.socket);
        return status != MANGO_STATUS_OK ? status : waited;
      },
      [&] {
        char* value = nullptr;
        const mango_status_e status =
            on_device() ? mango_ipc_get_config(ipc, "device.fields", &value) : MANGO_STATUS_OK;
        free(value);
        return status;
      },
  };
  for (const auto& scene : scenes) {
    mango_status_e status = MANGO_STATUS_NO_MEMORY;
    int failing = 1;
    for (; failing < 200; ++failing) {
      FailingMemory memory(failing);
      status = scene();
      if (!memory.has_failed()) break;
    }
    EXPECT_LT(failing, 200) << "scene " << &scene - scenes;
    EXPECT_EQ(MANGO_STATUS_OK, status) << "scene " << &scene - scenes << ", with memory again";
  }
}

TEST_P(Conformance, misuse__open_and_close_a_hundred_thousand_times) {
  const auto cycle = [&] {
    mango_socket_h socket = nullptr;
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_create(tcp, &socket));
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_open(socket, nullptr));
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(socket));
    ASSERT_EQ(MANGO_STATUS_OK, mango_socket_destroy(socket));
  };
  for (int i = 0; i < 1000; ++i) cycle();
  const size_t descriptors = open_descriptors();
  const size_t heap = mallinfo2().uordblks;
  const int cycles = 100'000;
  for (int i = 0; i < cycles && !HasFatalFailure(); ++i) cycle();
  EXPECT_EQ(descriptors, open_descriptors());
  EXPECT_LE(mallinfo2().uordblks, heap + 4096) << "grows with the cycles";
}

TEST_P(Conformance, misuse__connect_and_close_ten_thousand_times) {
  RawListener server(128);
  const auto cycle = [&] {
    int session = -1;
    ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_connect(tcp, &server.address(), nullptr, &session));
    const int fd = server.accept();
    const linger now{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));  // no TIME_WAIT: ports are few
    ::close(fd);
    ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_close(tcp, session));
  };
  for (int i = 0; i < 200; ++i) cycle();
  const size_t descriptors = open_descriptors();
  const size_t heap = mallinfo2().uordblks;
  for (int i = 0; i < 10'000 && !HasFatalFailure(); ++i) cycle();
  EXPECT_EQ(descriptors, open_descriptors());
  EXPECT_LE(mallinfo2().uordblks, heap + 4096) << "grows with the cycles";
}

}  // namespace mango_test
