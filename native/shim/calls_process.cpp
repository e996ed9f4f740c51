// SPDX-License-Identifier: Apache-2.0
// Processes ending and becoming others. What is open at a regular end is to end as by close(), and not as in
// a process that died; exit() comes by the library's destructor (process.cpp).
//
// A descriptor of the device is of use only to a program that has this library. nginx, when it upgrades
// itself, hands its listeners to an environment made from scratch: where such a descriptor would be
// inherited, what names this library is put back in. Programs started without one of ours keep the
// environment they are given.
#include <cerrno>
#include <climits>

#include "shim/environment.h"
#include "shim/interpose.h"
#include "shim/process.h"
#include "shim/real.h"

using namespace mango::shim;

extern "C" {

MANGO_INTERPOSE [[noreturn]] void _exit(int status) {
  process_ends();
  real().exit_now(status);
  __builtin_unreachable();
}

MANGO_INTERPOSE [[noreturn]] void _Exit(int status) noexcept {
  _exit(status);
}

MANGO_INTERPOSE int execve(const char* path, char* const argv[], char* const env[]) noexcept {
  MANGO_SHIM_ENVIRONMENT(completed, env);
  return real().execve(path, argv, completed);
}

MANGO_INTERPOSE int execv(const char* path, char* const argv[]) noexcept {
  return execve(path, argv, environ);
}

MANGO_INTERPOSE int execvpe(const char* file, char* const argv[], char* const env[]) noexcept {
  MANGO_SHIM_ENVIRONMENT(completed, env);
  return real().execvpe(file, argv, completed);
}

MANGO_INTERPOSE int execvp(const char* file, char* const argv[]) noexcept {
  return execvpe(file, argv, environ);
}

MANGO_INTERPOSE int fexecve(int fd, char* const argv[], char* const env[]) noexcept {
  MANGO_SHIM_ENVIRONMENT(completed, env);
  return real().fexecve(fd, argv, completed);
}

MANGO_INTERPOSE int posix_spawn(pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
                                const posix_spawnattr_t* attributes, char* const argv[],
                                char* const env[]) noexcept {
  MANGO_SHIM_ENVIRONMENT(completed, env);
  return real().posix_spawn(pid, path, actions, attributes, argv, completed);
}

MANGO_INTERPOSE int posix_spawnp(pid_t* pid, const char* file, const posix_spawn_file_actions_t* actions,
                                 const posix_spawnattr_t* attributes, char* const argv[],
                                 char* const env[]) noexcept {
  MANGO_SHIM_ENVIRONMENT(completed, env);
  return real().posix_spawnp(pid, file, actions, attributes, argv, completed);
}

}  // extern "C"
