// SPDX-License-Identifier: Apache-2.0
// Which socket options a client may set and read on a session's TCP socket. What is absent would give a
// client more than TCP (marks, devices, transparent addresses), would take the socket out of the device's
// hands (upper-layer protocols, repair mode), or is kept by the client itself (timeouts, SO_ERROR).
#pragma once

namespace mango::device {

[[nodiscard]] bool option_may_be_set(int level, int name) noexcept;
[[nodiscard]] bool option_may_be_read(int level, int name) noexcept;

}  // namespace mango::device
