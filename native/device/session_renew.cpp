// SPDX-License-Identifier: Apache-2.0
// A session's replacement under the same descriptor number: by a fresh one, options kept, or by the TCP
// socket itself.
#include <fcntl.h>

#include <new>

#include "device/ready_set.h"
#include "device/session_parts.h"

namespace mango::device {

struct Session::KeptOption {
  int level;
  int name;
  uint32_t length;
  unsigned char value[kLinkPayloadBytes];
  KeptOption* next;
};

// The device forgets sessions that failed, and a device that was replaced never knew ours: then a new one
// will do.
int Session::renew() noexcept {
  LinkRequest request{};
  request.op = LinkOp::renew;
  LinkReply reply{};
  LinkFds fds;
  mango_status_e status = ask(request, reply, fds);
  const bool forgotten = status == MANGO_STATUS_NOT_FOUND || status == MANGO_STATUS_NOT_CONNECTED ||
                         status == MANGO_STATUS_DEVICE_RESET;
  if (!forgotten) {
    if (status != MANGO_STATUS_OK) return fail(-status);
    return take_place(fds) ? 0 : -1;
  }
  ClientLink* link = nullptr;
  status = client_.acquire(link);
  if (status != MANGO_STATUS_OK) return fail(-status);
  request.op = LinkOp::open;
  request.session = 0;
  request.level = family_ == AF_INET6 ? AF_INET6 : AF_INET;
  request.name = SOCK_CLOEXEC | (nonblocking_ ? SOCK_NONBLOCK : 0);
  status = link->ask(request, reply, -1, fds);
  if (status != MANGO_STATUS_OK || !take_place(fds)) {
    const int error = status != MANGO_STATUS_OK ? -status : errno;
    link->release();
    return fail(error);
  }
  link_.exchange(link, std::memory_order_acq_rel)->release();
  proven_.store(link, std::memory_order_relaxed);
  return 0;
}

// The fresh session's descriptor and memory in place of the old ones. False with errno, and nothing changed.
bool Session::take_place(LinkFds& fds) noexcept {
  SessionMemory fresh;
  const int descriptor_flags = raw::fcntl(fd_, F_GETFD);
  if (!fresh.map(fds.second.get())) return false;
  ReadySet::leave(*this);
  if (raw::set_nonblocking(fds.first.get(), nonblocking_) != 0 ||
      raw::dup3(fds.first.get(), fd_, descriptor_flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0) {
    const int error = errno;
    fresh.unmap();
    return fail(error) == 0;
  }
  memory_.unmap();
  memory_ = fresh;
  rx_ = rx_ring(fresh.shared);
  tx_ = tx_ring(fresh.shared, fresh.rx_bytes);
  owed_ = false;
  gone_ = rx_shut_ = connect_pending_ = false;
  fds = {};
  replay_options();
  return true;
}

int Session::detach() noexcept {
  uint32_t ready = 0;
  if (!ready_octets(ready)) return -1;
  if (ready != 0) return fail(EBUSY);
  LinkRequest request{};
  request.op = LinkOp::detach;
  LinkReply reply{};
  LinkFds fds;
  if (const mango_status_e status = ask(request, reply, fds); status != MANGO_STATUS_OK) return fail(-status);
  ReadySet::leave(*this);
  const int descriptor_flags = raw::fcntl(fd_, F_GETFD);
  raw::set_nonblocking(fds.first.get(), nonblocking_);
  set_local_options_on(fds.first.get());
  if (raw::dup3(fds.first.get(), fd_, descriptor_flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0) return -1;
  fd_ = -1;
  return 0;
}

// Without memory the option is not set again should the session be renewed.
void Session::remember_option(int level, int name, const void* value, uint32_t length) noexcept {
  const std::lock_guard lock(live_mutex());
  KeptOption** at = &options_;
  while (*at && ((*at)->level != level || (*at)->name != name)) at = &(*at)->next;
  if (!*at) *at = new (std::nothrow) KeptOption{level, name, 0, {}, nullptr};
  if (!*at) return;
  (*at)->length = length;
  std::memcpy((*at)->value, value, length);
}

void Session::replay_options() noexcept {
  for (const KeptOption* option = options_; option; option = option->next) {
    LinkRequest request{};
    request.op = LinkOp::set_option;
    request.level = option->level;
    request.name = option->name;
    request.length = option->length;
    std::memcpy(request.payload, option->value, option->length);
    LinkReply reply{};
    (void)ask(request, reply);
  }
}

void Session::forget_options() noexcept {
  while (options_) delete std::exchange(options_, options_->next);
}

}  // namespace mango::device
