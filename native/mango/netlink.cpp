// SPDX-License-Identifier: Apache-2.0
#include "mango/netlink.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "mango/status.h"
#include "mango/sys.h"

namespace mango::kernel {
namespace {

constexpr size_t kAnswerBytes = 32 * 1024;  // what the kernel fills at most in one message of a dump

// The end of an answer (0 or an errno), or -1 when more follows.
int end_of_answer(const nlmsghdr& message) noexcept {
  if (message.nlmsg_type == NLMSG_DONE) return 0;
  if (message.nlmsg_type != NLMSG_ERROR) return -1;
  return -static_cast<const nlmsgerr*>(NLMSG_DATA(&message))->error;
}

}  // namespace

NetlinkMessage::NetlinkMessage(uint16_t type, uint16_t flags, const void* body, size_t bytes) noexcept {
  header()->nlmsg_type = type;
  header()->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  header()->nlmsg_len = NLMSG_LENGTH(0);
  add_raw(body, bytes);
}

void NetlinkMessage::add_raw(const void* value, size_t bytes) noexcept {
  const size_t at = NLMSG_ALIGN(header()->nlmsg_len);
  valid_ = valid_ && at + NLMSG_ALIGN(bytes) <= kRoom;
  if (!valid_) return;
  if (bytes) std::memcpy(bytes_ + at, value, bytes);
  header()->nlmsg_len = static_cast<uint32_t>(at + NLMSG_ALIGN(bytes));
}

void NetlinkMessage::add(uint16_t attribute, const void* value, size_t bytes) noexcept {
  const size_t nest = open_nest(attribute);
  add_raw(value, bytes);
  // The length says the value's own size, not the padded one.
  if (valid_) reinterpret_cast<rtattr*>(bytes_ + nest)->rta_len = static_cast<uint16_t>(RTA_LENGTH(bytes));
}

size_t NetlinkMessage::open_nest(uint16_t attribute) noexcept {
  const size_t at = NLMSG_ALIGN(header()->nlmsg_len);
  const rtattr head{static_cast<uint16_t>(RTA_LENGTH(0)), attribute};
  add_raw(&head, sizeof(head));
  return at;
}

void NetlinkMessage::close_nest(size_t nest) noexcept {
  if (!valid_) return;
  reinterpret_cast<rtattr*>(bytes_ + nest)->rta_len = static_cast<uint16_t>(header()->nlmsg_len - nest);
}

Netlink::Netlink() noexcept
    : fd_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)), error_(errno) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  // Connected, so that nothing but the kernel's messages is received.
  if (fd_ >= 0 && ::connect(fd_, reinterpret_cast<sockaddr*>(&kernel), sizeof(kernel)) != 0) {
    error_ = errno;
    ::close(fd_);
    fd_ = -1;
  }
}

Netlink::~Netlink() {
  if (fd_ >= 0) ::close(fd_);
}

mango_status_e Netlink::status() const noexcept {
  return fd_ >= 0 ? MANGO_STATUS_OK : status_of_errno(error_);
}

mango_status_e Netlink::request(NetlinkMessage& message, const std::function<void(const nlmsghdr&)>& visit) {
  if (fd_ < 0) return status();
  if (!message.valid()) return MANGO_STATUS_INVALID_ARGUMENT;
  nlmsghdr& header = *message.header();
  const bool dump = (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;  // one bit of it is NLM_F_EXCL, too
  if (!dump) header.nlmsg_flags |= NLM_F_ACK;
  header.nlmsg_seq = ++sequence_;
  const auto send = [&] { return ::send(fd_, &header, header.nlmsg_len, MSG_NOSIGNAL); };
  if (retry_interrupted(send) < 0) return status_of_errno(errno);
  alignas(nlmsghdr) char answer[kAnswerBytes];
  for (;;) {
    const ssize_t got = retry_interrupted([&] { return ::recv(fd_, answer, sizeof(answer), 0); });
    if (got < 0) return status_of_errno(errno);
    auto left = static_cast<unsigned>(got);
    for (const auto* one = reinterpret_cast<nlmsghdr*>(answer); NLMSG_OK(one, left);
         one = NLMSG_NEXT(one, left)) {
      if (one->nlmsg_seq != sequence_) continue;  // of an earlier conversation that broke off
      const int end = end_of_answer(*one);
      if (end >= 0) return status_of_errno(end);
      if (visit) visit(*one);
    }
  }
}

const rtattr* find_attribute(const nlmsghdr& message, size_t body_bytes, uint16_t attribute) noexcept {
  const size_t head = NLMSG_LENGTH(body_bytes);
  if (message.nlmsg_len < head) return nullptr;
  auto left = static_cast<int>(message.nlmsg_len - NLMSG_ALIGN(head));
  const auto* one =
      reinterpret_cast<const rtattr*>(reinterpret_cast<const char*>(&message) + NLMSG_ALIGN(head));
  for (; RTA_OK(one, left); one = RTA_NEXT(one, left)) {
    if (one->rta_type == attribute) return one;
  }
  return nullptr;
}

}  // namespace mango::kernel
