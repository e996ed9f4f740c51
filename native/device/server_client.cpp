// SPDX-License-Identifier: Apache-2.0
#include "device/server_client.h"

#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <new>

namespace mango::device {
namespace {

constexpr size_t kMostDescriptors = 2;
constexpr size_t kRequestHead = offsetof(LinkRequest, payload);

// The first descriptor of a message; all others are closed. False when more came than fits.
bool take_descriptors(msghdr& message, Descriptor& first) noexcept {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
      Descriptor taken(fd);
      if (!first) first = std::move(taken);
    }
  }
  return !(message.msg_flags & MSG_CTRUNC);
}

// get_option's length is the room that is wanted; elsewhere it counts what is there.
bool well_formed(const LinkRequest& request, size_t bytes) noexcept {
  if (bytes < kRequestHead || request.length > kLinkPayloadBytes) return false;
  return request.op == LinkOp::get_option || request.length <= bytes - kRequestHead;
}

}  // namespace

std::unique_ptr<ServerClient> ServerClient::make(ServerCore& core, uint64_t serial, Descriptor link,
                                                 uid_t uid) noexcept {
  std::unique_ptr<ServerClient> made(new (std::nothrow) ServerClient);
  if (!made || !SharedMemory::make("mango-channel", sizeof(SharedChannel), made->memory_)) return nullptr;
  made->doorbell_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  LinkWelcome welcome{kLinkMagic, kSharedVersion, core.device, static_cast<uint32_t>(::getpid()), {}};
  if (!made->doorbell_ || ::getrandom(welcome.token, kTokenBytes, 0) != ssize_t{kTokenBytes}) return nullptr;
  made->serial_ = serial;
  made->uid_ = uid;
  made->link_ = std::move(link);
  made->token_.assign(reinterpret_cast<const char*>(welcome.token), kTokenBytes);
  made->channel_ = new (made->memory_.data()) SharedChannel;
  made->channel_->magic = kSessionMagic;
  made->channel_->version = kSharedVersion;
  // The doorbell is never read: each write is an edge.
  const int fds[2] = {made->memory_.fd(), made->doorbell_.get()};
  if (!core.watch(made->link_.get(), EPOLLIN, event_key(EventKind::link, serial)) ||
      !core.watch(made->doorbell_.get(), EPOLLIN | EPOLLET, event_key(EventKind::doorbell, serial)) ||
      !send_with_descriptors(made->link_.get(), &welcome, sizeof(welcome), fds, 2))
    return nullptr;
  return made;
}

Received ServerClient::receive(LinkRequest& request, Descriptor& proof) noexcept {
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  iovec iov{&request, sizeof(request)};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  const ssize_t n = ::recvmsg(link_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? Received::nothing : Received::broken;
  const bool whole = take_descriptors(message, proof) && !(message.msg_flags & MSG_TRUNC);
  if (!whole || !well_formed(request, static_cast<size_t>(n))) return Received::broken;
  return Received::request;
}

bool ServerClient::reply(const LinkReply& reply, const int* fds, size_t count) noexcept {
  return send_with_descriptors(link_.get(), &reply, sizeof(reply), fds, count);
}

bool send_with_descriptors(int fd, const void* data, size_t bytes, const int* fds, size_t count) noexcept {
  alignas(cmsghdr) char control[CMSG_SPACE(kMostDescriptors * sizeof(int))] = {};
  iovec iov{const_cast<void*>(data), bytes};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  if (count != 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(part), fds, count * sizeof(int));
  }
  return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == static_cast<ssize_t>(bytes);
}

}  // namespace mango::device
