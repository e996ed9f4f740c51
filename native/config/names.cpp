// SPDX-License-Identifier: Apache-2.0
#include "config/names.h"

#include <algorithm>

namespace mango::config {

namespace {

template <typename Names, typename Enum>
std::string_view name_of(const Names& names, Enum value) noexcept {
  const auto index = static_cast<size_t>(value);
  return index < names.size() ? names[index] : std::string_view{};
}

}  // namespace

std::string_view to_string(Trigger value) noexcept {
  return name_of(kTriggerNames, value);
}
std::string_view to_string(ActionKind value) noexcept {
  return name_of(kActionKindNames, value);
}
std::string_view to_string(ClientAuth value) noexcept {
  return name_of(kClientAuthNames, value);
}
std::string_view to_string(PathModifierType value) noexcept {
  return name_of(kPathModifierNames, value);
}
std::string_view to_string(PathMatchType value) noexcept {
  return name_of(kPathMatchNames, value);
}
std::string_view to_string(NameMatchType value) noexcept {
  return name_of(kNameMatchNames, value);
}
std::string_view to_string(LoadBalancer value) noexcept {
  return name_of(kLoadBalancerNames, value);
}
std::string_view to_string(ListenerMode value) noexcept {
  return name_of(kListenerModeNames, value);
}
std::string_view to_string(UpstreamProtocol value) noexcept {
  return name_of(kUpstreamProtocolNames, value);
}
std::string_view to_string(ProxyProtocol value) noexcept {
  return name_of(kProxyProtocolNames, value);
}
std::string_view to_string(BanBy value) noexcept {
  return name_of(kBanByNames, value);
}

bool parse_action_kind(std::string_view name, ActionKind& out) noexcept {
  const auto found = std::find(kActionKindNames.begin(), kActionKindNames.end(), name);
  if (found == kActionKindNames.end()) return false;
  out = static_cast<ActionKind>(found - kActionKindNames.begin());
  return true;
}

}  // namespace mango::config
