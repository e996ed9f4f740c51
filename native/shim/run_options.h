// SPDX-License-Identifier: Apache-2.0
// The command line of mango-run.
#pragma once

#include <string>

namespace mango::shim {

struct RunOptions {
  std::string engine;  // never empty after reading; the others may be where they do not matter
  std::string ipc;
  std::string device;
  std::string log;
  bool help = false;
  char* const* program = nullptr;  // name and arguments, ended by null
};

extern const char kRunHelp[];

// What the command line leaves open is taken from the environment, else it is the default. False with a
// sentence.
[[nodiscard]] bool read_options(int argc, char* argv[], RunOptions& options, std::string& sentence);

}  // namespace mango::shim
