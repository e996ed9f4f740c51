// SPDX-License-Identifier: Apache-2.0
#include "net/timer_wheel.h"

namespace mango::net {

void TimerLink::unlink() noexcept {
  if (next == nullptr) return;
  previous->next = next;
  next->previous = previous;
  previous = next = nullptr;
}

void TimerLink::push_back(TimerLink& link) noexcept {
  link.previous = previous;
  link.next = this;
  previous->next = &link;
  previous = &link;
}

TimerWheel::TimerWheel(uint64_t now_ms) noexcept : now_ms_(now_ms), tick_(now_ms >> kTickBits) {
  for (auto& level : slots_)
    for (auto& slot : level) slot.previous = slot.next = &slot;
}

void TimerWheel::set(Timer& timer, uint64_t delay_ms) noexcept {
  timer.unlink();
  timer.deadline_ms_ = now_ms_ + delay_ms;
  file(timer, tick_ + 1);
}

// Rounds the deadline up to a tick, none before `first`, and picks the finest level that reaches it.
void TimerWheel::file(Timer& timer, uint64_t first) noexcept {
  uint64_t due = (timer.deadline_ms_ + (1U << kTickBits) - 1) >> kTickBits;
  if (due < first) due = first;
  for (unsigned level = 0; level < kLevels; ++level) {
    const unsigned shift = level * kSlotBits;
    if ((due >> shift) - (tick_ >> shift) < kSlots) {
      slots_[level][(due >> shift) % kSlots].push_back(timer);
      return;
    }
  }
  const unsigned shift = (kLevels - 1) * kSlotBits;
  slots_[kLevels - 1][((tick_ >> shift) + kSlots - 1) % kSlots].push_back(timer);
}

void TimerWheel::advance(uint64_t now_ms) noexcept {
  now_ms_ = now_ms;
  const uint64_t target = now_ms >> kTickBits;
  while (tick_ < target) {
    ++tick_;
    if (tick_ % kSlots == 0) cascade(1);
    fire_slot(slots_[0][tick_ % kSlots]);
  }
}

// A coarse slot has come near: its timers move to finer levels.
void TimerWheel::cascade(unsigned level) noexcept {
  const uint64_t index = tick_ >> (level * kSlotBits);
  if (level + 1 < kLevels && index % kSlots == 0) cascade(level + 1);
  TimerLink& slot = slots_[level][index % kSlots];
  TimerLink due;
  due.previous = due.next = &due;
  while (slot.next != &slot) {
    TimerLink* link = slot.next;
    link->unlink();
    due.push_back(*link);
  }
  while (due.next != &due) {
    auto* timer = static_cast<Timer*>(due.next);
    timer->unlink();
    file(*timer, tick_);  // what is due on this very tick lands in the slot about to be fired
  }
}

void TimerWheel::fire_slot(TimerLink& slot) noexcept {
  while (slot.next != &slot) {
    auto* timer = static_cast<Timer*>(slot.next);
    timer->unlink();
    timer->target_.on_timer(*timer);
  }
}

int TimerWheel::sleep_ms(int longest_ms) const noexcept {
  const uint64_t reach = static_cast<uint64_t>(longest_ms) >> kTickBits;
  for (uint64_t ahead = 1; ahead <= reach && ahead < kSlots; ++ahead) {
    const uint64_t tick = tick_ + ahead;
    const auto& slot = slots_[0][tick % kSlots];
    const bool cascades = tick % kSlots == 0;  // coarser timers may become due from here on
    if (slot.next == &slot && !cascades) continue;
    const uint64_t due_ms = tick << kTickBits;
    return due_ms > now_ms_ ? static_cast<int>(due_ms - now_ms_) : 0;
  }
  return longest_ms;
}

}  // namespace mango::net
