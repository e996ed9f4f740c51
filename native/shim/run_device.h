// SPDX-License-Identifier: Apache-2.0
// Asking the device before a program is started on it: better one sentence here than a program that cannot
// make sockets.
#pragma once

#include <string>

namespace mango::shim {

// False with a sentence.
[[nodiscard]] bool device_answers(const std::string& ipc, const std::string& device, std::string& sentence);

}  // namespace mango::shim
