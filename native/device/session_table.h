// SPDX-License-Identifier: Apache-2.0
// The sessions of a device by id. An id is not used again soon, and events of a former bearer are told by its
// generation.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "device/server_session.h"

namespace mango::device {

class SessionTable {
 public:
  [[nodiscard]] ServerSession* find(uint32_t id) const noexcept {
    return id < slots_.size() ? slots_[id].session.get() : nullptr;
  }
  [[nodiscard]] ServerSession* find_value(uint64_t value) const noexcept {
    ServerSession* found = find(static_cast<uint32_t>(value & 0xFFFF));
    return found && session_value(found->generation(), found->id()) == value ? found : nullptr;
  }
  [[nodiscard]] uint32_t size() const noexcept { return size_; }

  // An id and its next generation, for insert() or give_back(). 0: none is left.
  [[nodiscard]] uint32_t reserve(uint32_t& generation) {
    uint32_t id = 0;
    const bool grown_out = slots_.size() > kMostSessions;
    if (!free_.empty() && (grown_out || free_.size() >= kReuseDelay)) {
      id = free_.front();
      free_.pop_front();
    } else if (!grown_out) {
      id = static_cast<uint32_t>(slots_.size());
      slots_.emplace_back();
    }
    if (id != 0) generation = ++slots_[id].generation;
    return id;
  }
  void give_back(uint32_t id) { free_.push_back(id); }
  ServerSession* insert(std::unique_ptr<ServerSession> session) noexcept {
    Slot& slot = slots_[session->id()];
    slot.session = std::move(session);
    ++size_;
    return slot.session.get();
  }
  // The session leaves, its id stays reserved, for insert() or give_back().
  std::unique_ptr<ServerSession> take(uint32_t id) noexcept {
    --size_;
    return std::move(slots_[id].session);
  }
  [[nodiscard]] uint32_t next_generation(uint32_t id) noexcept { return ++slots_[id].generation; }

  // visit(session); it may take sessions out.
  template <class Visit>
  void each(Visit visit) {
    for (size_t id = 1; id < slots_.size(); ++id)
      if (slots_[id].session) visit(*slots_[id].session);
  }

 private:
  static constexpr size_t kReuseDelay = 256;
  struct Slot {
    std::unique_ptr<ServerSession> session;
    uint32_t generation = 0;
  };
  std::vector<Slot> slots_ = std::vector<Slot>(1);  // id 0 is nobody's
  std::deque<uint32_t> free_;
  uint32_t size_ = 0;
};

}  // namespace mango::device
