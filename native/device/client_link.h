// SPDX-License-Identifier: Apache-2.0
// A process's connection to a device (link.h): requests and their answers, one at a time, and the channel
// that wakes the device. Counted references: a session keeps the link it came by, so that the channel's
// memory outlives its last notification, while the client may have a newer one.
#pragma once

#include <atomic>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>

#include "device/link.h"
#include "device/live.h"
#include "device/raw_calls.h"
#include "device/shared_session.h"
#include "typedef.h"

namespace mango::device {

constexpr int kAnswerDeadlineMs = 5000;  // of a link request and of a message

struct LinkFds {
  raw::Fd first;
  raw::Fd second;
};

class ClientLink final : public Live<ClientLink> {
 public:
  // One reference, the caller's. IPC_UNAVAILABLE when nobody speaks our protocol there.
  [[nodiscard]] static mango_status_e make(const std::string& path, uint32_t device,
                                           ClientLink*& made) noexcept;
  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  // Links of a parent's are never destroyed (another thread of ours may be looking at them), only abandoned.
  void release() noexcept;

  // This process's own, as far as is known in working order.
  [[nodiscard]] bool usable() const noexcept {
    return generation_ == fork_generation.load(std::memory_order_relaxed) &&
           !broken_.load(std::memory_order_acquire);
  }
  // As usable(), having asked the kernel.
  [[nodiscard]] bool alive() noexcept;
  [[nodiscard]] bool inherited() const noexcept {
    return generation_ != fork_generation.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool same_device(const ClientLink& other) const noexcept { return pid_ == other.pid_; }
  [[nodiscard]] std::string_view token() const noexcept { return {token_, sizeof(token_)}; }

  // Marks a session in the channel. True when the device slept and has been woken.
  bool mark(uint32_t id) noexcept {
    if (!channel_mark(*channel_, id)) return false;
    wake_device();
    return true;
  }

  // The device's answer, or IPC_UNAVAILABLE. `shown`: a descriptor to go with the request, or -1.
  [[nodiscard]] mango_status_e ask(const LinkRequest& request, LinkReply& reply, int shown,
                                   LinkFds& fds) noexcept;

  // In a forked child: gives up what is the parent's.
  void abandon() noexcept;

 private:
  ClientLink() noexcept = default;
  ~ClientLink();

  [[nodiscard]] bool dial(const std::string& path) noexcept;
  [[nodiscard]] bool take_welcome(uint32_t device) noexcept;
  void wake_device() noexcept;
  void drop() noexcept;

  std::atomic<uint32_t> references_{1};
  uint32_t generation_ = 0;
  std::atomic<bool> broken_{false};
  SharedChannel* channel_ = nullptr;
  size_t channel_bytes_ = 0;
  raw::Fd doorbell_;
  uint32_t pid_ = 0;
  char token_[kTokenBytes] = {};
  std::mutex asking_;  // one request at a time; guards fd_
  raw::Fd fd_;
};

// Room for up to two descriptors beside a message.
struct FdControl {
  alignas(cmsghdr) char room[CMSG_SPACE(2 * sizeof(int))];
};
// Receives one message and its descriptors, which are close-on-exec. -1 with errno; with EMFILE when
// descriptors were lost for want of room in this process.
[[nodiscard]] ssize_t receive_with_fds(int fd, void* buffer, size_t length, int flags, LinkFds& fds) noexcept;

}  // namespace mango::device
