// SPDX-License-Identifier: Apache-2.0
// Serialises heads into a caller's fixed memory. Overflow is remembered, not fatal: check ok() once at the
// end.
#pragma once

#include <cstring>

#include "http/message.h"

namespace mango::http {

// Takes a head's fields one by one, instead of text. The views live as long as the head that is written.
class FieldSink {
 public:
  virtual void field(std::string_view name, std::string_view value) noexcept = 0;
  virtual void field(std::string_view name, uint64_t value) noexcept = 0;

 protected:
  ~FieldSink() = default;
};

class HeadWriter {
 public:
  explicit HeadWriter(std::span<char> memory) noexcept : memory_(memory) {}
  // What is no field, the start line and the empty one, goes nowhere.
  explicit HeadWriter(FieldSink& sink) noexcept : sink_(&sink) {}

  void raw(std::string_view text) noexcept {
    if (sink_ != nullptr) return;
    if (text.size() > memory_.size() - used_) {
      overflow_ = true;
      return;
    }
    append(memory_.data() + used_, text);
    used_ += text.size();
  }
  void number(uint64_t value) noexcept;  // decimal
  void field(std::string_view name, std::string_view value) noexcept {
    if (sink_ != nullptr) return sink_->field(name, value);
    const size_t bytes = name.size() + value.size() + 4;
    if (bytes > memory_.size() - used_) {
      overflow_ = true;
      return;
    }
    char* at = memory_.data() + used_;
    at = append(append(append(append(at, name), ": "), value), "\r\n");
    used_ += bytes;
  }
  void field(std::string_view name, uint64_t value) noexcept;

  [[nodiscard]] bool ok() const noexcept { return !overflow_; }
  [[nodiscard]] size_t size() const noexcept { return used_; }
  [[nodiscard]] std::string_view text() const noexcept { return {memory_.data(), used_}; }

 private:
  static char* append(char* at, std::string_view text) noexcept {
    if (!text.empty()) std::memcpy(at, text.data(), text.size());
    return at + text.size();
  }

  FieldSink* sink_ = nullptr;
  std::span<char> memory_;
  size_t used_ = 0;
  bool overflow_ = false;
};

}  // namespace mango::http
