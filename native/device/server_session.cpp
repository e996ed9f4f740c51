// SPDX-License-Identifier: Apache-2.0
#include "device/server_session.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <new>

#include "device/client.h"

namespace mango::device {
namespace {

constexpr linger kNoLinger{1, 0};

void set_linger(int fd, const linger& value) noexcept {
  (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof(value));
}

void set_int(int fd, int level, int name, int value) noexcept {
  (void)::setsockopt(fd, level, name, &value, sizeof(value));
}

}  // namespace

uint64_t monotonic_ms() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

std::unique_ptr<ServerSession> ServerSession::make(ServerCore& core, const Identity& identity, Descriptor tcp,
                                                   int pair_flags) noexcept {
  std::unique_ptr<ServerSession> made(new (std::nothrow) ServerSession(core));
  if (!made) {
    errno = ENOMEM;
    return nullptr;
  }
  made->identity_ = identity;
  made->rx_bytes_ = core.settings.rx_bytes;
  made->tx_bytes_ = core.settings.tx_bytes;
  made->tcp_ = std::move(tcp);
  // Until the end is known to be orderly: so peers of a device that is killed see RST, not the end of a
  // stream.
  set_linger(made->tcp_.get(), kNoLinger);
  const size_t bytes = shared_session_bytes(made->rx_bytes_, made->tx_bytes_);
  if (!SharedMemory::make("mango-session", bytes, made->memory_) || !made->make_pair(pair_flags))
    return nullptr;
  SharedSession* shared = made->shared_ = new (made->memory_.data()) SharedSession;
  shared->magic = kSessionMagic;
  shared->version = kSharedVersion;
  shared->id = identity.id;
  shared->rx_bytes = made->rx_bytes_;
  shared->tx_bytes = made->tx_bytes_;
  shared->rx_armed.store(1, std::memory_order_relaxed);
  return made;
}

ServerSession::~ServerSession() {
  if (phase_ != Phase::gone) close_tcp(true);
}

bool ServerSession::make_pair(int flags) noexcept {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return false;
  pair_.reset(ends[0]);
  client_end_.reset(ends[1]);
  // Least buffers both ways: kStuffingBytes fill one, and nobody can have the kernel hold more.
  for (const int end : ends) set_int(end, SOL_SOCKET, SO_SNDBUF, 1);
  if (flags & SOCK_NONBLOCK) (void)::fcntl(ends[1], F_SETFL, O_NONBLOCK);
  socklen_t length = sizeof(client_cookie_);
  (void)::getsockopt(ends[1], SOL_SOCKET, SO_COOKIE, &client_cookie_, &length);
  bind_name();
  return core_.watch(ends[0], EPOLLET, event_key(EventKind::pair, session_value(generation(), id())));
}

// Only a hint for whoever meets the descriptor: a session without a name works, but cannot be attached to.
void ServerSession::bind_name() noexcept {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const int n = std::snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "%s%d.%u.%u", kSessionNamePrefix,
                              static_cast<int>(::getpid()), core_.device, id());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<size_t>(n));
  (void)::bind(pair_.get(), reinterpret_cast<sockaddr*>(&name), length);
}

bool ServerSession::proves(int fd) const noexcept {
  uint64_t cookie = 0;
  socklen_t length = sizeof(cookie);
  return ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0 && cookie == client_cookie_ &&
         client_cookie_ != 0;
}

bool ServerSession::owned_by(uint64_t client) const noexcept {
  return std::find(owners_.begin(), owners_.end(), client) != owners_.end();
}

void ServerSession::add_owner(uint64_t client) {
  if (owned_by(client)) return;
  if (owners_.size() == kMostOwners) owners_.erase(owners_.begin());
  owners_.push_back(client);
}

int ServerSession::bind(const sockaddr* addr, socklen_t length) noexcept {
  return ::bind(tcp_.get(), addr, length) == 0 ? 0 : errno;
}

int ServerSession::listen(int backlog) noexcept {
  if (phase_ != Phase::open && phase_ != Phase::listening) return EINVAL;
  if (::listen(tcp_.get(), backlog) != 0) return errno;
  if (phase_ == Phase::listening) return 0;
  const uint64_t value = session_value(generation(), id());
  const uint32_t pending =
      std::clamp<uint32_t>(static_cast<uint32_t>(std::max(backlog, 1)), 4, kMostPendingAccepts);
  set_int(pair_.get(), SOL_SOCKET, SO_SNDBUF, static_cast<int>(pending * kPendingAcceptBytes / 2));
  core_.rewatch(pair_.get(), EPOLLOUT | EPOLLET, event_key(EventKind::pair, value));
  if (!core_.watch(tcp_.get(), EPOLLIN | EPOLLET, event_key(EventKind::tcp, value))) return errno;
  phase_ = Phase::listening;
  shared_->state.store(SharedState::listening, std::memory_order_release);
  return 0;
}

int ServerSession::connect(const sockaddr* addr, socklen_t length) noexcept {
  if (phase_ == Phase::connecting) return EALREADY;
  if (phase_ != Phase::open) return EISCONN;
  int error = ::connect(tcp_.get(), addr, length) == 0 ? 0 : errno;
  const uint64_t key = event_key(EventKind::tcp, session_value(generation(), id()));
  if ((error == 0 || error == EINPROGRESS) &&
      !core_.watch(tcp_.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, key))
    error = errno;
  if (error != 0 && error != EINPROGRESS) {
    ++core_.counters.failed;
    fail(error);
    return error;
  }
  phase_ = Phase::connecting;
  shared_->state.store(SharedState::connecting, std::memory_order_release);
  if (error == 0) connect_finished();
  return EINPROGRESS;
}

bool ServerSession::begin_connected() noexcept {
  note_connected();
  shared_->state.store(SharedState::connected, std::memory_order_release);
  ++core_.counters.accepted;
  return core_.watch(tcp_.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                     event_key(EventKind::tcp, session_value(generation(), id())));
}

void ServerSession::note_connected() noexcept {
  set_int(tcp_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  socklen_t length = sizeof(sockaddr_storage);
  (void)::getsockname(tcp_.get(), reinterpret_cast<sockaddr*>(&shared_->local), &length);
  length = sizeof(peer_);
  (void)::getpeername(tcp_.get(), reinterpret_cast<sockaddr*>(&peer_), &length);
  shared_->peer = peer_;
  phase_ = Phase::connected;
  writable_ = true;
}

// Not before this does the client use tx_armed; one message of stuffing says that it waits for the outcome.
void ServerSession::connect_finished() noexcept {
  if (const int error = tcp_error(); error != 0) {
    ++core_.counters.failed;
    return fail(error);
  }
  note_connected();
  ++core_.counters.connected;
  shared_->tx_armed.store(0, std::memory_order_relaxed);
  shared_->state.store(SharedState::connected, std::memory_order_release);
  take_stuffing(1);
}

int ServerSession::tcp_error() noexcept {
  int error = 0;
  socklen_t length = sizeof(error);
  return ::getsockopt(tcp_.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

void ServerSession::on_tcp(uint32_t events) noexcept {
  if (phase_ == Phase::connecting && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) connect_finished();
  if (phase_ != Phase::connected && phase_ != Phase::draining) return;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) readable_ = true;
  if (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) end_seen_ = true;
  if (events & EPOLLOUT) writable_ = true;
  if (rx_finished_ && (events & EPOLLERR)) return fail(tcp_error());
  // Nobody is there to read what comes after a close(): as Linux, RST.
  if (phase_ == Phase::draining && (events & EPOLLIN) && has_unread()) return end(End::abort);
  pump();
}

void ServerSession::on_client_closed() noexcept {
  if (phase_ == Phase::gone || phase_ == Phase::draining) return;
  const uint32_t wishes = shared_->wishes.load(std::memory_order_acquire);
  if (wishes & kWishAbort) return abort();
  if (!(wishes & kWishOrderly)) return end(End::died);
  close();
}

// What was sent before and fits into TCP goes out first: as with Linux, where send() hands it to TCP at once.
void ServerSession::abort() noexcept {
  if (phase_ == Phase::connected) pump_tx();
  end(End::abort);
}

void ServerSession::close() noexcept {
  if (phase_ == Phase::draining || phase_ == Phase::gone) return;
  const bool abortive = linger_.l_onoff && linger_.l_linger == 0;
  if (phase_ == Phase::connected && (abortive || has_unread())) return abort();
  if (phase_ == Phase::connected) return drain();
  ++core_.counters.closed;
  say_end(SharedState::failed,
          phase_ == Phase::listening ? EINVAL : ECONNABORTED);  // as accept() on a closed one
  close_tcp(false);
}

// Freezes what is to be sent: another process may still write into this memory.
void ServerSession::drain() noexcept {
  tx_final_ = shared_->tx_tail.load(std::memory_order_acquire);
  if (tx_final_ - tx_head_ > tx_bytes_) return end(End::hostile);
  phase_ = Phase::draining;
  progress_ms_ = monotonic_ms();
  say_end(SharedState::failed, ECONNABORTED);
  pump();
}

void ServerSession::check_progress(uint64_t now_ms) noexcept {
  if (phase_ == Phase::draining && now_ms - progress_ms_ > core_.settings.drain_timeout_ms) end(End::abort);
}

bool ServerSession::has_unread() noexcept {
  int unread = 0;
  if (rx_tail_ != shared_->rx_head.load(std::memory_order_acquire)) return true;
  return ::ioctl(tcp_.get(), FIONREAD, &unread) == 0 && unread > 0;
}

void ServerSession::end(End reason) noexcept {
  if (phase_ == Phase::gone) return;
  switch (reason) {
    case End::abort:
    case End::died:
      ++core_.counters.aborted;
      say_end(SharedState::failed, ECONNABORTED);
      break;
    case End::hostile:
      ++core_.counters.hostile;
      say_end(SharedState::failed, EIO);
      break;
    case End::reset:
      say_end(SharedState::reset, kDeviceReset);
      break;
  }
  close_tcp(true);
}

void ServerSession::fail(int error) noexcept {
  if (phase_ == Phase::connected || phase_ == Phase::draining) ++core_.counters.reset;
  say_end(SharedState::failed, error);
  close_tcp(false);
}

// Whoever still holds the descriptor (closed by a message, or by another process) reads what became of it.
void ServerSession::say_end(SharedState state, int error) noexcept {
  shared_->error.store(error, std::memory_order_relaxed);
  shared_->state.store(state, std::memory_order_release);
  pair_.reset();
}

// Never with the client's own linger time: close() would wait for it, even on a non-blocking socket.
void ServerSession::close_tcp(bool rst) noexcept {
  if (!rst) set_linger(tcp_.get(), {});
  tcp_.reset();
  client_end_.reset();
  phase_ = Phase::gone;
}

}  // namespace mango::device
