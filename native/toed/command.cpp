// SPDX-License-Identifier: Apache-2.0
#include "toed/command.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace mango::toed {

namespace {

constexpr size_t kMostSaid = 4096;

std::vector<char*> pointers_to(const std::vector<std::string>& argv) {
  std::vector<char*> pointers;
  for (const std::string& word : argv) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// 0 or an errno, as posix_spawn(3). Standard error goes to `errors`.
int spawn_process(pid_t& child, const std::vector<std::string>& argv, int errors) {
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);

  const std::vector<char*> words = pointers_to(argv);
  int error = ::posix_spawnp(&child, words[0], &files, &attributes, words.data(), environ);
  for (const char* folder : {"/usr/sbin/", "/sbin/"}) {
    if (error != ENOENT) break;
    const std::string path = folder + argv[0];
    error = ::posix_spawn(&child, path.c_str(), &files, &attributes, words.data(), environ);
  }
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  return error;
}

std::string read_to_end(int fd) {
  std::string text;
  char piece[512];
  for (;;) {
    const ssize_t got = ::read(fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (text.size() < kMostSaid) text.append(piece, static_cast<size_t>(got));
  }
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

int wait_for(pid_t child) noexcept {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Finished run_command(const std::vector<std::string>& argv) {
  Finished finished;
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) return finished;
  pid_t child = -1;
  const int error = spawn_process(child, argv, pipe_ends[1]);
  ::close(pipe_ends[1]);
  if (error == 0) {
    finished.started = true;
    finished.said = read_to_end(pipe_ends[0]);
    finished.status = wait_for(child);
  }
  ::close(pipe_ends[0]);
  return finished;
}

}  // namespace mango::toed
