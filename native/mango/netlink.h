// SPDX-License-Identifier: Apache-2.0
// rtnetlink (rtnetlink(7)): requests built in a fixed buffer, answers visited one by one. No libnl: three
// kinds of request do not justify a library in every program that links this one.
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstddef>
#include <cstring>
#include <functional>

#include "typedef.h"

namespace mango::kernel {

// One request: a header, the family's own struct, attributes. What does not fit makes it invalid.
class NetlinkMessage {
 public:
  NetlinkMessage(uint16_t type, uint16_t flags, const void* body, size_t bytes) noexcept;

  void add(uint16_t attribute, const void* value, size_t bytes) noexcept;
  void add_text(uint16_t attribute, const char* text) noexcept {
    add(attribute, text, std::strlen(text) + 1);
  }
  // Attributes added between the two are inside `attribute`.
  [[nodiscard]] size_t open_nest(uint16_t attribute) noexcept;
  void close_nest(size_t nest) noexcept;
  // A raw struct inside a nest, as VETH_INFO_PEER wants its ifinfomsg.
  void add_raw(const void* value, size_t bytes) noexcept;

  [[nodiscard]] nlmsghdr* header() noexcept { return reinterpret_cast<nlmsghdr*>(bytes_); }
  [[nodiscard]] bool valid() const noexcept { return valid_; }

 private:
  static constexpr size_t kRoom = 1024;
  alignas(NLMSG_ALIGNTO) char bytes_[kRoom] = {};
  bool valid_ = true;
};

// A conversation with the kernel about the network namespace the calling thread was in when it was made;
// usable from any one thread at a time, in whatever namespace that is.
class Netlink {
 public:
  Netlink() noexcept;
  ~Netlink();
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  // OK, or why there is no conversation.
  [[nodiscard]] mango_status_e status() const noexcept;

  // Asks, and visits every message of the answer; what `visit` throws comes through. The kernel's own status:
  // NOT_PERMITTED, EXISTS, ...
  [[nodiscard]] mango_status_e request(NetlinkMessage& message,
                                       const std::function<void(const nlmsghdr&)>& visit = nullptr);

 private:
  int fd_;
  int error_;
  uint32_t sequence_ = 0;
};

// The attribute's value inside a message, or null.
[[nodiscard]] const rtattr* find_attribute(const nlmsghdr& message, size_t body_bytes,
                                           uint16_t attribute) noexcept;

}  // namespace mango::kernel
