// SPDX-License-Identifier: Apache-2.0
// Serialises heads into a caller's fixed memory. Overflow is remembered, not fatal: check ok() once at the end.
#pragma once

#include <cstring>

#include "http/message.h"

namespace mango::http {

class HeadWriter {
 public:
  explicit HeadWriter(std::span<char> memory) noexcept : memory_(memory) {}

  void raw(std::string_view text) noexcept {
    if (text.size() > memory_.size() - used_) {
      overflow_ = true;
      return;
    }
    std::memcpy(memory_.data() + used_, text.data(), text.size());
    used_ += text.size();
  }
  void number(uint64_t value) noexcept;  // decimal
  void field(std::string_view name, std::string_view value) noexcept {
    raw(name);
    raw(": ");
    raw(value);
    raw("\r\n");
  }
  void field(std::string_view name, uint64_t value) noexcept;

  [[nodiscard]] bool ok() const noexcept { return !overflow_; }
  [[nodiscard]] size_t size() const noexcept { return used_; }
  [[nodiscard]] std::string_view text() const noexcept { return {memory_.data(), used_}; }

 private:
  std::span<char> memory_;
  size_t used_ = 0;
  bool overflow_ = false;
};

}  // namespace mango::http
