// SPDX-License-Identifier: Apache-2.0
// Lines for the person who runs a program under the shim. The file is opened for every line: programs that
// close all descriptors at start, as daemons do, would close a kept one.
#pragma once

namespace mango::shim {

// Only with MANGO_LOG.
void log_line(const char* format, ...) noexcept __attribute__((format(printf, 1, 2)));
// On standard error, whatever MANGO_LOG says.
void complain(const char* format, ...) noexcept __attribute__((format(printf, 1, 2)));

}  // namespace mango::shim
