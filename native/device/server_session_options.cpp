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
void ServerSession::inherit_options(const ServerSession& listener) noexcept {
  linger_ = listener.linger_;
  nodelay_ = listener.nodelay_;
}

// Corking is a matter of order: what was sent before goes out before.
int ServerSession::set_option(int level, int name, const void* value, uint32_t length) noexcept {
  if (!option_may_be_set(level, name)) return ENOPROTOOPT;
  if (level == IPPROTO_TCP && name == TCP_CORK) {
    pump();
    if (phase_ == Phase::gone) return ENOTCONN;
  }
  if (level == IPPROTO_TCP && name == TCP_NODELAY) {
    int wanted = 0;
    if (length < sizeof(wanted)) return EINVAL;
    std::memcpy(&wanted, value, sizeof(wanted));
    nodelay_ = wanted != 0;
    return 0;
  }
  if (::setsockopt(tcp_.get(), level, name, value, length) != 0) return errno;
  if (level == SOL_SOCKET && name == SO_LINGER) std::memcpy(&linger_, value, sizeof(linger_));
  return 0;
}

// SO_ERROR is never asked of the socket: it would be lost to the session.
int ServerSession::get_option(int level, int name, void* value, uint32_t& length) noexcept {
  if (!option_may_be_read(level, name)) return ENOPROTOOPT;
  const bool error = level == SOL_SOCKET && name == SO_ERROR;
  const bool nodelay = level == IPPROTO_TCP && name == TCP_NODELAY;
  if (error || nodelay) {
    const int kept = nodelay && nodelay_ ? 1 : 0;
    length = std::min<uint32_t>(length, sizeof(kept));
    std::memcpy(value, &kept, length);
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
  core_.unwatch(tcp_.get());
  pair_.reset();
  client_end_.reset();
  phase_ = Phase::gone;
  return tcp_.release();
}

}  // namespace mango::device
