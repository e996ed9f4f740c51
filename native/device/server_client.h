// SPDX-License-Identifier: Apache-2.0
// One client process of a device: its link, its token, the channel in which it marks sessions, the doorbell
// it wakes the device with. Requests and replies as they travel; what they mean is server_requests.cpp's.
#pragma once

#include <memory>
#include <string>

#include "device/link.h"
#include "device/server_access.h"
#include "device/server_core.h"
#include "device/shared_memory.h"

namespace mango::device {

enum class Received : uint8_t { nothing, request, broken };

class ServerClient {
 public:
  // Says the welcome. Null when descriptors or memory are out or the client is gone already.
  [[nodiscard]] static std::unique_ptr<ServerClient> make(ServerCore& core, uint64_t serial, Descriptor link,
                                                          uid_t uid) noexcept;

  [[nodiscard]] uid_t uid() const noexcept { return uid_; }
  // Neither root nor the device's own user.
  [[nodiscard]] bool stranger() const noexcept { return LinkAccess::is_stranger(uid_); }
  [[nodiscard]] uint64_t serial() const noexcept { return serial_; }
  [[nodiscard]] const std::string& token() const noexcept { return token_; }
  [[nodiscard]] SharedChannel& channel() noexcept { return *channel_; }

  // One request, with the descriptor that came along, if any. `broken`: the link is to be closed.
  [[nodiscard]] Received receive(LinkRequest& request, Descriptor& proof) noexcept;
  // False: the client takes no answers.
  [[nodiscard]] bool reply(const LinkReply& reply, const int* fds, size_t count) noexcept;

  uint32_t sessions = 0;  // on its account

 private:
  uint64_t serial_ = 0;
  uid_t uid_ = 0;
  Descriptor link_;
  Descriptor doorbell_;
  SharedMemory memory_;
  SharedChannel* channel_ = nullptr;
  std::string token_;
};

// One message with descriptors; false with errno.
[[nodiscard]] bool send_with_descriptors(int fd, const void* data, size_t bytes, const int* fds,
                                         size_t count) noexcept;

}  // namespace mango::device
