// SPDX-License-Identifier: Apache-2.0
#include "toed/log.h"

#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <string>

#include "toed/values.h"

namespace mango::toed {

namespace {

std::string now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  tm parts{};
  ::gmtime_r(&time.tv_sec, &parts);
  char text[64];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + length, sizeof text - length, ".%03ldZ", time.tv_nsec / 1'000'000);
  return text;
}

std::string line_of(LogFormat format, std::string_view level, std::string_view message) {
  if (format == LogFormat::text) return "mango-toed: " + std::string(message) + '\n';
  return R"({"time":")" + now() + R"(","level":")" + std::string(level) + R"(","message":)" +
         json_quoted(message) + "}\n";
}

// One write per line, so that lines of threads do not mix. Nobody listening is no reason to fail.
void write_line(int fd, const std::string& line) noexcept {
  if (::write(fd, line.data(), line.size()) < 0) return;
}

}  // namespace

void Log::announce(std::string_view message) const {
  write_line(STDOUT_FILENO, line_of(format_, "info", message));
}

void Log::write(std::string_view level, std::string_view message) const {
  write_line(STDERR_FILENO, line_of(format_, level, message));
}

}  // namespace mango::toed
