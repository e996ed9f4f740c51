// SPDX-License-Identifier: Apache-2.0
// A session's socket options and the requests that look into its TCP.
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "device/option_list.h"
#include "device/server_session.h"
#include "mango/sequence.h"

namespace mango::device {
namespace {

bool is_kept(int level, int name) noexcept {
  return (level == IPPROTO_TCP && name == TCP_NODELAY) || (level == SOL_SOCKET && name == SO_LINGER);
}

}  // namespace

void ServerSession::inherit_options(const ServerSession& listener) noexcept {
  linger_ = listener.linger_;
  nodelay_ = listener.nodelay_;
}

// Kept here until detach(): see ServerSession::make().
int ServerSession::keep_option(int name, const void* value, uint32_t length) noexcept {
  if (name == SO_LINGER) {
    if (length < sizeof(linger_)) return EINVAL;
    std::memcpy(&linger_, value, sizeof(linger_));
    return 0;
  }
  int wanted = 0;
  if (length < sizeof(wanted)) return EINVAL;
  std::memcpy(&wanted, value, sizeof(wanted));
  nodelay_ = wanted != 0;
  return 0;
}

// Corking is a matter of order: what was sent before goes out before.
int ServerSession::set_option(int level, int name, const void* value, uint32_t length) noexcept {
  if (!option_may_be_set(level, name)) return ENOPROTOOPT;
  if (level == IPPROTO_TCP && name == TCP_CORK) {
    pump();
    if (phase_ == Phase::gone) return ENOTCONN;
  }
  if (is_kept(level, name)) return keep_option(name, value, length);
  return ::setsockopt(tcp_.get(), level, name, value, length) == 0 ? 0 : errno;
}

// SO_ERROR is never asked of the socket: it would be lost to the session.
int ServerSession::get_option(int level, int name, void* value, uint32_t& length) noexcept {
  if (!option_may_be_read(level, name)) return ENOPROTOOPT;
  if (is_kept(level, name) || (level == SOL_SOCKET && name == SO_ERROR)) {
    const int number = name == TCP_NODELAY && level == IPPROTO_TCP && nodelay_ ? 1 : 0;
    const bool lingers = level == SOL_SOCKET && name == SO_LINGER;
    length = std::min<uint32_t>(length, lingers ? sizeof(linger_) : sizeof(number));
    std::memcpy(value, lingers ? static_cast<const void*>(&linger_) : &number, length);
    return 0;
  }
  socklen_t room = length;
  if (::getsockopt(tcp_.get(), level, name, value, &room) != 0) return errno;
  length = room;
  return 0;
}

int ServerSession::sequence(uint32_t& tx, uint32_t& rx) noexcept {
  return phase_ == Phase::connected ? kernel::read_sequence(tcp_.get(), &tx, &rx) : ENOTCONN;
}

int ServerSession::detach() noexcept {
  if (phase_ == Phase::connected) pump();
  if (phase_ == Phase::gone) {
    errno = ENOTCONN;
    return -1;
  }
  const bool empty = rx_tail_ == shared_->rx_head.load(std::memory_order_acquire) &&
                     tx_head_ == shared_->tx_tail.load(std::memory_order_acquire);
  if (!empty || phase_ == Phase::draining) {
    errno = EBUSY;
    return -1;
  }
  if (phase_ == Phase::connected) {
    const int nodelay = nodelay_ ? 1 : 0;
    (void)::setsockopt(tcp_.get(), IPPROTO_TCP, TCP_NODELAY, &nodelay, sizeof(nodelay));
  }
  (void)::setsockopt(tcp_.get(), SOL_SOCKET, SO_LINGER, &linger_, sizeof(linger_));
  core_.unwatch(tcp_.get());
  pair_.reset();
  client_end_.reset();
  phase_ = Phase::gone;
  return tcp_.release();
}

}  // namespace mango::device
