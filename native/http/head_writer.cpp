// SPDX-License-Identifier: Apache-2.0
#include "http/head_writer.h"

#include <charconv>

namespace mango::http {

namespace {

constexpr size_t kDecimalDigits = 20;  // of 2^64-1

struct Decimal {
  explicit Decimal(uint64_t value) noexcept {
    const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), value);
    size = static_cast<size_t>(result.ptr - digits.data());
  }
  [[nodiscard]] std::string_view text() const noexcept { return {digits.data(), size}; }

  std::array<char, kDecimalDigits> digits;
  size_t size = 0;
};

}  // namespace

void HeadWriter::number(uint64_t value) noexcept {
  raw(Decimal(value).text());
}

void HeadWriter::field(std::string_view name, uint64_t value) noexcept {
  if (sink_ != nullptr) return sink_->field(name, value);
  field(name, Decimal(value).text());
}

}  // namespace mango::http
