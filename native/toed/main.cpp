// SPDX-License-Identifier: Apache-2.0
// mango-toed: the process that owns TCP for others, and the command that asks it how it is. Written on
// libmango's public API alone, as a device's own daemon would be.
#include <cstdio>
#include <string>
#include <vector>

#include "libmango.h"
#include "toed/arguments.h"
#include "toed/daemon.h"
#include "toed/questions.h"

namespace {

using namespace mango::toed;

int end(const Outcome& outcome) {
  if (!outcome) return static_cast<int>(ExitCode::ok);
  std::fprintf(stderr, "mango-toed: %s\n", outcome->sentence.c_str());
  return static_cast<int>(outcome->code);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (const Outcome mistake = parse_arguments({argv + (argc > 0 ? 1 : 0), argv + argc}, arguments))
    return end(mistake);
  switch (arguments.command) {
    case Command::help:
      std::fputs(help_text().c_str(), stdout);
      return 0;
    case Command::version:
      std::printf("mango-toed %s\n", mango_get_version());
      return 0;
    case Command::run:
      return static_cast<int>(run_devices(arguments));
    default:
      return end(ask(arguments));
  }
}
