// SPDX-License-Identifier: Apache-2.0
// A small TLS load generator for what wrk cannot do:
//
//   rate       a constant request rate over keep-alive connections, open loop:
//   each latency counts from the moment the
//              request was due, not from when a free connection took it, so a
//              stalling proxy cannot hide its queue. (h2load --rps fires all
//              its connections at once and measures the burst; k6 needs more
//              than one core for such rates and its garbage collector is in the
//              percentiles.)
//   handshake  a connection and a full handshake for every request. (wrk reuses
//   its SSL objects through SSL_clear(),
//              which resumes: nginx's $ssl_session_reused counts 99% of its
//              handshakes as resumed.)
//   idle       opens sessions, one request each, says "ready" and holds them
//   until stdin ends.
//
// Prints one JSON object. One thread, one epoll set; certificates are not
// verified: only the proxy's time is measured.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <string>
#include <vector>

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kOpening = 64;  // connections that shake hands at once: less than any backlog
constexpr const char* kUsage =
    "usage: generator rate PORT PATH CONNECTIONS SECONDS RATE\n"
    "       generator handshake PORT PATH CONNECTIONS SECONDS\n"
    "       generator idle PORT PATH CONNECTIONS\n";

int64_t now_ns() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

struct Connection {
  int fd = -1;
  SSL* ssl = nullptr;
  int64_t due_ns = 0;   // when the request in progress was to be sent
  size_t head_end = 0;  // 0 = head not complete
  size_t expected = 0;  // content bytes
  std::string received;
};

// Fills in where the head ends and how much follows. False for anything but a
// 200 with a length.
bool parse_head(Connection& connection) {
  const size_t end = connection.received.find("\r\n\r\n");
  if (end == std::string::npos) return true;
  std::string head = connection.received.substr(0, end);
  std::transform(head.begin(), head.end(), head.begin(), [](unsigned char c) { return std::tolower(c); });
  const size_t field = head.find("\r\ncontent-length:");
  if (head.compare(0, 12, "http/1.1 200") != 0 || field == std::string::npos) return false;
  connection.head_end = end + 4;
  connection.expected = std::strtoull(head.c_str() + field + 17, nullptr, 10);
  return true;
}

bool complete(const Connection& connection) {
  return connection.head_end != 0 && connection.received.size() >= connection.head_end + connection.expected;
}

class Generator {
 public:
  Generator(uint16_t port, const std::string& path, size_t connections, bool close_after)
      : port_(port),
        close_after_(close_after),
        context_(SSL_CTX_new(TLS_client_method())),
        connections_(connections) {
    SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
    request_ = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" +
               (close_after ? "Connection: close\r\n" : "") + "\r\n";
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    prctl(PR_SET_TIMERSLACK,
          1);  // the default of 50 us would be in every latency
  }

  ~Generator() {
    for (Connection& connection : connections_) close(connection);
    SSL_CTX_free(context_);
    ::close(epoll_);
  }

  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  // One request on every connection, a few at a time; afterwards all are idle.
  void open_all() {
    while (idle_.size() < connections_.size()) {
      while (opened_ < connections_.size() && opened_ - idle_.size() < kOpening)
        open(connections_[opened_++]);
      poll(kSecond);
      if (errors_ != 0) return;
    }
    latencies_us_.clear();
  }

  void run_handshakes(int64_t duration_ns) {
    const int64_t end = now_ns() + duration_ns;
    for (Connection& connection : connections_) open(connection);
    while (now_ns() < end) poll(end - now_ns());
  }

  void run_rate(int64_t duration_ns, double rate) {
    open_all();
    const int64_t start = now_ns();
    const int64_t end = start + duration_ns;
    uint64_t issued = 0;
    const auto due = [&] { return start + static_cast<int64_t>(static_cast<double>(issued) * 1e9 / rate); };
    while (now_ns() < end && errors_ == 0) {
      for (; !idle_.empty() && due() <= now_ns(); ++issued) {
        Connection& connection = *idle_.front();
        idle_.pop_front();
        send_request(connection, due());
      }
      poll((idle_.empty() ? end : std::min(due(), end)) - now_ns());
    }
    // What never got its turn counts too, with the time it has waited so far.
    for (; due() < end; ++issued) record(due());
  }

  void print(double seconds) {
    std::sort(latencies_us_.begin(), latencies_us_.end());
    std::printf(
        "{\"requests\": %zu, \"requestsPerSecond\": %.1f, \"errors\": "
        "%lu, \"resumed\": %lu, ",
        latencies_us_.size(), static_cast<double>(latencies_us_.size()) / seconds, errors_, resumed_);
    std::printf("\"p50Us\": %u, \"p99Us\": %u, \"p999Us\": %u}\n", percentile(0.5), percentile(0.99),
                percentile(0.999));
  }

  [[nodiscard]] bool failed() const { return errors_ != 0; }

 private:
  [[nodiscard]] uint32_t percentile(double part) const {
    if (latencies_us_.empty()) return 0;
    return latencies_us_[static_cast<size_t>(part * static_cast<double>(latencies_us_.size() - 1))];
  }

  void poll(int64_t wait_ns) {
    epoll_event events[256];
    wait_ns = std::max<int64_t>(0, wait_ns);
    const timespec timeout{wait_ns / kSecond, wait_ns % kSecond};
    const int ready = epoll_pwait2(epoll_, events, 256, &timeout, nullptr);
    if (ready < 0 && errno != EINTR) die("epoll_pwait2");
    for (int i = 0; i < ready; ++i) advance(*static_cast<Connection*>(events[i].data.ptr));
  }

  void advance(Connection& connection) {
    if (SSL_is_init_finished(connection.ssl) == 0 && !shake_hands(connection)) return;
    char bytes[kReadBytes];
    int got = 0;
    while ((got = SSL_read(connection.ssl, bytes, sizeof bytes)) > 0) {
      connection.received.append(bytes, static_cast<size_t>(got));
      if (connection.head_end == 0 && !parse_head(connection)) return fail(connection);
      if (complete(connection)) return finish(connection);
    }
    if (SSL_get_error(connection.ssl, got) != SSL_ERROR_WANT_READ) fail(connection);
  }

  bool shake_hands(Connection& connection) {
    const int status = SSL_do_handshake(connection.ssl);
    if (status != 1) {
      const int error = SSL_get_error(connection.ssl, status);
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) fail(connection);
      return false;
    }
    if (SSL_session_reused(connection.ssl) != 0) ++resumed_;
    send_request(connection, connection.due_ns);
    return true;
  }

  void send_request(Connection& connection, int64_t due_ns) {
    connection.due_ns = due_ns;
    connection.received.clear();
    connection.head_end = 0;
    if (SSL_write(connection.ssl, request_.data(), static_cast<int>(request_.size())) <= 0) fail(connection);
  }

  void record(int64_t due_ns) { latencies_us_.push_back(static_cast<uint32_t>((now_ns() - due_ns) / 1000)); }

  void finish(Connection& connection) {
    record(connection.due_ns);
    if (!close_after_) {
      connection.received.shrink_to_fit();
      idle_.push_back(&connection);
      return;
    }
    close(connection);
    open(connection);
  }

  void fail(Connection& connection) {
    ++errors_;
    close(connection);
    if (close_after_) open(connection);
  }

  void open(Connection& connection) {
    connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection.fd < 0) die("socket");
    const int one = 1;
    setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection.due_ns = now_ns();
    const int status = ::connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
    if (status != 0 && errno != EINPROGRESS) die("connect");
    connection.ssl = SSL_new(context_);
    SSL_set_fd(connection.ssl, connection.fd);
    SSL_set_tlsext_host_name(connection.ssl, "localhost");
    SSL_set_connect_state(connection.ssl);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.ptr = &connection;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  }

  static void close(Connection& connection) {
    if (connection.ssl == nullptr) return;
    SSL_free(connection.ssl);
    ::close(connection.fd);
    connection = Connection{};
  }

  uint16_t port_;
  bool close_after_;
  SSL_CTX* context_;
  std::vector<Connection> connections_;  // never resized: epoll holds pointers into it
  std::string request_;
  int epoll_ = -1;
  size_t opened_ = 0;
  std::deque<Connection*> idle_;
  std::vector<uint32_t> latencies_us_;
  uint64_t errors_ = 0;
  uint64_t resumed_ = 0;
};

void hold_until_stdin_ends() {
  std::printf("ready\n");
  std::fflush(stdout);
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
}

int usage() {
  std::fputs(kUsage, stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return usage();
  const std::string mode = argv[1];
  const auto port = static_cast<uint16_t>(std::atoi(argv[2]));
  const size_t connections = std::strtoul(argv[4], nullptr, 10);
  const double seconds = argc > 5 ? std::atof(argv[5]) : 0;
  const auto duration_ns = static_cast<int64_t>(seconds * 1e9);
  Generator generator(port, argv[3], connections, mode == "handshake");
  if (mode == "idle") {
    generator.open_all();
    if (!generator.failed()) hold_until_stdin_ends();
    return generator.failed() ? 1 : 0;
  }
  if (mode == "rate" && argc == 7) {
    generator.run_rate(duration_ns, std::atof(argv[6]));
  } else if (mode == "handshake" && argc == 6) {
    generator.run_handshakes(duration_ns);
  } else {
    return usage();
  }
  generator.print(seconds);
  return generator.failed() ? 1 : 0;
}
