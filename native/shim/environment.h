// SPDX-License-Identifier: Apache-2.0
// The environment of a program about to run, made to name this library where it must. On the caller's stack:
// a child of vfork() may not allocate.
#pragma once

#include <alloca.h>

#include <cstddef>

namespace mango::shim {

// How many entries the completed copy of `env` needs, its null included; 0: nothing is missing.
[[nodiscard]] size_t environment_room(char* const env[]) noexcept;
void environment_complete(char* const env[], char** completed) noexcept;

}  // namespace mango::shim

#define MANGO_SHIM_ENVIRONMENT(name, env)                                   \
  char* const* name = env;                                                  \
  if (const size_t room = ::mango::shim::environment_room(env); room > 0) { \
    auto** copy = static_cast<char**>(alloca(room * sizeof(char*)));        \
    ::mango::shim::environment_complete(env, copy);                         \
    name = copy;                                                            \
  }
