// SPDX-License-Identifier: Apache-2.0
#include "shim/process.h"

#include <dirent.h>
#include <pthread.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "libmango.h"
#include "shim/engine.h"
#include "shim/log.h"
#include "shim/real.h"
#include "shim/settings.h"
#include "shim/table.h"

namespace mango::shim {
namespace {

const char* setting(const char* name, const char* otherwise) noexcept {
  const char* value = getenv(name);
  return value && *value ? value : otherwise;
}

Engine& choose_engine() noexcept {
  const std::string_view wanted = setting(kEngineVariable, kKernelEngine);
  if (wanted == kDeviceEngine)
    return device_engine(setting(kIpcVariable, kDefaultIpc), setting(kDeviceVariable, "0"));
  if (wanted != kKernelEngine)
    complain("%s: no such engine, using %s", getenv(kEngineVariable), kKernelEngine);
  return kernel_engine();
}

// Descriptors that were open when this program was executed.
void adopt_inherited() noexcept {
  DIR* folder = opendir("/proc/self/fd");
  if (!folder) return;
  while (const dirent* entry = readdir(folder)) {
    int fd = -1;
    const char* end = entry->d_name + strlen(entry->d_name);
    if (std::from_chars(entry->d_name, end, fd).ptr == end && fd != dirfd(folder)) engine().adopt(fd);
  }
  closedir(folder);
}

void before_fork() noexcept {
  offloaded_before_fork();
}
void after_fork_in_parent() noexcept {
  offloaded_after_fork(false);
}
void after_fork_in_child() noexcept {
  table_set_owner();
  offloaded_after_fork(true);
  engine().forked();
}

void log_sums() noexcept {
  mango_counters_t sums{};
  if (mango_get_counters(&sums, sizeof(sums)) != MANGO_STATUS_OK) return;
  log_line("opened %lu, accepted %lu; received %lu octets in %lu calls, sent %lu in %lu", sums.opened,
           sums.accepted, sums.recv_bytes, sums.recv_calls, sums.send_bytes, sums.send_calls);
}

__attribute__((constructor)) void begin() noexcept {
  const Bypass bypass;
  table_set_owner();
  pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  if (engine().follows_duplicates()) adopt_inherited();
  log_line("%s: engine %s", program_invocation_name, setting(kEngineVariable, kKernelEngine));
}

__attribute__((destructor)) void end() noexcept {
  process_ends();
}

}  // namespace

Engine& engine() noexcept {
  static Engine& chosen = choose_engine();
  return chosen;
}

void process_ends() noexcept {
  if (bypassed() || !table_is_ours()) return;
  const Bypass bypass;
  engine().process_exits();
  log_sums();
}

}  // namespace mango::shim
