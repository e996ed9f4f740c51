// SPDX-License-Identifier: Apache-2.0
#include "proxy/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cstring>
#include <utility>

namespace mango::proxy {

namespace {

using Step = ProxyHeaderReader::Step;

constexpr const char* kMissing = "proxy-protocol-missing";
constexpr const char* kMalformed = "proxy-protocol-malformed";
constexpr const char* kTooLong = "proxy-protocol-too-long";
constexpr const char* kChecksum = "proxy-protocol-checksum";

constexpr std::string_view kPrefix = "PROXY ";
constexpr std::string_view kTcp4 = "PROXY TCP4 ";
constexpr std::string_view kTcp6 = "PROXY TCP6 ";
constexpr std::string_view kUnknown = "PROXY UNKNOWN";
constexpr std::string_view kEnd = "\r\n";
constexpr size_t kShortestVersion1 = kUnknown.size() + kEnd.size();
constexpr size_t kFieldsOfVersion1 = 4;
constexpr size_t kShortestPort = 1;
constexpr size_t kShortestAddress4 = 7;  // 0.0.0.0
constexpr size_t kShortestAddress6 = 2;  // ::

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kFixedBytes = 16;  // signature, version and command, family, length
constexpr uint8_t kVersion2 = 0x20;
constexpr uint8_t kCommandLocal = 0;
constexpr uint8_t kCommandProxy = 1;
constexpr uint8_t kFamilyUnspecified = 0;
constexpr uint8_t kFamilyUnix = 3;
constexpr uint8_t kTransportDatagram = 2;
constexpr uint8_t kTcpOver4 = 0x11;
constexpr uint8_t kTcpOver6 = 0x21;
constexpr std::array<size_t, 4> kAddressBytes = {0, 12, 36, 216};  // by family
constexpr uint8_t kTlvChecksum = 0x03;
constexpr uint8_t kTlvUniqueId = 0x05;
constexpr size_t kTlvHeadBytes = 3;
constexpr size_t kChecksumBytes = 4;

uint8_t byte_at(std::string_view bytes, size_t index) noexcept {
  return static_cast<uint8_t>(bytes[index]);
}

size_t number_at(std::string_view bytes, size_t index) noexcept {
  return size_t{byte_at(bytes, index)} << 8 | byte_at(bytes, index + 1);
}

bool agree(std::string_view a, std::string_view b) noexcept {
  const size_t common = std::min(a.size(), b.size());
  return a.substr(0, common) == b.substr(0, common);
}

// CRC-32C (RFC 3720 section 12.1), reflected; a header is too short for a table to pay.
uint32_t crc32c(uint32_t crc, std::string_view bytes) noexcept {
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0);
  }
  return crc;
}

// --- reading version 1
// --------------------------------------------------------------------------------------

bool parse_address(std::string_view text, bool v6, net::Endpoint& out) noexcept {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos) return false;
  std::copy(text.begin(), text.end(), terminated.begin());
  out = net::Endpoint{};
  if (v6) {
    auto& address = reinterpret_cast<sockaddr_in6&>(out.storage);
    address.sin6_family = AF_INET6;
    out.length = sizeof address;
    return ::inet_pton(AF_INET6, terminated.data(), &address.sin6_addr) == 1;
  }
  auto& address = reinterpret_cast<sockaddr_in&>(out.storage);
  address.sin_family = AF_INET;
  out.length = sizeof address;
  return ::inet_pton(AF_INET, terminated.data(), &address.sin_addr) == 1;
}

bool parse_port(std::string_view text, net::Endpoint& out) noexcept {
  if (text.size() > 1 && text.front() == '0') return false;
  uint16_t port = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || error != std::errc{} || stop != text.data() + text.size()) return false;
  out.set_port(port);
  return true;
}

std::string_view take_field(std::string_view& rest) noexcept {
  const size_t space = std::min(rest.find(' '), rest.size());
  const std::string_view field = rest.substr(0, space);
  rest.remove_prefix(std::min(space + 1, rest.size()));
  return field;
}

// What must still come of "source destination port port CRLF", however short the fields turn out.
size_t least_of_fields(std::string_view fields, size_t shortest_address) noexcept {
  const std::array<size_t, kFieldsOfVersion1> shortest = {shortest_address, shortest_address, kShortestPort,
                                                          kShortestPort};
  const auto begun = static_cast<size_t>(std::count(fields.begin(), fields.end(), ' '));
  if (begun >= kFieldsOfVersion1) return kEnd.size();  // malformed; said at the end of the line
  size_t least = fields.empty() || fields.back() == ' ' ? shortest[begun] : 0;
  for (size_t i = begun + 1; i < kFieldsOfVersion1; ++i) least += 1 + shortest[i];
  return least + kEnd.size();
}

size_t least_of_version1(std::string_view bytes) noexcept {
  if (bytes.size() < kShortestVersion1) return kShortestVersion1 - bytes.size();
  if (bytes.back() == '\r') return 1;
  if (bytes.starts_with(kTcp4)) return least_of_fields(bytes.substr(kTcp4.size()), kShortestAddress4);
  if (bytes.starts_with(kTcp6)) return least_of_fields(bytes.substr(kTcp6.size()), kShortestAddress6);
  return kEnd.size();
}

}  // namespace

bool ProxyHeaderReader::is_version1() const noexcept {
  return agree(bytes_, kPrefix);
}

bool ProxyHeaderReader::is_version2() const noexcept {
  return agree(bytes_, kSignature);
}

size_t ProxyHeaderReader::wanted() const noexcept {
  if (step_ != Step::more) return 0;
  if (bytes_.empty()) return std::min(kShortestVersion1, kFixedBytes);
  if (is_version1())
    return std::min(least_of_version1(bytes_), ProxyHeaderLimits::kVersion1Bytes - bytes_.size());
  if (bytes_.size() < kFixedBytes) return kFixedBytes - bytes_.size();
  return kFixedBytes + number_at(bytes_, 14) - bytes_.size();
}

Step ProxyHeaderReader::feed(std::span<const char> bytes) {
  assert(bytes.size() <= wanted());
  bytes_.append(bytes.data(), bytes.size());
  if (step_ != Step::more || bytes_.empty()) return step_;
  if (is_version1()) return read_version1();
  if (is_version2()) return read_version2();
  return refuse(kMissing);
}

Step ProxyHeaderReader::refuse(const char* reason) noexcept {
  reason_ = reason;
  return step_ = Step::refused;
}

Step ProxyHeaderReader::finish(uint8_t version) noexcept {
  header_.version = version;
  bytes_ = std::string();
  return step_ = Step::done;
}

Step ProxyHeaderReader::read_version1() {
  std::string_view line = bytes_;
  const size_t end = line.find(kEnd);
  if (end == std::string_view::npos)
    return line.size() < ProxyHeaderLimits::kVersion1Bytes ? Step::more : refuse(kTooLong);
  if (end + kEnd.size() != line.size()) return refuse(kMalformed);  // shorter than any header can be
  line = line.substr(0, end);
  // Whatever stands behind UNKNOWN is to be ignored (section 2.1).
  if (line == kUnknown || (line.starts_with(kUnknown) && line[kUnknown.size()] == ' ')) return finish(1);
  const bool v6 = line.starts_with(kTcp6);
  if (!v6 && !line.starts_with(kTcp4)) return refuse(kMalformed);
  std::string_view rest = line.substr(kTcp4.size());
  const std::string_view source = take_field(rest);
  const std::string_view destination = take_field(rest);
  const std::string_view source_port = take_field(rest);
  if (!parse_address(source, v6, header_.source) || !parse_address(destination, v6, header_.destination) ||
      !parse_port(source_port, header_.source) || !parse_port(rest, header_.destination))
    return refuse(kMalformed);
  header_.has_addresses = true;
  return finish(1);
}

// --- reading version 2
// --------------------------------------------------------------------------------------

Step ProxyHeaderReader::read_version2() {
  const std::string_view bytes = bytes_;
  if (bytes.size() < kFixedBytes) return Step::more;
  const auto version = static_cast<uint8_t>(byte_at(bytes, 12) & 0xF0);
  const auto command = static_cast<uint8_t>(byte_at(bytes, 12) & 0x0F);
  const uint8_t family = byte_at(bytes, 13) >> 4;
  const uint8_t transport = byte_at(bytes, 13) & 0x0F;
  if (version != kVersion2 || command > kCommandProxy || family > kFamilyUnix ||
      transport > kTransportDatagram)
    return refuse(kMalformed);
  const size_t length = number_at(bytes, 14);
  if (kFixedBytes + length > ProxyHeaderLimits::kVersion2Bytes) return refuse(kTooLong);
  if (bytes.size() < kFixedBytes + length) return Step::more;
  // Of these the rest is to be skipped, whatever it is (section 2.2).
  if (command == kCommandLocal || family == kFamilyUnspecified) return finish(2);
  const size_t addresses = kAddressBytes[family];
  if (length < addresses) return refuse(kMalformed);
  header_.has_addresses = read_addresses(bytes.substr(kFixedBytes, addresses));
  if (const char* reason = read_tlvs(bytes.substr(kFixedBytes + addresses))) return refuse(reason);
  return finish(2);
}

// False for what is valid, but neither TCP over IPv4 nor over IPv6.
bool ProxyHeaderReader::read_addresses(std::string_view block) {
  const uint8_t family = byte_at(bytes_, 13);
  if (family != kTcpOver4 && family != kTcpOver6) return false;
  const bool v6 = family == kTcpOver6;
  const size_t size = v6 ? sizeof(in6_addr) : sizeof(in_addr);
  const auto read = [&](net::Endpoint& out, size_t address_at, size_t port_at) {
    auto& v4_out = reinterpret_cast<sockaddr_in&>(out.storage);
    auto& v6_out = reinterpret_cast<sockaddr_in6&>(out.storage);
    out.storage.ss_family = v6 ? AF_INET6 : AF_INET;
    out.length = v6 ? sizeof v6_out : sizeof v4_out;
    void* to = v6 ? static_cast<void*>(&v6_out.sin6_addr) : static_cast<void*>(&v4_out.sin_addr);
    std::memcpy(to, block.data() + address_at, size);
    out.set_port(static_cast<uint16_t>(number_at(block, port_at)));
  };
  read(header_.source, 0, 2 * size);
  read(header_.destination, size, 2 * size + 2);
  return true;
}

const char* ProxyHeaderReader::read_tlvs(std::string_view tlvs) {
  bool checked = false;
  bool identified = false;
  while (!tlvs.empty()) {
    if (tlvs.size() < kTlvHeadBytes) return kMalformed;
    const uint8_t type = byte_at(tlvs, 0);
    const size_t length = number_at(tlvs, 1);
    tlvs.remove_prefix(kTlvHeadBytes);
    if (length > tlvs.size()) return kMalformed;
    const std::string_view value = tlvs.substr(0, length);
    tlvs.remove_prefix(length);
    if (type == kTlvChecksum) {
      if (std::exchange(checked, true) || length != kChecksumBytes) return kMalformed;
      if (!checksum_matches(value)) return kChecksum;
    } else if (type == kTlvUniqueId) {
      if (std::exchange(identified, true) || length > ProxyHeaderLimits::kUniqueIdBytes) return kMalformed;
      header_.unique_id = value;
    }
  }
  return nullptr;
}

// Over the whole header, its own value taken as zeros. `value` is a view into it.
bool ProxyHeaderReader::checksum_matches(std::string_view value) const noexcept {
  static constexpr std::string_view kZeros("\0\0\0\0", kChecksumBytes);
  const std::string_view bytes = bytes_;
  const auto at = static_cast<size_t>(value.data() - bytes.data());
  uint32_t crc = crc32c(~0U, bytes.substr(0, at));
  crc = crc32c(crc, kZeros);
  crc = ~crc32c(crc, bytes.substr(at + kChecksumBytes));
  return crc == (static_cast<uint32_t>(number_at(value, 0)) << 16 | number_at(value, 2));
}

// --- writing
// ------------------------------------------------------------------------------------------------

namespace {

// An IP address as a header has it: IPv4-mapped ones are IPv4.
struct WireAddress {
  bool is_ip = false;
  bool v4 = false;
  std::array<uint8_t, sizeof(in6_addr)> bytes{};  // always as IPv6
  uint16_t port = 0;

  explicit WireAddress(const net::Endpoint& endpoint) noexcept : port(endpoint.port()) {
    if (endpoint.storage.ss_family == AF_INET) {
      is_ip = v4 = true;
      bytes[10] = bytes[11] = 0xFF;
      std::memcpy(&bytes[12], &reinterpret_cast<const sockaddr_in&>(endpoint.storage).sin_addr, 4);
    } else if (endpoint.storage.ss_family == AF_INET6) {
      const in6_addr& address = reinterpret_cast<const sockaddr_in6&>(endpoint.storage).sin6_addr;
      is_ip = true;
      v4 = IN6_IS_ADDR_V4MAPPED(&address);
      std::memcpy(bytes.data(), &address, sizeof address);
    }
  }
  [[nodiscard]] std::string_view in(bool as_v4) const noexcept {
    const auto* begin = reinterpret_cast<const char*>(bytes.data());
    return as_v4 ? std::string_view(begin + 12, 4) : std::string_view(begin, bytes.size());
  }
};

// Appends to caller's memory; `fits` says whether it was enough.
class Writer {
 public:
  explicit Writer(std::span<char> out) noexcept : out_(out) {}
  void put(std::string_view bytes) noexcept {
    if (bytes.size() > out_.size() - size_) {
      fits_ = false;
      return;
    }
    std::copy(bytes.begin(), bytes.end(), out_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += bytes.size();
  }
  void put_number(size_t number) noexcept {
    const std::array<char, 2> bytes = {static_cast<char>(number >> 8), static_cast<char>(number & 0xFF)};
    put({bytes.data(), bytes.size()});
  }
  void put_byte(uint8_t byte) noexcept {
    const char value = static_cast<char>(byte);
    put({&value, 1});
  }
  void put_decimal(uint16_t number) noexcept {
    std::array<char, 5> digits{};
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
    put({digits.data(), static_cast<size_t>(end - digits.data())});
  }
  void put_address(const WireAddress& address, bool as_v4) noexcept {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (::inet_ntop(as_v4 ? AF_INET : AF_INET6, address.in(as_v4).data(), text.data(), text.size()) !=
        nullptr)
      put(text.data());
  }
  [[nodiscard]] size_t size() const noexcept { return fits_ ? size_ : 0; }

 private:
  std::span<char> out_;
  size_t size_ = 0;
  bool fits_ = true;
};

}  // namespace

size_t write_proxy_header_v1(const net::Endpoint& source, const net::Endpoint& destination,
                             std::span<char> out) noexcept {
  const WireAddress from(source);
  const WireAddress to(destination);
  const bool v4 = from.v4 && to.v4;
  Writer writer(out);
  if (from.is_ip && to.is_ip) {
    writer.put(v4 ? kTcp4 : kTcp6);
    writer.put_address(from, v4);
    writer.put(" ");
    writer.put_address(to, v4);
    writer.put(" ");
    writer.put_decimal(from.port);
    writer.put(" ");
    writer.put_decimal(to.port);
  } else {
    writer.put(kUnknown);
  }
  writer.put(kEnd);
  return writer.size();
}

size_t write_proxy_header_v2(const net::Endpoint& source, const net::Endpoint& destination,
                             std::string_view unique_id, std::span<char> out) noexcept {
  const WireAddress from(source);
  const WireAddress to(destination);
  const bool known = from.is_ip && to.is_ip;
  const bool v4 = from.v4 && to.v4;
  const std::string_view id = unique_id.substr(0, ProxyHeaderLimits::kUniqueIdBytes);
  Writer writer(out);
  writer.put(kSignature);
  writer.put_byte(kVersion2 | (known ? kCommandProxy : kCommandLocal));
  writer.put_byte(!known ? kFamilyUnspecified : v4 ? kTcpOver4 : kTcpOver6);
  writer.put_number((known ? kAddressBytes[v4 ? 1 : 2] : 0) + (id.empty() ? 0 : kTlvHeadBytes + id.size()));
  if (known) {
    writer.put(from.in(v4));
    writer.put(to.in(v4));
    writer.put_number(from.port);
    writer.put_number(to.port);
  }
  if (!id.empty()) {
    writer.put_byte(kTlvUniqueId);
    writer.put_number(id.size());
    writer.put(id);
  }
  return writer.size();
}

}  // namespace mango::proxy
