// SPDX-License-Identifier: Apache-2.0
// The tables of commands and options, which parsing and --help share: what is not here cannot be typed, and
// what is here is explained.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "toed/arguments.h"
#include "toed/values.h"

namespace mango::toed {

// What was typed, before the devices are put together.
struct Typed {
  Arguments& arguments;
  std::optional<uint64_t> devices;
  std::vector<std::string> netns;
  std::vector<VethOptions> veths;
  std::vector<Network> addresses;
  std::vector<std::string> macs;
};

// Commands as a set of bits.
constexpr unsigned bit_of(Command command) noexcept {
  return 1U << static_cast<unsigned>(command);
}

struct Option {
  std::string_view name;
  std::string_view value;  // empty: a switch
  unsigned commands;
  std::string_view help;
  // False: the value is not one; `wanted` says what is.
  bool (*take)(Typed&, const std::string& value);
  std::string_view wanted;
};
[[nodiscard]] std::span<const Option> all_options() noexcept;

struct CommandFacts {
  std::string_view name;
  Command command;
  size_t least_words;
  size_t most_words;
  std::string_view usage;
  std::string_view help;
};
[[nodiscard]] std::span<const CommandFacts> all_commands() noexcept;

}  // namespace mango::toed
