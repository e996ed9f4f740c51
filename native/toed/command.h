// SPDX-License-Identifier: Apache-2.0
// Runs another program to its end.
#pragma once

#include <string>
#include <vector>

namespace mango::toed {

struct Finished {
  bool started = false;  // false: there is no such program, or no process to be had
  int status = 0;        // its exit status; 128 + signal if one ended it
  std::string said;      // the first octets of its standard error, without the last newline
};
// Found by PATH, else in /usr/sbin and /sbin. With no signals blocked and nothing on standard input.
[[nodiscard]] Finished run_command(const std::vector<std::string>& argv);

}  // namespace mango::toed
