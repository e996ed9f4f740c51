// SPDX-License-Identifier: Apache-2.0
// What the data plane's tests share: a whole data plane on loopback, upstreams of any behaviour on threads of
// their own, and clients that see raw bytes. Ports are the kernel's choice; nothing waits for time to pass.
#pragma once

#include <functional>
#include <future>
#include <list>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "mango_support.h"
#include "proxy/data_plane.h"

namespace mango::proxy::test {

using Json = nlohmann::json;

// Blocking, with a limit that only a failing test reaches.
inline void limit_waiting(int fd) {
  const timeval limit{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

// One end of a TCP connection, in blocking calls.
class Wire {
 public:
  explicit Wire(int fd) : fd_(fd) { limit_waiting(fd_); }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire() { close(); }

  static std::unique_ptr<Wire> connect(uint16_t port, int receive_buffer = 0) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (receive_buffer != 0) ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    const sockaddr_in address = mango_test::loopback(port);
    if (::connect(fd, mango_test::as_sockaddr(address), sizeof address) != 0) {
      ::close(fd);
      return nullptr;
    }
    return std::make_unique<Wire>(fd);
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(count));
    }
    return true;
  }
  // Everything up to and including `end`, or what came before the connection's end.
  std::string read_until(std::string_view end) {
    size_t at = 0;
    while ((at = buffer_.find(end)) == std::string::npos)
      if (!fill()) return std::exchange(buffer_, {});
    return take(at + end.size());
  }
  std::string read_exactly(size_t count) {
    while (buffer_.size() < count)
      if (!fill()) return std::exchange(buffer_, {});
    return take(count);
  }
  // All until FIN or RST; `error` gets ECONNRESET for the latter.
  std::string read_to_end(int* error = nullptr) {
    errno = 0;
    while (fill()) {
    }
    if (error != nullptr) *error = errno;
    return std::exchange(buffer_, {});
  }
  void finish() { ::shutdown(fd_, SHUT_WR); }
  // RST instead of FIN.
  void abort() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  bool fill() {
    char bytes[65536];
    errno = 0;
    const ssize_t count = ::recv(fd_, bytes, sizeof bytes, 0);
    if (count <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(count));
    return true;
  }
  std::string take(size_t count) {
    std::string taken = buffer_.substr(0, count);
    buffer_.erase(0, count);
    return taken;
  }

  int fd_;
  std::string buffer_;
};

struct Response {
  int status = 0;
  std::string head;
  std::string content;
};

// A response framed by Content-Length, or without content.
inline Response read_response(Wire& wire) {
  Response response;
  response.head = wire.read_until("\r\n\r\n");
  if (response.head.size() > 12) response.status = std::atoi(response.head.c_str() + 9);
  const size_t at = response.head.find("ontent-Length: ");
  if (at != std::string::npos)
    response.content = wire.read_exactly(std::strtoul(&response.head[at + 15], nullptr, 10));
  return response;
}

inline std::string get(std::string_view path, std::string_view fields = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: example.org\r\n" + std::string(fields) + "\r\n";
}

inline std::string ok(std::string_view content, std::string_view fields = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(content.size()) + "\r\n" +
         std::string(fields) + "\r\n" + std::string(content);
}

// A server that gives every connection to `serve`, on a thread of its own.
class Upstream {
 public:
  using Serve = std::function<void(Wire& wire)>;

  explicit Upstream(Serve serve)
      : serve_(std::move(serve)), fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = mango_test::loopback();
    socklen_t length = sizeof address;
    EXPECT_EQ(0, ::bind(fd_, mango_test::as_sockaddr(address), length));
    EXPECT_EQ(0, ::listen(fd_, 128));
    EXPECT_EQ(0, ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length));
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { run(); });
  }
  ~Upstream() {
    ::shutdown(fd_, SHUT_RDWR);
    acceptor_.join();
    {
      const std::lock_guard lock(mutex_);
      for (const auto& wire : wires_) ::shutdown(wire->fd(), SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
    ::close(fd_);
  }

  // Answers every request whose head ends with its path; for tests that look at the proxy alone.
  static void echo_path(Wire& wire) {
    for (;;) {
      const std::string head = wire.read_until("\r\n\r\n");
      const size_t end = head.find(" HTTP/1.1\r\n");
      const size_t start = head.find(' ');
      if (end == std::string::npos || !wire.send(ok(head.substr(start + 1, end - start - 1)))) return;
    }
  }

  [[nodiscard]] std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] size_t connections() {
    const std::lock_guard lock(mutex_);
    return wires_.size();
  }

 private:
  void run() {
    for (;;) {
      const int fd = ::accept(fd_, nullptr, nullptr);
      if (fd < 0) return;
      const std::lock_guard lock(mutex_);
      Wire& wire = *wires_.emplace_back(std::make_unique<Wire>(fd));
      threads_.emplace_back([this, &wire] {
        serve_(wire);
        ::shutdown(wire.fd(), SHUT_RDWR);
      });
    }
  }

  Serve serve_;
  int fd_;
  uint16_t port_ = 0;
  std::mutex mutex_;
  std::list<std::unique_ptr<Wire>> wires_;
  std::list<std::thread> threads_;
  std::thread acceptor_;
};

// --- snapshots
// ----------------------------------------------------------------------------------------------

inline Json action(const char* name, int status = 0) {
  return {{"action", name}, {"status", status}, {"delayMs", 0}};
}

inline Json policy() {
  Json actions;
  for (const char* trigger :
       {"handshakeTimeout", "handshakeError", "idle", "maxAge", "maxRequests", "drain", "deviceReset"})
    actions[trigger] = action("close");
  for (const char* trigger :
       {"headerTimeout", "bodyTimeout", "minRate", "protocolError", "upstreamConnectError", "upstreamReset",
        "upstreamTimeout", "rateLimited", "denied", "overload"})
    actions[trigger] = action("respond");
  actions["clientAbort"] = action("close");
  return {{"name", "default"},    {"actions", actions},       {"maxAgeMs", 0},          {"maxRequests", 0},
          {"rateLimit", nullptr}, {"ipAllow", Json::array()}, {"ipDeny", Json::array()}};
}

inline Json listener(const std::string& name, uint16_t port = 0) {
  return {{"name", name},
          {"mode", "http"},
          {"host", "127.0.0.1"},
          {"port", port},
          {"backlog", 128},
          {"tls", nullptr},
          {"policy", 0},
          {"trustedCidrs", Json::array()},
          {"proxyProtocolCidrs", Json::array()},
          {"http2",
           {{"enabled", true},
            {"maxConcurrentStreams", 100},
            {"streamWindowBytes", 65536},
            {"connectionWindowBytes", 1048576},
            {"resetBurst", 200},
            {"resetsPerSecond", 20},
            {"controlBurst", 1000},
            {"controlsPerSecond", 100}}},
          {"timeouts",
           {{"handshakeMs", 20000},
            {"requestHeadersMs", 20000},
            {"bodyMs", 20000},
            {"idleMs", 20000},
            {"minRateBytesPerSecond", 0},
            {"minRateGraceMs", 0},
            {"writeMs", 20000},
            {"tunnelIdleMs", 20000}}},
          {"limits", {{"headBytes", 16384}, {"headFields", 100}, {"allowEscapedSlashes", false}}}};
}

inline Json route(size_t listeners) {
  Json indices = Json::array();
  for (size_t i = 0; i < listeners; ++i) indices.push_back(i);
  const Json match = {{"path", {{"type", "PathPrefix"}, {"value", "/"}}},
                      {"method", ""},
                      {"headers", Json::array()},
                      {"queryParams", Json::array()}};
  return {{"name", "all"},
          {"listeners", indices},
          {"hostnames", Json::array()},
          {"matches", Json::array({match})},
          {"requestModifier", nullptr},
          {"responseModifier", nullptr},
          {"redirect", nullptr},
          {"rewrite", nullptr},
          {"backends", Json::array({{{"upstream", 0}, {"weight", 1}}})},
          {"timeouts", {{"requestMs", 0}, {"backendRequestMs", 0}}},
          {"retry", {{"attempts", 0}}},
          {"policy", -1}};
}

inline Json upstream(const std::string& endpoint) {
  return {{"name", "app"},
          {"protocol", "http1"},
          {"tls", nullptr},
          {"http2",
           {{"maxConcurrentStreams", 100}, {"streamWindowBytes", 65536}, {"connectionWindowBytes", 1048576}}},
          {"proxyProtocol", "none"},
          {"loadBalancer", "RoundRobin"},
          {"servers", Json::array({{{"key", "http://app"},
                                    {"host", "app"},
                                    {"endpoints", Json::array({endpoint})},
                                    {"weight", 1},
                                    {"drain", false}}})},
          {"timeouts", {{"connectMs", 20000}, {"responseMs", 20000}, {"idleMs", 20000}}},
          {"ejection", {{"consecutiveFailures", 0}, {"baseMs", 1000}, {"maxMs", 1000}}},
          {"pool", {{"maxIdle", 32}, {"maxConnections", 0}}}};
}

// Listeners of these names, one route for all of them, one upstream with one server.
inline Json snapshot(const std::string& endpoint, const std::vector<std::string>& listeners = {"web"}) {
  Json all = Json::array();
  for (const std::string& name : listeners) all.push_back(listener(name));
  return {{"generation", 1},
          {"limits",
           {{"maxSessions", 1000}, {"maxBufferBytes", 64 << 20}, {"maxTarpits", 10}, {"drainMs", 20000}}},
          {"tickets", {{"keys", Json::array()}}},
          {"accessLog", false},
          {"certificates", Json::array()},
          {"policies", Json::array({policy()})},
          {"listeners", all},
          {"routes", Json::array({route(listeners.size())})},
          {"upstreams", Json::array({upstream(endpoint)})}};
}

// --- the data plane
// -----------------------------------------------------------------------------------------

class Plane {
 public:
  explicit Plane(size_t workers = 1, const std::string& access_log = "") {
    plane = DataPlane::create(
        {.workers = workers, .engine = {}, .access_log_path = access_log, .wake = [] {}}, error);
    EXPECT_NE(nullptr, plane) << error.message;
  }
  Plane(const Json& json, size_t workers = 1) : Plane(workers) { apply(json); }

  void apply(const Json& json) {
    std::string answer;
    ASSERT_TRUE(plane->apply(json.dump(), answer, error)) << error.code << ": " << error.message;
    ports_.clear();
    const Json parsed = Json::parse(answer);
    for (const Json& one : parsed["listeners"]) ports_[one["name"]] = one["port"];
    settle();
  }
  [[nodiscard]] uint16_t port(const std::string& name = "web") const { return ports_.at(name); }
  [[nodiscard]] std::unique_ptr<Wire> connect(const std::string& name = "web", int receive_buffer = 0) const {
    return Wire::connect(port(name), receive_buffer);
  }

  [[nodiscard]] Json sessions(const Json& selector = Json::object()) {
    std::promise<std::string> answer;
    EXPECT_TRUE(plane->sessions(
        selector.dump(), [&](std::string json) { answer.set_value(std::move(json)); }, error));
    return Json::parse(answer.get_future().get());
  }
  uint64_t act(const Json& selector, const char* name) {
    std::promise<uint64_t> answer;
    EXPECT_TRUE(plane->act(
        selector.dump(), name, [&](uint64_t count) { answer.set_value(count); }, error));
    return answer.get_future().get();
  }
  [[nodiscard]] Json counters() const { return Json::parse(plane->counters()); }
  // All workers have done what they were asked before.
  void settle() { (void)sessions(); }
  // Asks the workers again and again until it is so.
  template <typename Predicate>
  [[nodiscard]] bool eventually(const Predicate& is_so) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!is_so()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      settle();
      std::this_thread::yield();
    }
    return true;
  }

  std::unique_ptr<DataPlane> plane;
  DataPlaneError error;

 private:
  std::map<std::string, uint16_t> ports_;
};

}  // namespace mango::proxy::test
