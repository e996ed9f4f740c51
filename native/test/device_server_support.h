// SPDX-License-Identifier: Apache-2.0
// A client of the device made by hand, out of the contract's headers alone: so that both sides cannot be
// wrong alike, and so that it can lie.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "device/descriptor.h"
#include "device/link.h"
#include "device/server.h"

namespace device_test {

using namespace mango::device;
namespace ipc = mango::ipc;

constexpr int kPatienceMs = 10'000;

inline sockaddr_in loopback(uint16_t port = 0) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}
inline ipc::Address to_address(const sockaddr_in& from) {
  ipc::Address address;
  std::memcpy(&address.storage, &from, sizeof(from));
  return address;
}
inline uint16_t port_of(const sockaddr_storage& address) {
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}
// Octets that differ from place to place, the same each time.
inline std::string pattern(size_t length, uint32_t seed = 1) {
  std::string text(length, '\0');
  for (char& octet : text) {
    seed = seed * 1664525 + 1013904223;
    octet = static_cast<char>(seed >> 24);
  }
  return text;
}
// The events that came, 0: none in time.
inline short wait_for(int fd, short events, int ms = kPatienceMs) {
  pollfd watched{fd, events, 0};
  return ::poll(&watched, 1, ms) == 1 ? watched.revents : short{0};
}

// A plain TCP socket: what the other side of the wire sees.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  static Peer connected(uint16_t port) {
    Peer peer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in to = loopback(port);
    EXPECT_EQ(0, ::connect(peer.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)));
    return peer;
  }
  static Peer listening() {
    Peer peer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in to = loopback();
    EXPECT_EQ(0, ::bind(peer.fd(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)));
    EXPECT_EQ(0, ::listen(peer.fd(), 64));
    return peer;
  }
  [[nodiscard]] Peer accept() const { return Peer(::accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC)); }
  [[nodiscard]] uint16_t port() const {
    sockaddr_storage name{};
    socklen_t length = sizeof(name);
    EXPECT_EQ(0, ::getsockname(fd(), reinterpret_cast<sockaddr*>(&name), &length));
    return port_of(name);
  }
  [[nodiscard]] int fd() const { return fd_.get(); }
  void send(const std::string& text) const {
    EXPECT_EQ(static_cast<ssize_t>(text.size()), ::send(fd(), text.data(), text.size(), MSG_NOSIGNAL));
  }
  // Up to `most` octets; at the end of the stream fewer. `error`: what stopped it.
  [[nodiscard]] std::string read(size_t most, int* error = nullptr) const {
    std::string got(most, '\0');
    size_t length = 0;
    while (length < most) {
      if (wait_for(fd(), POLLIN) == 0) break;
      const ssize_t n = ::recv(fd(), got.data() + length, most - length, 0);
      if (n < 0 && error) *error = errno;
      if (n <= 0) break;
      length += static_cast<size_t>(n);
    }
    got.resize(length);
    return got;
  }
  void rst() {
    const linger now{1, 0};
    setsockopt(fd(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    fd_.reset();
  }
  void close() { fd_.reset(); }

 private:
  Descriptor fd_;
};

// A message with up to two descriptors. -1 with errno.
inline ssize_t receive(int fd, void* data, size_t bytes, Descriptor* fds, int flags = 0) {
  alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
  iovec iov{data, bytes};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t n = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC | flags);
  if (n < 0) return n;
  const cmsghdr* part = CMSG_FIRSTHDR(&message);
  if (!part) return n;
  int got[2] = {-1, -1};
  std::memcpy(got, CMSG_DATA(part), part->cmsg_len - CMSG_LEN(0));
  fds[0].reset(got[0]);
  fds[1].reset(got[1]);
  return n;
}

template <class Shared>
class Mapped {
 public:
  Mapped() = default;
  Mapped(int fd, size_t bytes) : bytes_(bytes) {
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    EXPECT_NE(MAP_FAILED, data);
    data_ = static_cast<Shared*>(data);
  }
  Mapped(Mapped&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Mapped& operator=(Mapped&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapped() {
    if (data_) ::munmap(data_, bytes_);
  }
  Shared* operator->() const { return data_; }
  [[nodiscard]] Shared* get() const { return data_; }
  [[nodiscard]] size_t bytes() const { return bytes_; }

 private:
  Shared* data_ = nullptr;
  size_t bytes_ = 0;
};

class Link {
 public:
  explicit Link(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::memcpy(name.sun_path, path.data(), path.size());
    if (path[0] == '@') name.sun_path[0] = '\0';
    const auto length =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '@' ? 0 : 1));
    EXPECT_EQ(0, ::connect(fd(), reinterpret_cast<const sockaddr*>(&name), length));
    Descriptor fds[2];
    // Whoever is not let in gets nothing but the end.
    if (receive(fd(), &welcome, sizeof(welcome), fds) != static_cast<ssize_t>(sizeof(welcome))) return;
    if (!fds[1]) return;
    channel = Mapped<SharedChannel>(fds[0].get(), sizeof(SharedChannel));
    doorbell = std::move(fds[1]);
  }

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::string token() const {
    return {reinterpret_cast<const char*>(welcome.token), kTokenBytes};
  }
  void close() { fd_.reset(); }
  // False: the device has closed the link.
  bool request(const LinkRequest& asked, LinkReply& reply, Descriptor* fds, int proof = -1) const {
    if (!send(asked, proof)) return false;
    return receive(fd(), &reply, sizeof(reply), fds) > 0;
  }
  [[nodiscard]] bool send(const LinkRequest& asked, int proof = -1) const {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    iovec iov{const_cast<LinkRequest*>(&asked), sizeof(asked)};
    msghdr message{};
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    if (proof >= 0) {
      message.msg_control = control;
      message.msg_controllen = sizeof(control);
      cmsghdr* part = CMSG_FIRSTHDR(&message);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(sizeof(int));
      std::memcpy(CMSG_DATA(part), &proof, sizeof(proof));
    }
    return ::sendmsg(fd(), &message, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof(asked));
  }
  void mark(uint32_t id) const {
    if (channel_mark(*channel.get(), id)) eventfd_write(doorbell.get(), 1);
  }

  LinkWelcome welcome{};
  Mapped<SharedChannel> channel;
  Descriptor doorbell;

 private:
  Descriptor fd_;
};

// One session by hand.
class RawSession {
 public:
  RawSession() = default;
  RawSession(Link& link, uint32_t session_id, Descriptor end, const Descriptor& memory,
             uint32_t rx = kRingBytes, uint32_t tx = kRingBytes)
      : id(session_id),
        shared(memory.get(), shared_session_bytes(rx, tx)),
        rx_bytes(rx),
        tx_bytes(tx),
        link_(&link),
        end_(std::move(end)) {}

  [[nodiscard]] int fd() const { return end_.get(); }
  void notify() const {
    if (shared->notified.exchange(1) == 0) link_->mark(id);
  }
  void wish(uint32_t bits) const {
    shared->wishes.fetch_or(bits);
    notify();
  }
  void stuff() const {
    const std::string stuffing(kStuffingBytes, 's');
    EXPECT_EQ(static_cast<ssize_t>(kStuffingBytes), ::send(fd(), stuffing.data(), stuffing.size(), 0));
  }
  // What fits, at once.
  size_t put(const char* data, size_t length) {
    const uint32_t room = tx_bytes - (tx_tail - shared->tx_head.load());
    const size_t n = std::min<size_t>(room, length);
    char* ring = tx_ring(shared.get(), rx_bytes);
    for (size_t i = 0; i < n; ++i) ring[(tx_tail + i) & (tx_bytes - 1)] = data[i];
    tx_tail += static_cast<uint32_t>(n);
    shared->tx_tail.store(tx_tail);
    if (n != 0) notify();
    return n;
  }
  // All, waiting for room as the contract says.
  void send(const std::string& text) {
    size_t sent = 0;
    while (sent < text.size()) {
      sent += put(text.data() + sent, text.size() - sent);
      if (sent == text.size()) return;
      if (shared->tx_armed.load() == 0) {
        const std::string stuffing(kStuffingBytes, 's');
        (void)::send(fd(), stuffing.data(), stuffing.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        shared->tx_armed.store(1);
      }
      if (tx_tail - shared->tx_head.load() < tx_bytes) notify();
      const short events = wait_for(fd(), POLLOUT);
      ASSERT_NE(0, events) << "no room in time";
      if (events & POLLHUP) return;
    }
  }
  // What the ring has, at once.
  std::string take(size_t most = SIZE_MAX) {
    const uint32_t used = shared->rx_tail.load() - rx_head;
    std::string got(std::min<size_t>(used, most), '\0');
    const char* ring = rx_ring(shared.get());
    for (size_t i = 0; i < got.size(); ++i) got[i] = ring[(rx_head + i) & (rx_bytes - 1)];
    rx_head += static_cast<uint32_t>(got.size());
    shared->rx_head.store(rx_head);
    if (shared->rx_starved.load() != 0 && rx_bytes - (used - got.size()) >= rx_bytes / 4) notify();
    return got;
  }
  // `length` octets, or fewer at the end of the stream.
  std::string read(size_t length) {
    std::string got;
    while (got.size() < length) {
      got += take(length - got.size());
      if (got.size() == length || at_end()) break;
      disarm();
      if (shared->rx_tail.load() != rx_head) continue;
      if (wait_for(fd(), POLLIN) == 0) break;
    }
    return got;
  }
  [[nodiscard]] bool at_end() const {
    const SharedState state = shared->state.load();
    const bool over =
        shared->rx_end.load() != 0 || state == SharedState::failed || state == SharedState::reset;
    return over && shared->rx_tail.load() == rx_head;
  }
  // POLLHUP of the pair, with the state.
  [[nodiscard]] bool hung_up(int ms = kPatienceMs) const { return (wait_for(fd(), 0, ms) & POLLHUP) != 0; }
  // Takes an octet, if one was rung, and wants the next.
  void disarm() const {
    char octet[8];
    if (shared->rx_rung.exchange(0) != 0) (void)::recv(fd(), octet, sizeof(octet), MSG_DONTWAIT);
    shared->rx_armed.store(1);
  }
  void close() {
    shared->wishes.fetch_or(kWishOrderly);
    end_.reset();
  }
  // As a process that dies.
  void drop() { end_.reset(); }

  uint32_t id = 0;
  Mapped<SharedSession> shared;
  uint32_t rx_bytes = 0;
  uint32_t tx_bytes = 0;
  uint32_t rx_head = 0;
  uint32_t tx_tail = 0;

 private:
  Link* link_ = nullptr;
  Descriptor end_;
};

// A device with a client.
class DeviceTest : public testing::Test {
 protected:
  void start(ServerOptions options = {}) {
    std::string error;
    server = Server::start(options, error);
    ASSERT_TRUE(server) << error;
    link = std::make_unique<Link>(server->link_path());
    ASSERT_TRUE(link->doorbell);
  }
  void SetUp() override { start(); }

  ipc::Response call(const ipc::Request& request) {
    std::promise<ipc::Response> answered;
    server->serve(request, [&](const ipc::Response& response) { answered.set_value(response); });
    return answered.get_future().get();
  }
  ipc::Response call(mango_ipc_msg_e type, uint32_t session, const Link* by = nullptr) {
    ipc::Request request;
    request.type = type;
    request.session = session;
    request.client = (by ? by : link.get())->token();
    return call(request);
  }
  std::string config(const std::string& field) {
    ipc::Request request;
    request.type = MANGO_IPC_MSG_GET_CONFIG;
    request.field = field;
    return call(request).value;
  }
  mango_status_e configure(const std::string& field, const std::string& value) {
    ipc::Request request;
    request.type = MANGO_IPC_MSG_SET_CONFIG;
    request.client = link->token();
    request.field = field;
    request.value = value;
    return call(request).status;
  }
  // Until the field says so; every question is a turn of the device.
  bool eventually(const std::string& field, const std::string& value) {
    for (int i = 0; i < kPatienceMs; ++i) {
      if (config(field) == value) return true;
      ::poll(nullptr, 0, 1);
    }
    return false;
  }
  bool has_sessions(int count) { return eventually("sessions.open", std::to_string(count)); }

  RawSession open(Link* by = nullptr, int32_t* status = nullptr) {
    Link& on = by ? *by : *link;
    LinkRequest request{};
    request.op = LinkOp::open;
    request.level = AF_INET;
    LinkReply reply{};
    Descriptor fds[2];
    EXPECT_TRUE(on.request(request, reply, fds));
    if (status) *status = reply.status;
    EXPECT_TRUE(status || reply.status == 0) << reply.status;
    if (!fds[1]) return {};
    return {on, reply.session, std::move(fds[0]), fds[1], rx_ring_bytes, tx_ring_bytes};
  }
  int32_t ask(LinkOp op, const RawSession& session, int level = 0, int name = 0,
              const void* payload = nullptr, uint32_t length = 0, LinkReply* answer = nullptr,
              Link* by = nullptr, int proof = -1, Descriptor* got = nullptr) {
    LinkRequest request{};
    request.op = op;
    request.session = session.id;
    request.level = level;
    request.name = name;
    request.length = length;
    if (payload) std::memcpy(request.payload, payload, length);
    LinkReply reply{};
    Descriptor fds[2];
    EXPECT_TRUE((by ? by : link.get())->request(request, reply, fds, proof));
    if (answer) *answer = reply;
    if (got) {
      got[0] = std::move(fds[0]);
      got[1] = std::move(fds[1]);
    }
    return reply.status;
  }
  int32_t bind(const RawSession& session, uint16_t port = 0, uint16_t* bound = nullptr) {
    const sockaddr_in to = loopback(port);
    LinkReply reply{};
    const int32_t status = ask(LinkOp::bind, session, 0, 0, &to, sizeof(to), &reply);
    if (bound) *bound = port_of(*reinterpret_cast<sockaddr_storage*>(reply.payload));
    return status;
  }
  ipc::Response listen(const RawSession& session, int backlog = 64, uint16_t port = 0) {
    ipc::Request request;
    request.type = MANGO_IPC_MSG_TCP_LISTEN;
    request.client = link->token();
    request.session = session.id;
    request.backlog = backlog;
    request.address = to_address(loopback(port));
    return call(request);
  }
  RawSession listener(uint16_t* port, int backlog = 64) {
    RawSession session = open();
    const ipc::Response response = listen(session, backlog);
    EXPECT_EQ(MANGO_STATUS_OK, response.status);
    *port = port_of(response.address.storage);
    return session;
  }
  RawSession accept(const RawSession& from) {
    EXPECT_NE(0, wait_for(from.fd(), POLLIN));
    AcceptedFrame frame{};
    Descriptor fds[2];
    EXPECT_EQ(static_cast<ssize_t>(sizeof(frame)),
              receive(from.fd(), &frame, sizeof(frame), fds, MSG_DONTWAIT));
    if (!fds[1]) return {};
    return {*link, frame.session, std::move(fds[0]), fds[1], frame.rx_bytes, frame.tx_bytes};
  }
  mango_status_e start_connect(const RawSession& session, uint16_t port) {
    session.stuff();
    ipc::Request request;
    request.type = MANGO_IPC_MSG_TCP_CONNECT;
    request.client = link->token();
    request.session = session.id;
    request.address = to_address(loopback(port));
    return call(request).status;
  }
  RawSession connect(uint16_t port) {
    RawSession session = open();
    EXPECT_EQ(MANGO_STATUS_IN_PROGRESS, start_connect(session, port));
    EXPECT_NE(0, wait_for(session.fd(), POLLOUT) & POLLOUT);
    EXPECT_EQ(SharedState::connected, session.shared->state.load());
    return session;
  }

  // A session that has sent all there is room for, of the pattern, to a peer that reads nothing.
  struct Choked {
    RawSession session;
    Peer peer;
    std::string sent;
  };
  Choked choked() {
    const Peer listening = Peer::listening();
    const int little = 4096;
    setsockopt(listening.fd(), SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
    RawSession session = connect(listening.port());
    Peer peer = listening.accept();
    std::string data = pattern(6 << 20);
    size_t sent = 0;
    for (int idle = 0; idle < 50; ++idle) {
      const size_t n = session.put(data.data() + sent, data.size() - sent);
      sent += n;
      if (n != 0) idle = 0;
      ::poll(nullptr, 0, 1);
    }
    EXPECT_LT(sent, data.size());
    data.resize(sent);
    return {std::move(session), std::move(peer), std::move(data)};
  }

  std::unique_ptr<Server> server;
  std::unique_ptr<Link> link;
  uint32_t rx_ring_bytes = kRingBytes;
  uint32_t tx_ring_bytes = kRingBytes;
};

}  // namespace device_test
