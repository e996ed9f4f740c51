// SPDX-License-Identifier: Apache-2.0
// Options. What concerns waiting and closing is kept here, hints about segments are remembered without asking
// the device, and all else is TCP's: over the link.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/time.h>

#include <algorithm>

#include "device/session_parts.h"

namespace mango::device {
namespace {

template <class T>
int give(const T& from, void* value, socklen_t* length) noexcept {
  const auto n = std::min<socklen_t>(*length, sizeof(T));
  std::memcpy(value, &from, n);
  *length = n;
  return 0;
}

template <class T>
bool take(T& to, const void* value, socklen_t length) noexcept {
  if (!value || length < sizeof(T)) return false;
  std::memcpy(&to, value, sizeof(T));
  return true;
}

int set_timeout(int64_t& timeout_ns, const void* value, socklen_t length) noexcept {
  timeval wanted{};
  if (!take(wanted, value, length)) return fail(EINVAL);
  if (wanted.tv_usec < 0 || wanted.tv_usec >= 1'000'000) return fail(EDOM);
  constexpr int64_t kLongest = int64_t{1} << 30;  // in seconds; beyond is for ever
  const bool for_ever = wanted.tv_sec > kLongest;
  // A time in the past is no time at all: as in Linux, the call gives up at once.
  if (wanted.tv_sec < 0)
    timeout_ns = 1;
  else
    timeout_ns = for_ever ? 0 : int64_t{wanted.tv_sec} * 1'000'000'000 + int64_t{wanted.tv_usec} * 1000;
  return 0;
}

timeval as_timeval(int64_t timeout_ns) noexcept {
  return {static_cast<time_t>(timeout_ns / 1'000'000'000),
          static_cast<suseconds_t>(timeout_ns % 1'000'000'000 / 1000)};
}

}  // namespace

int* Session::hint_of(int level, int name) noexcept {
  if (level != IPPROTO_TCP) return nullptr;
  switch (name) {
    case TCP_NODELAY:
      return &nodelay_;
    case TCP_CORK:
      return &cork_;
    case TCP_QUICKACK:
      return &quickack_;
    default:
      return nullptr;
  }
}

int Session::set_option(int level, int name, const void* value, socklen_t length) noexcept {
  if (device_is_gone() || state() == SharedState::reset) return fail(kDeviceReset);
  if (int* hint = hint_of(level, name)) {
    int wanted = 0;
    if (!take(wanted, value, length)) return fail(EINVAL);
    *hint = wanted != 0 ? 1 : 0;
    return 0;
  }
  if (level == SOL_SOCKET && name == SO_RCVTIMEO) return set_timeout(rx_timeout_ns_, value, length);
  if (level == SOL_SOCKET && name == SO_SNDTIMEO) return set_timeout(tx_timeout_ns_, value, length);
  if (level == SOL_SOCKET && name == SO_LINGER) return take(linger_, value, length) ? 0 : fail(EINVAL);
  if (!value || length > kLinkPayloadBytes) return fail(EINVAL);
  LinkRequest request{};
  request.op = LinkOp::set_option;
  request.level = level;
  request.name = name;
  request.length = length;
  std::memcpy(request.payload, value, length);
  LinkReply reply{};
  const mango_status_e status = ask(request, reply);
  if (status == MANGO_STATUS_NOT_CONNECTED) return 0;  // nothing left that it could matter to
  if (status == MANGO_STATUS_OK) remember_option(level, name, value, length);
  return result_of(status);
}

int Session::get_option(int level, int name, void* value, socklen_t* length) noexcept {
  if (!value || !length || static_cast<int>(*length) < 0) return fail(EINVAL);
  if (const int* hint = hint_of(level, name)) return give(*hint, value, length);
  if (level == SOL_SOCKET) {
    switch (name) {
      case SO_ERROR:
        return give(pending_error(), value, length);
      case SO_RCVTIMEO:
        return give(as_timeval(rx_timeout_ns_), value, length);
      case SO_SNDTIMEO:
        return give(as_timeval(tx_timeout_ns_), value, length);
      case SO_LINGER:
        return give(linger_, value, length);
      case SO_TYPE:
        return give(int{SOCK_STREAM}, value, length);
      case SO_PROTOCOL:
        return give(int{IPPROTO_TCP}, value, length);
      case SO_ACCEPTCONN:
        return give(int{state() == SharedState::listening}, value, length);
      default:
        break;
    }
  }
  LinkRequest request{};
  request.op = LinkOp::get_option;
  request.level = level;
  request.name = name;
  request.length = std::min<socklen_t>(*length, kLinkPayloadBytes);
  LinkReply reply{};
  const mango_status_e status = ask(request, reply);
  if (status == MANGO_STATUS_NOT_CONNECTED) return get_ended_option(value, length, level, name);
  if (status != MANGO_STATUS_OK) return fail(-status);
  const auto n = std::min<socklen_t>({*length, reply.length, kLinkPayloadBytes});
  std::memcpy(value, reply.payload, n);
  *length = n;
  return 0;
}

// Of a connection that is over, as Linux tells of a closed one: its state, and otherwise nothing.
int Session::get_ended_option(void* value, socklen_t* length, int level, int name) noexcept {
  const bool is_info = level == IPPROTO_TCP && name == TCP_INFO;
  const auto n = std::min<socklen_t>(*length, is_info ? sizeof(tcp_info) : sizeof(int));
  std::memset(value, 0, n);
  *length = n;
  if (is_info && n > 0) *static_cast<unsigned char*>(value) = TCP_CLOSE;
  return 0;
}

// The error that SO_ERROR tells once; the device's end for as long as it is asked for.
int Session::pending_error() noexcept {
  if (device_is_gone() || state() == SharedState::reset) return kDeviceReset;
  return state() == SharedState::failed ? take_error() : 0;
}

// What an accepted connection has from its listener.
void Session::copy_local_options(const Session& other) noexcept {
  rx_timeout_ns_ = other.rx_timeout_ns_;
  tx_timeout_ns_ = other.tx_timeout_ns_;
  linger_ = other.linger_;
  nodelay_ = other.nodelay_;
}

void Session::set_local_options_on(int fd) const noexcept {
  const timeval rx = as_timeval(rx_timeout_ns_);
  const timeval tx = as_timeval(tx_timeout_ns_);
  raw::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &rx, sizeof(rx));
  raw::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tx, sizeof(tx));
  raw::setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger_, sizeof(linger_));
  raw::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay_, sizeof(nodelay_));
}

}  // namespace mango::device
