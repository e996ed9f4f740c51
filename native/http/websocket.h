// SPDX-License-Identifier: Apache-2.0
// The one thing an intermediary computes for WebSocket (RFC 6455 section 4.2.2): HTTP/2 has no
// Sec-WebSocket-Accept (RFC 8441 section 5), an HTTP/1.1 client insists on it.
#pragma once

#include <array>
#include <string_view>

namespace mango::http {

inline constexpr size_t kWebSocketAcceptBytes = 28;

// The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key.
[[nodiscard]] std::array<char, kWebSocketAcceptBytes> websocket_accept(std::string_view key) noexcept;

}  // namespace mango::http
