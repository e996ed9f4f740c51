// SPDX-License-Identifier: Apache-2.0
#include "device/client_link.h"

#include <sys/mman.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <new>

#include "device/session_memory.h"

namespace mango::device {
namespace {

int64_t monotonic_ms() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

// Tries again after signals, but not for longer than an answer may take.
template <class Call>
ssize_t within_deadline(Call call) noexcept {
  const int64_t end = monotonic_ms() + kAnswerDeadlineMs;
  ssize_t n = call();
  while (n < 0 && errno == EINTR && monotonic_ms() < end) n = call();
  return n;
}

void take_fds(msghdr& message, LinkFds& fds) noexcept {
  raw::Fd* const places[] = {&fds.first, &fds.second};
  size_t taken = 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
      raw::Fd owned(fd);
      if (taken < std::size(places)) *places[taken++] = std::move(owned);
    }
  }
}

ssize_t send_with_fd(int fd, const void* buffer, size_t length, int shown) noexcept {
  iovec piece{const_cast<void*>(buffer), length};
  FdControl control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (shown >= 0) {
    message.msg_control = control.room;
    message.msg_controllen = CMSG_SPACE(sizeof(int));
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(part), &shown, sizeof(int));
  }
  return raw::sendmsg(fd, &message, 0);
}

}  // namespace

ssize_t receive_with_fds(int fd, void* buffer, size_t length, int flags, LinkFds& fds) noexcept {
  iovec piece{buffer, length};
  FdControl control;
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.room;
  message.msg_controllen = sizeof(control.room);
  const ssize_t n = raw::recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
  if (n < 0) return n;
  take_fds(message, fds);
  if ((message.msg_flags & MSG_CTRUNC) == 0) return n;
  errno = EMFILE;
  return -1;
}

mango_status_e ClientLink::make(const std::string& path, uint32_t device, ClientLink*& made) noexcept {
  auto* link = new (std::nothrow) ClientLink;
  if (!link) return MANGO_STATUS_NO_MEMORY;
  link->generation_ = fork_generation.load(std::memory_order_relaxed);
  if (!link->dial(path) || !link->take_welcome(device)) {
    const bool no_room = errno == EMFILE || errno == ENFILE;
    const auto status = no_room ? static_cast<mango_status_e>(-errno) : MANGO_STATUS_IPC_UNAVAILABLE;
    delete link;
    return status;
  }
  live_add(*link);
  made = link;
  return MANGO_STATUS_OK;
}

bool ClientLink::dial(const std::string& path) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  const bool abstract = path[0] == '@';
  if (abstract) address.sun_path[0] = '\0';
  const auto length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
  fd_.reset(raw::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC));
  if (!fd_) return false;
  const timeval deadline{kAnswerDeadlineMs / 1000, 0};
  raw::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
  raw::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline));
  return within_deadline([&] { return raw::connect(fd_.get(), &address, length); }) == 0;
}

bool ClientLink::take_welcome(uint32_t device) noexcept {
  LinkWelcome welcome{};
  LinkFds fds;
  const ssize_t n =
      within_deadline([&] { return receive_with_fds(fd_.get(), &welcome, sizeof(welcome), 0, fds); });
  if (n != sizeof(welcome) || welcome.magic != kLinkMagic || welcome.version != kSharedVersion ||
      welcome.device != device || !fds.second)
    return false;
  constexpr size_t kMost = 16 * sizeof(SharedChannel);
  channel_ =
      static_cast<SharedChannel*>(map_sealed(fds.first.get(), sizeof(SharedChannel), kMost, channel_bytes_));
  if (!channel_) return false;
  doorbell_ = std::move(fds.second);
  pid_ = welcome.pid;
  std::memcpy(token_, welcome.token, sizeof(token_));
  return true;
}

ClientLink::~ClientLink() {
  if (channel_) ::munmap(channel_, channel_bytes_);
}

void ClientLink::release() noexcept {
  if (inherited() || references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  live_remove(*this);
  delete this;
}

void ClientLink::abandon() noexcept {
  fd_.reset();
  doorbell_.reset();
  if (channel_) ::munmap(channel_, channel_bytes_);
  channel_ = nullptr;
}

bool ClientLink::alive() noexcept {
  if (!usable()) return false;
  const std::lock_guard lock(asking_);
  if (fd_ && raw::hung_up(fd_.get())) drop();
  return static_cast<bool>(fd_);
}

void ClientLink::wake_device() noexcept {
  const uint64_t one = 1;
  (void)raw::write(doorbell_.get(), &one, sizeof(one));
}

void ClientLink::drop() noexcept {
  fd_.reset();
  broken_.store(true, std::memory_order_release);
}

// An answer that does not come in time would be taken for that of the next request: the link ends with it.
mango_status_e ClientLink::ask(const LinkRequest& request, LinkReply& reply, int shown,
                               LinkFds& fds) noexcept {
  const std::lock_guard lock(asking_);
  if (!fd_) return MANGO_STATUS_IPC_UNAVAILABLE;
  const ssize_t sent =
      within_deadline([&] { return send_with_fd(fd_.get(), &request, sizeof(request), shown); });
  if (sent != sizeof(request)) {
    drop();
    return MANGO_STATUS_IPC_UNAVAILABLE;
  }
  const ssize_t n =
      within_deadline([&] { return receive_with_fds(fd_.get(), &reply, sizeof(reply), 0, fds); });
  if (n < 0 && errno == EMFILE) return MANGO_STATUS_TOO_MANY_FILES;
  constexpr size_t kHead = offsetof(LinkReply, payload);
  const auto octets = static_cast<size_t>(n < 0 ? 0 : n);
  if (octets < kHead || reply.length > octets - kHead) {
    drop();
    return MANGO_STATUS_IPC_UNAVAILABLE;
  }
  return static_cast<mango_status_e>(reply.status);
}

}  // namespace mango::device
