// SPDX-License-Identifier: Apache-2.0
// A device's own address, subnet and MAC: those of one interface in its network namespace. Made and used on
// the device's thread, which is in that namespace.
#pragma once

#include <optional>
#include <string>

#include "mango/address.h"

namespace mango::device {

class DeviceAddress {
 public:
  // Empty where there is none.
  [[nodiscard]] std::string interface() noexcept;
  [[nodiscard]] std::string ip();
  [[nodiscard]] std::string subnet();
  [[nodiscard]] std::string mac();

  [[nodiscard]] mango_status_e set_interface(const std::string& name);
  [[nodiscard]] mango_status_e set_ip(const std::string& text);
  [[nodiscard]] mango_status_e set_subnet(const std::string& text);
  [[nodiscard]] mango_status_e set_mac(const std::string& text);
  // What it was before the first change.
  void restore() noexcept;

 private:
  [[nodiscard]] kernel::Addresses read();
  [[nodiscard]] mango_status_e change(const kernel::AddressChange& wanted);

  kernel::Netlink netlink_;
  std::string interface_;  // as chosen; empty: the one that stands for the namespace
  std::optional<kernel::SavedAddresses> before_;
};

}  // namespace mango::device
