// SPDX-License-Identifier: Apache-2.0
// Where libmango-preload.so is: beside mango-run, as built, or in a library folder beside its folder, as
// installed.
#pragma once

#include <string>

namespace mango::shim {

// An absolute path; empty when it is not there.
[[nodiscard]] std::string find_library();

}  // namespace mango::shim
