// SPDX-License-Identifier: Apache-2.0
// Tells the service manager how we are (sd_notify(3)): one datagram to the socket named by NOTIFY_SOCKET,
// which does not justify libsystemd.
#pragma once

#include <string_view>

namespace mango::toed {

// state: "READY=1", "STOPPING=1", "STATUS=..."; several separated by newlines. Nothing happens without a
// manager.
void notify_manager(std::string_view state) noexcept;

}  // namespace mango::toed
