// SPDX-License-Identifier: Apache-2.0
// The IPv4 address, subnet mask and MAC address of a network interface: read and set through rtnetlink,
// parsed and written as text. For the tcp functions of the kernel engine, and for a device's configuration.
//
// An address is replaced without a moment in which the interface has none, so that its routes stay
// (address.cpp).
#pragma once

#include <net/ethernet.h>
#include <netinet/in.h>

#include <optional>
#include <string>
#include <string_view>

#include "mango/netlink.h"
#include "typedef.h"

namespace mango::kernel {

struct Addresses {
  in_addr ip{};      // the interface's first; 0.0.0.0: it has none
  in_addr subnet{};  // mask
  ether_addr mac{};  // zero on loopback
};

struct AddressChange {
  std::optional<in_addr> ip;      // 0.0.0.0: none
  std::optional<in_addr> subnet;  // absent: as it was, or /24 where there was none
  std::optional<ether_addr> mac;
};

// What mango_tcp_reset puts back.
struct SavedAddresses {
  std::string interface;
  Addresses addresses;
};

// The interface that stands for this host: the first but loopback that is up and has an IPv4 address, else
// the loopback. With `to_set`, one that is up but has no address yet comes before the loopback. NOT_FOUND:
// none at all.
[[nodiscard]] mango_status_e find_interface(Netlink& netlink, bool to_set, std::string& interface) noexcept;

// NOT_FOUND: no such interface.
[[nodiscard]] mango_status_e read_addresses(Netlink& netlink, const std::string& interface,
                                            Addresses& addresses) noexcept;

// Sets what is there, all or nothing. NOT_FOUND, NOT_PERMITTED (CAP_NET_ADMIN), NOT_SUPPORTED (loopback, or
// the driver keeps its MAC), BUSY (the driver wants the interface down first), INVALID_ARGUMENT.
[[nodiscard]] mango_status_e write_addresses(Netlink& netlink, const std::string& interface,
                                             const AddressChange& change) noexcept;

// "192.0.2.1" or "192.0.2.1/24": a unicast address, into ip and, when given, subnet. False: no such text.
[[nodiscard]] bool parse_ip(std::string_view text, AddressChange& change) noexcept;
// "255.255.255.0" or "24".
[[nodiscard]] bool parse_subnet(std::string_view text, in_addr& subnet) noexcept;
// "02:00:5e:10:00:01": neither multicast nor all zero.
[[nodiscard]] bool parse_mac(std::string_view text, ether_addr& mac) noexcept;
[[nodiscard]] std::string format_ip(in_addr ip);
[[nodiscard]] std::string format_mac(const ether_addr& mac);

}  // namespace mango::kernel
