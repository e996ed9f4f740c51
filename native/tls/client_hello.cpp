// SPDX-License-Identifier: Apache-2.0
#include "tls/client_hello.h"

#include <algorithm>
#include <utility>

namespace mango::tls {

namespace {

using Step = ClientHelloReader::Step;

constexpr const char* kNotTls = "tls-not-tls";
constexpr const char* kSslv2 = "tls-sslv2-hello";
constexpr const char* kNotAHello = "tls-not-a-client-hello";
constexpr const char* kMalformed = "tls-client-hello-malformed";
constexpr const char* kTooLarge = "tls-client-hello-too-large";
constexpr const char* kBadName = "tls-server-name-invalid";
constexpr const char* kTwoNames = "tls-server-name-duplicate";

constexpr size_t kRecordHeaderBytes = 5;
constexpr size_t kMaxRecordBytes = 16 * 1024;  // RFC 8446 section 5.1
constexpr uint8_t kHandshake = 22;
constexpr uint8_t kMajorVersion = 3;
constexpr size_t kMessageHeaderBytes = 4;
constexpr uint8_t kClientHello = 1;
constexpr size_t kVersionAndRandomBytes = 2 + 32;
constexpr size_t kSessionIdBytes = 32;
constexpr uint16_t kServerName = 0;
constexpr uint16_t kAlpn = 16;
constexpr uint8_t kHostName = 0;
constexpr size_t kLabelBytes = 63;

// Alerts as records: level fatal.
constexpr std::string_view kUnexpectedMessage("\x15\x03\x01\x00\x02\x02\x0a", 7);
constexpr std::string_view kIllegalParameter("\x15\x03\x01\x00\x02\x02\x2f", 7);
constexpr std::string_view kDecodeError("\x15\x03\x01\x00\x02\x02\x32", 7);

// Takes numbers and vectors from the front of what is left; once one is cut short, all that follow are.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) noexcept : rest_(bytes) {}
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }
  [[nodiscard]] size_t size() const noexcept { return rest_.size(); }
  std::string_view bytes(size_t count) noexcept {
    if (count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  size_t number(size_t size) noexcept {
    size_t value = 0;
    for (const char c : bytes(size)) value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }
  std::string_view vector(size_t length_size) noexcept { return bytes(number(length_size)); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

bool is_host_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// A DNS name as text (RFC 1123 section 2.1); the underscore is not allowed and used all the same.
bool is_host_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > ClientHelloLimits::kNameBytes) return false;
  size_t label = 0;
  char before = '.';
  for (const char c : name) {
    const bool edge = before == '.' || c == '.';
    if (c == '.' ? before == '.' || before == '-' : !is_host_char(c) || (edge && c == '-')) return false;
    label = c == '.' ? 0 : label + 1;
    if (label > kLabelBytes) return false;
    before = c;
  }
  return before != '.' && before != '-';
}

// RFC 6066 section 3: literal addresses are not permitted. No top-level domain is numeric (RFC 3696).
bool is_ipv4_literal(std::string_view name) noexcept {
  const size_t dot = name.rfind('.');
  const std::string_view last = name.substr(dot == std::string_view::npos ? 0 : dot + 1);
  return std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

// --- records
// ------------------------------------------------------------------------------------------------

Step ClientHelloReader::read(std::span<const char> bytes) {
  if (step_ != Step::more) return step_;
  if (!read_records({bytes.data(), std::min(bytes.size(), ClientHelloLimits::kWireBytes)})) {
    if (step_ == Step::more && bytes.size() >= ClientHelloLimits::kWireBytes) return refuse(kTooLarge);
    return step_;
  }
  const char* reason = parse();
  message_ = std::string();
  return reason == nullptr ? step_ = Step::done : refuse(reason);
}

Step ClientHelloReader::refuse(const char* reason) noexcept {
  reason_ = reason;
  server_name_.clear();
  protocols_.clear();
  return step_ = Step::refused;
}

// Gathers the message out of its records; true when it is complete. What is wrong is said as early as it
// shows.
bool ClientHelloReader::read_records(std::string_view bytes) {
  while (step_ == Step::more && at_ < bytes.size()) {
    std::string_view rest = bytes.substr(at_);
    if (in_record_ == 0) {
      const char* reason = check_record(rest.substr(0, kRecordHeaderBytes));
      if (reason != nullptr) {
        (void)refuse(reason);
        return false;
      }
      if (rest.size() < kRecordHeaderBytes) return false;
      in_record_ = size_t{static_cast<uint8_t>(rest[3])} << 8 | static_cast<uint8_t>(rest[4]);
      at_ += kRecordHeaderBytes;
      continue;
    }
    const size_t wanted = message_.size() < kMessageHeaderBytes ? kMessageHeaderBytes : message_bytes();
    const std::string_view piece = rest.substr(0, std::min(in_record_, wanted - message_.size()));
    message_.append(piece);
    at_ += piece.size();
    in_record_ -= piece.size();
    if (const char* reason = check_message()) {
      (void)refuse(reason);
      return false;
    }
    if (message_.size() >= kMessageHeaderBytes && message_.size() == message_bytes()) return true;
  }
  return false;
}

// `header` may be cut short.
const char* ClientHelloReader::check_record(std::string_view header) const noexcept {
  const auto at = [&](size_t index) { return static_cast<uint8_t>(header[index]); };
  const bool first = message_.empty();
  if (at(0) != kHandshake) {
    // Of SSLv2: a length with the high bit set, then CLIENT-HELLO (RFC 5246 appendix E.2).
    if (first && (at(0) & 0x80) != 0)
      return header.size() < 3 ? nullptr : at(2) == kClientHello ? kSslv2 : kNotTls;
    return first ? kNotTls : kNotAHello;
  }
  if (header.size() > 1 && at(1) != kMajorVersion) return first ? kNotTls : kMalformed;
  if (header.size() < kRecordHeaderBytes) return nullptr;
  const size_t length = size_t{at(3)} << 8 | at(4);
  // An empty record would let the peer speak without end (RFC 8446 section 5.1 forbids it).
  return length == 0 || length > kMaxRecordBytes ? kMalformed : nullptr;
}

size_t ClientHelloReader::message_bytes() const noexcept {
  Cursor cursor(message_);
  cursor.bytes(1);
  return kMessageHeaderBytes + cursor.number(3);
}

const char* ClientHelloReader::check_message() const noexcept {
  if (static_cast<uint8_t>(message_[0]) != kClientHello) return kNotAHello;
  if (message_.size() < kMessageHeaderBytes) return nullptr;
  return message_bytes() > ClientHelloLimits::kMessageBytes ? kTooLarge : nullptr;
}

// --- the message
// --------------------------------------------------------------------------------------------

const char* ClientHelloReader::parse() {
  Cursor cursor(message_);
  cursor.bytes(kMessageHeaderBytes);
  const size_t version = cursor.number(2);
  cursor.bytes(kVersionAndRandomBytes - 2);
  const size_t session_id = cursor.vector(1).size();
  const size_t suites = cursor.vector(2).size();
  const size_t compressions = cursor.vector(1).size();
  if (!cursor.ok() || version >> 8 != kMajorVersion || session_id > kSessionIdBytes || suites == 0 ||
      suites % 2 != 0 || compressions == 0)
    return kMalformed;
  if (cursor.at_end()) return nullptr;  // no extensions, as before RFC 5246
  const std::string_view extensions = cursor.vector(2);
  return cursor.ok() && cursor.at_end() ? parse_extensions(extensions) : kMalformed;
}

const char* ClientHelloReader::parse_extensions(std::string_view extensions) {
  Cursor cursor(extensions);
  for (size_t count = 0; !cursor.at_end(); ++count) {
    if (count == ClientHelloLimits::kExtensions) return kTooLarge;
    const auto type = static_cast<uint16_t>(cursor.number(2));
    const std::string_view body = cursor.vector(2);
    if (!cursor.ok()) return kMalformed;
    if (const char* reason = parse_extension(type, body)) return reason;
  }
  return nullptr;
}

const char* ClientHelloReader::parse_extension(uint16_t type, std::string_view body) {
  if (type == kServerName) return std::exchange(has_server_name_, true) ? kTwoNames : parse_server_name(body);
  if (type == kAlpn) return std::exchange(has_protocols_, true) ? kMalformed : parse_protocols(body);
  return nullptr;
}

// One name: RFC 6066 section 3 allows only one of each type, and knows one type.
const char* ClientHelloReader::parse_server_name(std::string_view body) {
  Cursor outer(body);
  Cursor list(outer.vector(2));
  if (!outer.ok() || !outer.at_end() || list.at_end()) return kMalformed;
  while (!list.at_end()) {
    const size_t type = list.number(1);
    const std::string_view name = list.vector(2);
    if (!list.ok()) return kMalformed;
    if (type != kHostName) return kBadName;
    if (!server_name_.empty()) return kTwoNames;
    server_name_ = name;
    for (char& c : server_name_) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (server_name_.ends_with('.')) server_name_.pop_back();
    if (!is_host_name(server_name_) || is_ipv4_literal(server_name_)) return kBadName;
  }
  return nullptr;
}

const char* ClientHelloReader::parse_protocols(std::string_view body) {
  Cursor outer(body);
  Cursor list(outer.vector(2));
  if (!outer.ok() || !outer.at_end() || list.at_end()) return kMalformed;
  while (!list.at_end()) {
    const std::string_view protocol = list.vector(1);
    if (!list.ok() || protocol.empty()) return kMalformed;
    if (protocols_.size() < ClientHelloLimits::kProtocols) protocols_.emplace_back(protocol);
  }
  return nullptr;
}

std::string_view ClientHelloReader::alert() const noexcept {
  if (reason_ == kMalformed) return kDecodeError;
  if (reason_ == kNotAHello) return kUnexpectedMessage;
  if (reason_ == kBadName || reason_ == kTwoNames || reason_ == kTooLarge) return kIllegalParameter;
  return {};
}

}  // namespace mango::tls
