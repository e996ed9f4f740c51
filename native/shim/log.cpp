// SPDX-License-Identifier: Apache-2.0
#include "shim/log.h"

#include <cerrno>
#include <climits>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "shim/real.h"
#include "shim/settings.h"

namespace mango::shim {
namespace {

constexpr size_t kLineBytes = 512;

// As the environment said at the start: programs such as nginx make themselves another one.
constinit char place[PATH_MAX];

__attribute__((constructor)) void keep_place() noexcept {
  if (const char* said = getenv(kLogVariable)) snprintf(place, sizeof(place), "%s", said);
}

// One write for one line, so that lines of several processes do not mix.
void put_line(int fd, const char* format, va_list arguments) noexcept {
  char line[kLineBytes];
  int used = snprintf(line, sizeof(line), "mango[%d]: ", static_cast<int>(getpid()));
  used += vsnprintf(line + used, sizeof(line) - static_cast<size_t>(used) - 1, format, arguments);
  const size_t length =
      used < static_cast<int>(sizeof(line)) - 2 ? static_cast<size_t>(used) : sizeof(line) - 2;
  line[length] = '\n';
  [[maybe_unused]] const ssize_t written = real().write(fd, line, length + 1);
}

}  // namespace

void log_line(const char* format, ...) noexcept {
  if (!place[0]) return;
  const int error = errno;
  const bool to_stderr = std::string_view(place) == kLogToStderr;
  const int fd = to_stderr ? STDERR_FILENO : open(place, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd >= 0) {
    va_list arguments;
    va_start(arguments, format);
    put_line(fd, format, arguments);
    va_end(arguments);
    if (!to_stderr) real().close(fd);
  }
  errno = error;
}

void complain(const char* format, ...) noexcept {
  const int error = errno;
  va_list arguments;
  va_start(arguments, format);
  put_line(STDERR_FILENO, format, arguments);
  va_end(arguments);
  errno = error;
}

}  // namespace mango::shim
