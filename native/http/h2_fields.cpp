// SPDX-License-Identifier: Apache-2.0
#include "http/h2_fields.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "http/chars.h"
#include "http/h1_lines.h"
#include "http/h2_field_rules.h"

namespace mango::http {

namespace {

std::string_view view(std::span<const char> text) noexcept {
  return {text.data(), text.size()};
}

// Eight octets at a time, for names are most of what there is to do: in each, bit 7 of the sum tells whether
// it is above a bound. Names are ASCII.
uint64_t lower_word(uint64_t word) noexcept {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const uint64_t from_a = (word & 0x7f * kOnes) + (0x80 - 'A') * kOnes;
  const uint64_t beyond_z = (word & 0x7f * kOnes) + (0x80 - 'Z' - 1) * kOnes;
  return word | (from_a & ~beyond_z & ~word & 0x80 * kOnes) >> 2;
}

void lower_octets(const char* from, char* to) noexcept {
  uint64_t word;
  std::memcpy(&word, from, sizeof word);
  word = lower_word(word);
  std::memcpy(to, &word, sizeof word);
}

// Writes the name in lower case; it may stay where it is. The last eight octets may be done in part twice.
void copy_lower(std::string_view name, char* to) noexcept {
  const char* const from = name.data();
  const size_t bytes = name.size();
  if (bytes < 8) {
    for (size_t at = 0; at < bytes; ++at) to[at] = to_lower(from[at]);
    return;
  }
  for (size_t at = 0; at + 8 <= bytes; at += 8) lower_octets(from + at, to + at);
  lower_octets(from + bytes - 8, to + bytes - 8);
}

// What HPACK's table would be filled with in vain.
constexpr uint8_t kNeverTwice = NGHTTP2_NV_FLAG_NO_INDEX;

// A bit for each length of the names that passes() knows, or that HPACK's table should not.
constexpr uint32_t kSpecialLengths = [] {
  uint32_t lengths = 0;
  for (const std::string_view name :
       {"te", "host", "upgrade", "connection", "keep-alive", "x-request-id", "http2-settings",
        "proxy-connection", "transfer-encoding", "sec-websocket-key", "sec-websocket-accept"})
    lengths |= uint32_t{1} << name.size();
  return lengths;
}();

bool may_be_special(size_t name_bytes) noexcept {
  return name_bytes < 32 && (kSpecialLengths >> name_bytes & 1) != 0;
}

std::string_view without_blanks(const char* at, const char* end) noexcept {
  while (at != end && is_blank(*at)) ++at;
  while (at != end && is_blank(end[-1])) --end;
  return {at, static_cast<size_t>(end - at)};
}

}  // namespace

bool take_text_line(std::span<char>& text, std::span<char>& line) noexcept {
  if (text.empty()) return false;
  const auto* const end = static_cast<const char*>(std::memchr(text.data(), '\r', text.size()));
  const size_t bytes = end == nullptr ? text.size() : static_cast<size_t>(end - text.data());
  line = text.first(bytes);
  text = text.subspan(std::min(bytes + 2, text.size()));
  return true;
}

bool H2Fields::push(std::string_view name, std::string_view value, uint8_t flags) noexcept {
  if (count_ == fields_.size()) return false;
  nghttp2_nv& field = fields_[count_++];
  // nghttp2 takes them as mutable and leaves them alone.
  field.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data()));
  field.value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data()));
  field.namelen = name.size();
  field.valuelen = value.size();
  field.flags = flags;
  return true;
}

void H2Fields::lend() noexcept {
  for (size_t i = 0; i < count_; ++i)
    fields_[i].flags |= NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
}

bool H2Fields::passes(FieldId id, std::string_view name, std::string_view value) const noexcept {
  if (is_h2_forbidden(id, value)) return false;
  if (id == FieldId::other)
    return !upgrade_ || (name != "sec-websocket-key" && name != "sec-websocket-accept");
  return id != FieldId::host && id != FieldId::http2_settings;
}

bool H2Fields::read_line(std::span<char> name, std::string_view value) noexcept {
  copy_lower(view(name), name.data());
  uint8_t flags = NGHTTP2_NV_FLAG_NONE;
  if (may_be_special(name.size())) {
    const FieldId id = field_id(view(name));
    if (!passes(id, view(name), value)) return true;
    if (id == FieldId::x_request_id) flags = kNeverTwice;
  }
  return push(view(name), value, flags);
}

bool H2Fields::read_lines(std::span<char> lines) noexcept {
  char* at = lines.data();
  char* const end = at + lines.size();
  while (at != end && *at != '\r') {  // an empty line is the end of a head
    auto* const colon = static_cast<char*>(std::memchr(at, ':', static_cast<size_t>(end - at)));
    if (colon == nullptr) return true;
    const auto* stop = static_cast<const char*>(std::memchr(colon, '\r', static_cast<size_t>(end - colon)));
    if (stop == nullptr) stop = end;
    if (!read_line({at, colon}, without_blanks(colon + 1, stop))) return false;
    at += std::min(stop + 2 - at, end - at);
  }
  return true;
}

bool H2Fields::read_response(std::span<char> head) noexcept {
  std::span<char> line;
  uint64_t status = 0;
  // "HTTP/1.1 200 OK"
  if (!take_text_line(head, line) || line.size() < 12) return false;
  std::string_view digits = view(line.subspan(9, 3));
  if (!read_decimal(digits, 999, status)) return false;
  status_ = static_cast<uint16_t>(status);
  upgrade_ = status_ == 101;
  if (upgrade_) digits = "200";
  return push(":status", digits) && read_lines(head);
}

bool H2Fields::read_request(std::span<char> head, bool secure, bool upgrade) noexcept {
  std::span<char> line;
  if (!take_text_line(head, line)) return false;
  const std::string_view text = view(line);
  const size_t method_bytes = text.find(' ');
  const size_t target_end = text.rfind(' ');
  if (method_bytes == std::string_view::npos || target_end <= method_bytes) return false;
  std::string_view method = text.substr(0, method_bytes);
  const std::string_view target = text.substr(method_bytes + 1, target_end - method_bytes - 1);
  const std::string_view protocol = upgrade ? find_text_field(view(head), "upgrade") : std::string_view();
  upgrade_ = !protocol.empty();
  if (upgrade_) method = "CONNECT";
  const std::string_view authority = find_text_field(view(head), "host");
  if (!push(":method", method) || !push(":scheme", secure ? "https" : "http")) return false;
  if (!authority.empty() && !push(":authority", authority)) return false;
  if (!push(":path", target) || (upgrade_ && !push(":protocol", protocol))) return false;
  return read_lines(head);
}

bool H2Fields::read_trailers(std::span<char> lines) noexcept {
  return read_lines(lines);
}

H2ResponseFields::H2ResponseFields(uint16_t status) noexcept {
  fields_.status_ = status;
  fields_.upgrade_ = status == 101;  // see read_response()
  std::to_chars(scratch_.data(), scratch_.data() + scratch_.size(), fields_.upgrade_ ? 200 : status);
  used_ = 3;
  ok_ = status >= 100 && status <= 999 && fields_.push(":status", {scratch_.data(), used_});
}

void H2ResponseFields::field(std::string_view name, std::string_view value) noexcept {
  if (name.size() > scratch_.size() - used_) {
    ok_ = false;
    return;
  }
  char* const lower = scratch_.data() + used_;
  copy_lower(name, lower);
  used_ += name.size();
  name = {lower, name.size()};
  if (fields_.upgrade_ && name == "sec-websocket-accept") return;
  const uint8_t flags = name == "x-request-id" ? kNeverTwice : uint8_t{NGHTTP2_NV_FLAG_NONE};
  ok_ = fields_.push(name, value, flags) && ok_;
}

void H2ResponseFields::field(std::string_view name, uint64_t value) noexcept {
  char* const digits = scratch_.data() + used_;
  const auto [end, error] = std::to_chars(digits, scratch_.data() + scratch_.size(), value);
  if (error != std::errc()) {
    ok_ = false;
    return;
  }
  used_ += static_cast<size_t>(end - digits);
  field(name, std::string_view(digits, static_cast<size_t>(end - digits)));
}

}  // namespace mango::http
