// SPDX-License-Identifier: Apache-2.0
// The words of the snapshot's enumerations, in the order of the enumerators. Internal to native/config.
#pragma once

#include <array>
#include <string_view>

#include "config/document.h"

namespace mango::config {

inline constexpr std::array<std::string_view, kTriggerCount> kTriggerNames{"handshakeTimeout",
                                                                           "handshakeError",
                                                                           "headerTimeout",
                                                                           "bodyTimeout",
                                                                           "minRate",
                                                                           "idle",
                                                                           "maxAge",
                                                                           "maxRequests",
                                                                           "protocolError",
                                                                           "upstreamConnectError",
                                                                           "upstreamReset",
                                                                           "upstreamTimeout",
                                                                           "clientAbort",
                                                                           "rateLimited",
                                                                           "denied",
                                                                           "overload",
                                                                           "drain",
                                                                           "deviceReset"};
inline constexpr std::array<std::string_view, kActionKindCount> kActionKindNames{
    "none", "close", "reset", "abort", "respond", "tarpit", "goaway", "refuseStream"};
inline constexpr std::array<std::string_view, 3> kClientAuthNames{"none", "optional", "require"};
inline constexpr std::array<std::string_view, 2> kPathModifierNames{"ReplaceFullPath", "ReplacePrefixMatch"};
inline constexpr std::array<std::string_view, 3> kPathMatchNames{"Exact", "PathPrefix", "RegularExpression"};
inline constexpr std::array<std::string_view, 2> kNameMatchNames{"Exact", "RegularExpression"};
inline constexpr std::array<std::string_view, 2> kLoadBalancerNames{"RoundRobin", "LeastRequest"};
inline constexpr std::array<std::string_view, 3> kListenerModeNames{"http", "tcp", "tlsPassthrough"};
inline constexpr std::array<std::string_view, 3> kUpstreamProtocolNames{"http1", "http2", "auto"};
inline constexpr std::array<std::string_view, 3> kProxyProtocolNames{"none", "v1", "v2"};
inline constexpr std::array<std::string_view, 3> kBanByNames{"client", "sni", "route"};

}  // namespace mango::config
