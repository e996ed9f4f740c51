// SPDX-License-Identifier: Apache-2.0
// IP addresses as values, and sets of networks with fast membership: trusted proxies, allow and deny lists,
// selectors, bans.
//
// An IPv4-mapped IPv6 address *is* its IPv4 address here, so a dual-stack listener and an IPv4 one agree
// about a client; accordingly "::/0" is every IPv6 address and holds no IPv4 one. Sets are sorted disjoint
// ranges: a lookup is one binary search, whatever the mix of prefix lengths (a trie would be faster only past
// ~10,000).
#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mango::proxy {

class Address {
 public:
  static constexpr size_t kTextBytes = 46;  // the longest text, with its terminating NUL

  constexpr Address() noexcept = default;  // 0.0.0.0
  [[nodiscard]] static constexpr Address v4(uint32_t value) noexcept { return {4, 0, value}; }
  [[nodiscard]] static Address v6(const std::array<uint8_t, 16>& bytes) noexcept;

  // Strict text without brackets, port or zone.
  [[nodiscard]] static bool parse(std::string_view text, Address& out) noexcept;
  // False for any family but AF_INET and AF_INET6.
  [[nodiscard]] static bool from_sockaddr(const sockaddr* from, size_t length, Address& out) noexcept;

  [[nodiscard]] bool is_v4() const noexcept { return family_ == 4; }
  // The address as a number: IPv4 in the low half.
  [[nodiscard]] uint64_t high() const noexcept { return high_; }
  [[nodiscard]] uint64_t low() const noexcept { return low_; }
  // Canonical text (RFC 5952) into the caller's memory.
  [[nodiscard]] std::string_view text(std::span<char, kTextBytes> memory) const noexcept;
  [[nodiscard]] std::string text() const;

  auto operator<=>(const Address&) const noexcept = default;

 private:
  constexpr Address(uint64_t family, uint64_t high, uint64_t low) noexcept
      : family_(family), high_(high), low_(low) {}
  uint64_t family_ = 4;  // first: orders all IPv4 before all IPv6
  uint64_t high_ = 0;
  uint64_t low_ = 0;
};

class AddressSet {
 public:
  // Takes "10.0.0.0/8", "2001:db8::/32" or single addresses; bits behind the prefix are ignored. False, with
  // the index of the culprit, if one is neither.
  [[nodiscard]] bool build(std::span<const std::string> cidrs, size_t& culprit);
  // One text, for selectors.
  [[nodiscard]] bool build(std::string_view cidr);

  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }
  [[nodiscard]] bool contains(const Address& address) const noexcept;

 private:
  struct Range {
    Address first;
    Address last;
  };
  [[nodiscard]] static bool parse(std::string_view cidr, Range& out) noexcept;
  void merge();

  std::vector<Range> ranges_;  // sorted, disjoint
};

}  // namespace mango::proxy
