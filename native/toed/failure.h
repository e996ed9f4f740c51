// SPDX-License-Identifier: Apache-2.0
// Why mango-toed ends: an exit code that scripts can tell apart, and one sentence that says what to do.
#pragma once

#include <optional>
#include <string>

#include "typedef.h"

namespace mango::toed {

// Documented in --help (help.cpp) and in the README.
enum class ExitCode {
  ok = 0,
  failed = 1,   // also: not healthy
  usage = 2,    // also: a value that the device refuses
  address = 3,  // in use, or not this machine's
  not_permitted = 4,
  unreachable = 5,  // no mango-toed answers at that address
  not_found = 6,    // no such device, field or namespace
  missing = 7       // a library or program that this was to be done with is not installed
};

struct Failure {
  ExitCode code = ExitCode::failed;
  std::string sentence;
};
using Outcome = std::optional<Failure>;  // nothing: it went well

[[nodiscard]] inline ExitCode exit_code_of(mango_status_e status) noexcept {
  switch (status) {
    case MANGO_STATUS_OK:
      return ExitCode::ok;
    case MANGO_STATUS_INVALID_ARGUMENT:
      return ExitCode::usage;
    case MANGO_STATUS_ADDRESS_IN_USE:
    case MANGO_STATUS_ADDRESS_NOT_AVAILABLE:
      return ExitCode::address;
    case MANGO_STATUS_NOT_PERMITTED:
    case MANGO_STATUS_ACCESS_DENIED:
      return ExitCode::not_permitted;
    case MANGO_STATUS_IPC_UNAVAILABLE:
      return ExitCode::unreachable;
    case MANGO_STATUS_NOT_FOUND:
      return ExitCode::not_found;
    case MANGO_STATUS_NOT_SUPPORTED:
      return ExitCode::missing;
    default:
      return ExitCode::failed;
  }
}

}  // namespace mango::toed
