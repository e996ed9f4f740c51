// SPDX-License-Identifier: Apache-2.0
// Messages on standard error, a line each; no time in the text form, since the journal and containers add it.
// Any thread.
#pragma once

#include <string_view>

#include "toed/arguments.h"

namespace mango::toed {

class Log {
 public:
  explicit Log(LogFormat format) noexcept : format_(format) {}

  void info(std::string_view message) const { write("info", message); }
  void warning(std::string_view message) const { write("warning", message); }
  void error(std::string_view message) const { write("error", message); }

  // On standard output: what whoever started us waits for.
  void announce(std::string_view message) const;

 private:
  void write(std::string_view level, std::string_view message) const;

  LogFormat format_;
};

}  // namespace mango::toed
