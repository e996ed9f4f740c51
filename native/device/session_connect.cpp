// SPDX-License-Identifier: Apache-2.0
// Addresses and connecting. Results are Linux's: a connect under way is EALREADY, its success is told once as
// 0 and EISCONN from then on, its failure is told once (by connect or SO_ERROR), and after that one may try
// again, which takes a fresh session, for the device forgets those that failed.
#include <netinet/in.h>

#include <algorithm>
#include <cstddef>

#include "device/session_parts.h"

namespace mango::device {
namespace {

constexpr char kStuffing[kStuffingBytes] = {};

socklen_t size_of(int family) noexcept {
  return family == AF_INET6 ? socklen_t{sizeof(sockaddr_in6)} : socklen_t{sizeof(sockaddr_in)};
}

}  // namespace

bool give_address(const sockaddr_storage& from, sockaddr* addr, socklen_t* length) noexcept {
  if (!addr || !length || static_cast<int>(*length) < 0) return fail(EINVAL) == 0;
  const socklen_t size = size_of(from.ss_family);
  std::memcpy(addr, &from, std::min(*length, size));
  *length = size;
  return true;
}

int Session::bind(const sockaddr* addr, socklen_t length) noexcept {
  if (!check_address(addr, length)) return -1;
  LinkRequest request{};
  request.op = LinkOp::bind;
  request.length = size_of(addr->sa_family);
  std::memcpy(request.payload, addr, request.length);
  LinkReply reply{};
  return result_of(ask(request, reply));
}

bool Session::check_address(const sockaddr* addr, socklen_t length) const noexcept {
  if (!addr || length < sizeof(sa_family_t)) return fail(EINVAL) == 0;
  const int family = addr->sa_family;
  if ((family != AF_INET && family != AF_INET6) || (family_ != AF_UNSPEC && family != family_))
    return fail(EAFNOSUPPORT) == 0;
  return length >= size_of(family) || fail(EINVAL) == 0;
}

int Session::connect(const sockaddr* addr, socklen_t length) noexcept {
  const bool wait = !nonblocking_;
  if (connect_pending_.load(std::memory_order_relaxed)) {
    const SharedState now = state();
    const bool going_on = now == SharedState::connecting || now == SharedState::open;
    return wait && going_on ? wait_connected() : connect_again();
  }
  return start_connect(addr, length, wait);
}

int Session::connect_start(const sockaddr* addr, socklen_t length) noexcept {
  return connect_pending_.load(std::memory_order_relaxed) ? connect_again()
                                                          : start_connect(addr, length, false);
}

// A connect was started, and how it went has not been told by connect().
int Session::connect_again() noexcept {
  if (device_is_gone()) return fail(kDeviceReset);
  if (is_over()) return connect_failed();
  if (state() != SharedState::connected) return fail(EALREADY);
  connect_pending_.store(false, std::memory_order_relaxed);
  return 0;
}

int Session::connect_failed() noexcept {
  connect_pending_.store(false, std::memory_order_relaxed);
  const int error = wishes(kWishAbort) ? 0 : over_error();
  return fail(error != 0 ? error : ECONNABORTED);
}

bool Session::was_connected() const noexcept {
  return memory_.shared->peer.ss_family != AF_UNSPEC;
}

int Session::start_connect(const sockaddr* addr, socklen_t length, bool wait) noexcept {
  if (device_is_gone() || state() == SharedState::reset) return fail(kDeviceReset);
  if (addr && length >= sizeof(sa_family_t) && addr->sa_family == AF_UNSPEC) return renew();
  if (wishes(kWishAbort)) return fail(ECONNABORTED);
  const SharedState before = state();
  if (before == SharedState::listening || before == SharedState::connected || was_connected())
    return fail(EISCONN);
  if (!check_address(addr, length)) return -1;
  if (before == SharedState::failed && renew() != 0) return -1;
  // Not writable before it is connected. Refused only when that is so already.
  (void)raw::send(fd_, kStuffing, sizeof(kStuffing), MSG_DONTWAIT);
  ipc::Request request;
  request.type = MANGO_IPC_MSG_TCP_CONNECT;
  request.address = ipc::address_of(addr, length);
  ipc::Response response;
  connect_pending_.store(true, std::memory_order_relaxed);
  const mango_status_e status = wait ? call(request, response) : post(request);
  const bool under_way = status == MANGO_STATUS_OK || status == MANGO_STATUS_IN_PROGRESS;
  if (under_way) return wait ? wait_connected() : fail(EINPROGRESS);
  connect_pending_.store(false, std::memory_order_relaxed);
  (void)take_error();  // the answer told it
  return fail(-status);
}

int Session::wait_connected() noexcept {
  const int64_t deadline_ns = deadline_in(tx_timeout_ns_);
  for (;;) {
    const SharedState now = state();
    if (now != SharedState::connecting && now != SharedState::open) return connect_again();
    if (device_is_gone()) return fail(kDeviceReset);
    short revents = 0;
    const int ready = raw::poll(fd_, POLLOUT, left_until(deadline_ns), revents);
    if (ready < 0) return -1;
    if (ready == 0) return fail(EINPROGRESS);
  }
}

int Session::get_name(sockaddr* addr, socklen_t* length) noexcept {
  sockaddr_storage local{};
  std::memcpy(&local, &memory_.shared->local, sizeof(local));
  if (was_connected()) return give_address(local, addr, length) ? 0 : -1;
  LinkRequest request{};
  request.op = LinkOp::name;
  LinkReply reply{};
  const mango_status_e status = ask(request, reply);
  local = {};
  local.ss_family = static_cast<sa_family_t>(family_ == AF_INET6 ? AF_INET6 : AF_INET);
  if (status == MANGO_STATUS_OK)
    std::memcpy(&local, reply.payload, std::min<size_t>(reply.length, sizeof(local)));
  else if (status != MANGO_STATUS_NOT_CONNECTED)
    return fail(-status);
  return give_address(local, addr, length) ? 0 : -1;
}

int Session::get_peer(sockaddr* addr, socklen_t* length) noexcept {
  if (device_is_gone() || state() == SharedState::reset) return fail(kDeviceReset);
  if (state() != SharedState::connected || wishes(kWishAbort)) return fail(ENOTCONN);
  sockaddr_storage peer{};
  std::memcpy(&peer, &memory_.shared->peer, sizeof(peer));
  return give_address(peer, addr, length) ? 0 : -1;
}

}  // namespace mango::device
