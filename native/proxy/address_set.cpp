// SPDX-License-Identifier: Apache-2.0
#include "proxy/address_set.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace mango::proxy {

namespace {

constexpr unsigned kMappedPrefix = 96;  // of ::ffff:0:0/96, RFC 4291 section 2.5.5.2

uint64_t load_be(const uint8_t* bytes) noexcept {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value = value << 8 | bytes[i];
  return value;
}

void store_be(uint8_t* bytes, uint64_t value) noexcept {
  for (size_t i = 8; i-- > 0; value >>= 8) bytes[i] = static_cast<uint8_t>(value);
}

bool is_mapped(uint64_t high, uint64_t low) noexcept {
  return high == 0 && low >> 32 == 0xffff;
}

// Ones below the first `prefix` bits of 64.
uint64_t host_mask(unsigned prefix) noexcept {
  if (prefix == 0) return ~uint64_t{0};
  return prefix >= 64 ? 0 : ~uint64_t{0} >> prefix;
}

bool parse_prefix(std::string_view text, unsigned& out) noexcept {
  const char* last = text.data() + text.size();
  const auto [end, status] = std::from_chars(text.data(), last, out);
  return status == std::errc{} && end == last;
}

}  // namespace

Address Address::v6(const std::array<uint8_t, 16>& bytes) noexcept {
  const uint64_t high = load_be(bytes.data());
  const uint64_t low = load_be(bytes.data() + 8);
  if (is_mapped(high, low)) return v4(static_cast<uint32_t>(low));
  return {6, high, low};
}

bool Address::parse(std::string_view text, Address& out) noexcept {
  char copy[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof copy) return false;
  *std::copy(text.begin(), text.end(), copy) = '\0';
  if (std::strlen(copy) != text.size()) return false;
  in_addr four;
  if (inet_pton(AF_INET, copy, &four) == 1) {
    out = v4(ntohl(four.s_addr));
    return true;
  }
  std::array<uint8_t, 16> six;
  if (inet_pton(AF_INET6, copy, six.data()) != 1) return false;
  out = v6(six);
  return true;
}

bool Address::from_sockaddr(const sockaddr* from, size_t length, Address& out) noexcept {
  if (from == nullptr || length < sizeof(sa_family_t)) return false;
  if (from->sa_family == AF_INET && length >= sizeof(sockaddr_in)) {
    sockaddr_in four;
    std::memcpy(&four, from, sizeof four);
    out = v4(ntohl(four.sin_addr.s_addr));
    return true;
  }
  if (from->sa_family != AF_INET6 || length < sizeof(sockaddr_in6)) return false;
  sockaddr_in6 six;
  std::memcpy(&six, from, sizeof six);
  std::array<uint8_t, 16> bytes;
  std::memcpy(bytes.data(), &six.sin6_addr, bytes.size());
  out = v6(bytes);
  return true;
}

std::string_view Address::text(std::span<char, kTextBytes> memory) const noexcept {
  std::array<uint8_t, 16> bytes;
  store_be(bytes.data(), high_);
  store_be(bytes.data() + 8, low_);
  const void* from = is_v4() ? bytes.data() + 12 : bytes.data();
  const char* text = inet_ntop(is_v4() ? AF_INET : AF_INET6, from, memory.data(), memory.size());
  return text == nullptr ? std::string_view{} : std::string_view(text);
}

std::string Address::text() const {
  char memory[kTextBytes];
  return std::string(text(memory));
}

bool AddressSet::parse(std::string_view cidr, Range& out) noexcept {
  const size_t slash = cidr.find('/');
  const std::string_view name = cidr.substr(0, slash);
  Address base;
  if (!Address::parse(name, base)) return false;
  const bool written_v6 = name.find(':') != std::string_view::npos;
  unsigned prefix = written_v6 ? 128 : 32;
  if (slash != std::string_view::npos) {
    const unsigned most = prefix;
    if (!parse_prefix(cidr.substr(slash + 1), prefix) || prefix > most) return false;
  }
  if (base.is_v4()) {
    if (written_v6 && prefix < kMappedPrefix) return false;  // would mix the families
    if (written_v6) prefix -= kMappedPrefix;
    const auto mask = static_cast<uint32_t>(host_mask(prefix + 32));
    const auto value = static_cast<uint32_t>(base.low());
    out = {Address::v4(value & ~mask), Address::v4(value | mask)};
    return true;
  }
  const uint64_t high = host_mask(std::min(prefix, 64u));
  const uint64_t low = host_mask(prefix < 64 ? 0 : prefix - 64);
  std::array<uint8_t, 16> first;
  std::array<uint8_t, 16> last;
  store_be(first.data(), base.high() & ~high);
  store_be(first.data() + 8, base.low() & ~low);
  store_be(last.data(), base.high() | high);
  store_be(last.data() + 8, base.low() | low);
  out = {Address::v6(first), Address::v6(last)};
  return !out.first.is_v4() && !out.last.is_v4();
}

bool AddressSet::build(std::span<const std::string> cidrs, size_t& culprit) {
  std::vector<Range> ranges(cidrs.size());
  for (culprit = 0; culprit < cidrs.size(); ++culprit) {
    if (!parse(cidrs[culprit], ranges[culprit])) return false;
  }
  ranges_ = std::move(ranges);
  merge();
  return true;
}

bool AddressSet::build(std::string_view cidr) {
  Range range;
  if (!parse(cidr, range)) return false;
  ranges_.assign(1, range);
  return true;
}

void AddressSet::merge() {
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  size_t kept = 0;
  for (const Range& range : ranges_) {
    if (kept > 0 && range.first <= ranges_[kept - 1].last) {
      ranges_[kept - 1].last = std::max(ranges_[kept - 1].last, range.last);
    } else {
      ranges_[kept++] = range;
    }
  }
  ranges_.resize(kept);
}

bool AddressSet::contains(const Address& address) const noexcept {
  const auto behind = std::upper_bound(ranges_.begin(), ranges_.end(), address,
                                       [](const Address& a, const Range& range) { return a < range.first; });
  return behind != ranges_.begin() && address <= std::prev(behind)->last;
}

}  // namespace mango::proxy
