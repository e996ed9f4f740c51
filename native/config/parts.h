// SPDX-License-Identifier: Apache-2.0
// Readers of the snapshot's larger parts, a file each. They check what a part can know about itself; what one
// part says of another is checked in document.cpp, when all is there. Internal to native/config.
#pragma once

#include "config/json_reader.h"

namespace mango::config {

inline constexpr uint32_t kMaxWeight = 1'000'000;
// RFC 9113 section 6.9.2: a connection's window starts with 65,535 bytes and cannot be made smaller.
inline constexpr uint32_t kMinWindowBytes = 65'535;
inline constexpr uint32_t kMaxWindowBytes = 0x7fff'ffff;
inline constexpr uint32_t kMaxStreams = 1000;

[[nodiscard]] bool read_listener(const Node& node, Listener& out);
[[nodiscard]] bool read_route(const Node& node, Route& out);
[[nodiscard]] bool read_upstream(const Node& node, Upstream& out);

[[nodiscard]] bool read_index(const Node& node, uint32_t& out);
[[nodiscard]] bool read_tls_version(const Node& node, uint16_t& out);

}  // namespace mango::config
