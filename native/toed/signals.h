// SPDX-License-Identifier: Apache-2.0
// SIGTERM and SIGINT end the program in order, a second one at once; SIGHUP changes nothing. Taken by a
// thread of their own with sigwait(3), so that no code of ours or of a library runs inside a signal handler.
#pragma once

#include <functional>

#include "toed/log.h"

namespace mango::toed {

// Before any thread is started: threads inherit what is blocked.
void block_signals() noexcept;

// Starts the thread, which lives as long as the process.
void watch_signals(const Log& log);

// `stop` is called once, on that thread or, if the signal came already, here and now. Later calls replace it.
void on_stop(std::function<void()> stop);

}  // namespace mango::toed
