// SPDX-License-Identifier: Apache-2.0
// `mango-toed run`: devices behind one or several channels, until a signal.
#pragma once

#include "toed/arguments.h"

namespace mango::toed {

[[nodiscard]] ExitCode run_devices(const Arguments& arguments);

}  // namespace mango::toed
