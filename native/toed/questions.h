// SPDX-License-Identifier: Apache-2.0
// The commands that ask a running mango-toed: status, get, set, reset, health.
#pragma once

#include "toed/arguments.h"

namespace mango::toed {

[[nodiscard]] Outcome ask(const Arguments& arguments);

}  // namespace mango::toed
