// SPDX-License-Identifier: Apache-2.0
// Values as people type them on the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mango::toed {

[[nodiscard]] std::optional<uint64_t> parse_number(std::string_view text) noexcept;

// "131072", "128K", "128KiB", "1M", "1MiB": octets.
[[nodiscard]] std::optional<uint64_t> parse_size(std::string_view text) noexcept;

// "10.9.0.2/24". IPv4, the API's device addresses being in_addr; 1 <= prefix <= 31.
struct Network {
  std::string address;
  int prefix = 0;
};
[[nodiscard]] std::optional<Network> parse_network(std::string_view text);
[[nodiscard]] bool is_ipv4(const std::string& text) noexcept;
[[nodiscard]] bool same_network(const std::string& a, const std::string& b, int prefix) noexcept;
[[nodiscard]] std::string subnet_mask(int prefix);

// Six pairs of hex digits; not a group address, not all zeros.
[[nodiscard]] bool is_mac(std::string_view text) noexcept;

// The name of a namespace to be entered: no path, nothing that `ip netns` would refuse.
[[nodiscard]] bool is_netns_name(std::string_view text) noexcept;

[[nodiscard]] std::vector<std::string> split(std::string_view text, char separator);

// As a JSON string, quotes included.
[[nodiscard]] std::string json_quoted(std::string_view text);

}  // namespace mango::toed
