// SPDX-License-Identifier: Apache-2.0
// Whether a program takes a preloaded library at all. Those that do not run as ever, past the engine, and
// nothing but this would tell.
#pragma once

#include <string>

namespace mango::shim {

// The file that execvp(3) would run; empty when there is none.
[[nodiscard]] std::string find_program(const char* name);
// Why the file at `path` takes no preloaded library; empty when it does, and for scripts, whose interpreter's
// affair that is.
[[nodiscard]] std::string passes_engine_by(const std::string& path);

}  // namespace mango::shim
