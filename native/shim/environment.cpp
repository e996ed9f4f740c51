// SPDX-License-Identifier: Apache-2.0
#include "shim/environment.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "shim/engine.h"
#include "shim/real.h"
#include "shim/settings.h"
#include "shim/table.h"

namespace mango::shim {
namespace {

constexpr size_t kVariableBytes = 1024;
constexpr size_t kVariableCount = sizeof(kVariables) / sizeof(kVariables[0]) + 1;

// "NAME=value" as this process was started with; empty: not set.
constinit char kept[kVariableCount][kVariableBytes];

void keep(size_t place, const char* name) noexcept {
  const char* value = getenv(name);
  if (!value) return;
  const int length = snprintf(kept[place], kVariableBytes, "%s=%s", name, value);
  if (length >= static_cast<int>(kVariableBytes)) kept[place][0] = 0;
}

// Before the program's main() rewrites its environment.
__attribute__((constructor)) void keep_variables() noexcept {
  keep(0, kPreloadVariable);
  for (size_t i = 1; i < kVariableCount; ++i) keep(i, kVariables[i - 1]);
}

bool same_name(const char* one, const char* other) noexcept {
  const size_t length = strcspn(one, "=") + 1;
  return strncmp(one, other, length) == 0;
}

bool names(char* const env[], const char* variable) noexcept {
  for (; *env; ++env) {
    if (same_name(variable, *env)) return true;
  }
  return false;
}

bool hands_a_session_on() noexcept {
  if (!engine().follows_duplicates()) return false;
  for (int fd = 0; fd < table_end(); ++fd) {
    if (!table_has(fd)) continue;
    const int flags = real().fcntl(fd, F_GETFD);
    if (flags >= 0 && !(flags & FD_CLOEXEC)) return true;
  }
  return false;
}

}  // namespace

size_t environment_room(char* const env[]) noexcept {
  if (bypassed() || !env || !kept[0][0] || table_end() == 0 || names(env, kept[0])) return 0;
  if (!hands_a_session_on()) return 0;
  size_t given = 0;
  while (env[given]) ++given;
  return given + kVariableCount + 1;
}

void environment_complete(char* const env[], char** completed) noexcept {
  size_t used = 0;
  for (; *env; ++env) completed[used++] = *env;
  completed[used] = nullptr;
  for (char* variable : {kept[0], kept[1], kept[2], kept[3], kept[4]}) {
    if (!*variable || names(completed, variable)) continue;
    completed[used++] = variable;
    completed[used] = nullptr;
  }
}

}  // namespace mango::shim
