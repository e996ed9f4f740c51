// SPDX-License-Identifier: Apache-2.0
// Writes one JSON object on one line, for the access log and for events. What peers sent is escaped: control
// characters, quotes, and bytes that are not UTF-8 (as U+FFFD), so that a line stays a line and stays JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mango::proxy {

class JsonLine {
 public:
  explicit JsonLine(std::string& out) noexcept : out_(out) { out_ += '{'; }
  JsonLine& text(std::string_view name, std::string_view value);
  JsonLine& number(std::string_view name, uint64_t value);
  JsonLine& real(std::string_view name, double value);
  JsonLine& boolean(std::string_view name, bool value);
  // Members already in JSON, e.g. `"a":1,"b":2`; nothing if empty.
  JsonLine& members(std::string_view json);
  void end() { out_ += '}'; }

 private:
  void key(std::string_view name);
  std::string& out_;
  bool first_ = true;
};

// Appends the inside of a JSON string.
void append_escaped(std::string& out, std::string_view value);

}  // namespace mango::proxy
