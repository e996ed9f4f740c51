// SPDX-License-Identifier: Apache-2.0
#include "device/server_address.h"

namespace mango::device {

using kernel::AddressChange;
using kernel::Addresses;

std::string DeviceAddress::interface() noexcept {
  if (!interface_.empty()) return interface_;
  std::string found;
  return kernel::find_interface(netlink_, false, found) == MANGO_STATUS_OK ? found : std::string();
}

Addresses DeviceAddress::read() {
  Addresses addresses;
  return kernel::read_addresses(netlink_, interface(), addresses) == MANGO_STATUS_OK ? addresses
                                                                                     : Addresses{};
}

std::string DeviceAddress::ip() {
  const in_addr ip = read().ip;
  return ip.s_addr == 0 ? std::string() : kernel::format_ip(ip);
}

std::string DeviceAddress::subnet() {
  const Addresses addresses = read();
  return addresses.ip.s_addr == 0 ? std::string() : kernel::format_ip(addresses.subnet);
}

std::string DeviceAddress::mac() {
  return kernel::format_mac(read().mac);
}

mango_status_e DeviceAddress::set_interface(const std::string& name) {
  Addresses addresses;
  const mango_status_e status = kernel::read_addresses(netlink_, name, addresses);
  if (status == MANGO_STATUS_NOT_FOUND) return MANGO_STATUS_INVALID_ARGUMENT;
  if (status != MANGO_STATUS_OK) return status;
  interface_ = name;
  return MANGO_STATUS_OK;
}

mango_status_e DeviceAddress::set_ip(const std::string& text) {
  AddressChange wanted;
  return kernel::parse_ip(text, wanted) ? change(wanted) : MANGO_STATUS_INVALID_ARGUMENT;
}

// A mask alone is one for the address that is there.
mango_status_e DeviceAddress::set_subnet(const std::string& text) {
  in_addr subnet{};
  if (!kernel::parse_subnet(text, subnet)) return MANGO_STATUS_INVALID_ARGUMENT;
  const in_addr ip = read().ip;
  if (ip.s_addr == 0) return MANGO_STATUS_ADDRESS_NOT_AVAILABLE;
  return change({ip, subnet, std::nullopt});
}

mango_status_e DeviceAddress::set_mac(const std::string& text) {
  ether_addr mac{};
  if (!kernel::parse_mac(text, mac)) return MANGO_STATUS_INVALID_ARGUMENT;
  return change({std::nullopt, std::nullopt, mac});
}

mango_status_e DeviceAddress::change(const AddressChange& wanted) {
  kernel::SavedAddresses now{interface_, {}};
  mango_status_e status = MANGO_STATUS_OK;
  if (now.interface.empty()) status = kernel::find_interface(netlink_, true, now.interface);
  if (status == MANGO_STATUS_OK) status = kernel::read_addresses(netlink_, now.interface, now.addresses);
  if (status == MANGO_STATUS_OK) status = kernel::write_addresses(netlink_, now.interface, wanted);
  if (status == MANGO_STATUS_OK && !before_) before_ = std::move(now);
  return status;
}

// An address where there was none stays: sessions to come need one.
void DeviceAddress::restore() noexcept {
  if (!before_) return;
  AddressChange back;
  if (before_->addresses.ip.s_addr != 0) {
    back.ip = before_->addresses.ip;
    back.subnet = before_->addresses.subnet;
  }
  const ether_addr none{};
  if (__builtin_memcmp(&before_->addresses.mac, &none, sizeof(none)) != 0) back.mac = before_->addresses.mac;
  (void)kernel::write_addresses(netlink_, before_->interface, back);
  before_.reset();
}

}  // namespace mango::device
