// SPDX-License-Identifier: Apache-2.0
// Replacing an address. Linux makes a second address of a subnet a secondary one and deletes it together with
// the first, and an interface without any address loses its routes. So: where the subnets differ, add the new
// one and delete the old one; within one subnet hold the new address as a /32 meanwhile.
#include "mango/address.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <array>
#include <charconv>
#include <new>
#include <vector>

#include "mango/status.h"

namespace mango::kernel {
namespace {

constexpr uint8_t kHostPrefix = 32;
constexpr uint8_t kUsualPrefix = 24;
constexpr uint8_t kLongestWithBroadcast = 30;

struct Link {
  int index = 0;
  unsigned flags = 0;
  std::string name;
  ether_addr mac{};
};

struct Ipv4 {
  int index = 0;
  in_addr ip{};
  uint8_t prefix = 0;
};

in_addr mask_of(uint8_t prefix) noexcept {
  return {htonl(prefix == 0 ? 0 : ~uint32_t{0} << (32 - prefix))};
}

uint8_t prefix_of(in_addr mask) noexcept {
  return static_cast<uint8_t>(__builtin_popcount(mask.s_addr));
}

template <class T>
T value_of(const rtattr* attribute) noexcept {
  T value{};
  if (attribute && RTA_PAYLOAD(attribute) >= sizeof(T)) std::memcpy(&value, RTA_DATA(attribute), sizeof(T));
  return value;
}

Link link_of(const nlmsghdr& message) {
  const auto& info = *static_cast<const ifinfomsg*>(NLMSG_DATA(&message));
  Link link{info.ifi_index, info.ifi_flags, {}, {}};
  const rtattr* name = find_attribute(message, sizeof(ifinfomsg), IFLA_IFNAME);
  if (name)
    link.name.assign(static_cast<const char*>(RTA_DATA(name)),
                     strnlen(static_cast<const char*>(RTA_DATA(name)), RTA_PAYLOAD(name)));
  link.mac = value_of<ether_addr>(find_attribute(message, sizeof(ifinfomsg), IFLA_ADDRESS));
  return link;
}

Ipv4 address_of(const nlmsghdr& message) noexcept {
  const auto& info = *static_cast<const ifaddrmsg*>(NLMSG_DATA(&message));
  const rtattr* local = find_attribute(message, sizeof(ifaddrmsg), IFA_LOCAL);
  if (!local) local = find_attribute(message, sizeof(ifaddrmsg), IFA_ADDRESS);
  return {static_cast<int>(info.ifa_index), value_of<in_addr>(local), info.ifa_prefixlen};
}

mango_status_e list_links(Netlink& netlink, std::vector<Link>& links) {
  ifinfomsg body{};
  NetlinkMessage ask(RTM_GETLINK, NLM_F_DUMP, &body, sizeof(body));
  return netlink.request(ask, [&](const nlmsghdr& message) {
    if (message.nlmsg_type == RTM_NEWLINK) links.push_back(link_of(message));
  });
}

// The first address of every interface; secondary ones are left out.
mango_status_e list_addresses(Netlink& netlink, std::vector<Ipv4>& addresses) {
  ifaddrmsg body{};
  body.ifa_family = AF_INET;
  NetlinkMessage ask(RTM_GETADDR, NLM_F_DUMP, &body, sizeof(body));
  return netlink.request(ask, [&](const nlmsghdr& message) {
    const auto& info = *static_cast<const ifaddrmsg*>(NLMSG_DATA(&message));
    const bool ours = message.nlmsg_type == RTM_NEWADDR && info.ifa_family == AF_INET;
    if (ours && !(info.ifa_flags & IFA_F_SECONDARY)) addresses.push_back(address_of(message));
  });
}

const Ipv4* first_of(const std::vector<Ipv4>& addresses, int index) noexcept {
  for (const Ipv4& address : addresses) {
    if (address.index == index) return &address;
  }
  return nullptr;
}

struct Found {
  Link link;
  Ipv4 address;  // prefix 0: none
};

mango_status_e look_up(Netlink& netlink, const std::string& interface, Found& found) {
  std::vector<Link> links;
  std::vector<Ipv4> addresses;
  if (const mango_status_e status = list_links(netlink, links); status != MANGO_STATUS_OK) return status;
  if (const mango_status_e status = list_addresses(netlink, addresses); status != MANGO_STATUS_OK)
    return status;
  for (Link& link : links) {
    if (link.name != interface) continue;
    const Ipv4* address = first_of(addresses, link.index);
    found.address = address ? *address : Ipv4{link.index, {}, 0};
    found.link = std::move(link);
    return MANGO_STATUS_OK;
  }
  return MANGO_STATUS_NOT_FOUND;
}

mango_status_e change_address(Netlink& netlink, bool add, const Ipv4& address) noexcept {
  ifaddrmsg body{};
  body.ifa_family = AF_INET;
  body.ifa_prefixlen = address.prefix;
  body.ifa_index = static_cast<unsigned>(address.index);
  const auto flags = static_cast<uint16_t>(add ? NLM_F_CREATE | NLM_F_EXCL : 0);
  NetlinkMessage message(add ? RTM_NEWADDR : RTM_DELADDR, flags, &body, sizeof(body));
  message.add(IFA_LOCAL, &address.ip, sizeof(address.ip));
  if (add) message.add(IFA_ADDRESS, &address.ip, sizeof(address.ip));
  if (add && address.prefix <= kLongestWithBroadcast) {
    const in_addr broadcast{address.ip.s_addr | ~mask_of(address.prefix).s_addr};
    message.add(IFA_BROADCAST, &broadcast, sizeof(broadcast));
  }
  return netlink.request(message);
}

bool same_subnet(const Ipv4& a, const Ipv4& b) noexcept {
  return a.prefix == b.prefix && ((a.ip.s_addr ^ b.ip.s_addr) & mask_of(a.prefix).s_addr) == 0;
}

// Adds `fresh`, deletes `old` when there is one; when that fails, takes `fresh` away again.
mango_status_e exchange(Netlink& netlink, const Ipv4& old, const Ipv4& fresh) noexcept {
  if (const mango_status_e status = change_address(netlink, true, fresh); status != MANGO_STATUS_OK)
    return status;
  if (old.prefix == 0) return MANGO_STATUS_OK;
  const mango_status_e status = change_address(netlink, false, old);
  if (status != MANGO_STATUS_OK) (void)change_address(netlink, false, fresh);
  return status;
}

mango_status_e replace_address(Netlink& netlink, const Ipv4& old, const Ipv4& fresh) noexcept {
  if (old.prefix == 0 || !same_subnet(old, fresh)) return exchange(netlink, old, fresh);
  if (old.ip.s_addr == fresh.ip.s_addr) return MANGO_STATUS_OK;
  const Ipv4 held{fresh.index, fresh.ip, kHostPrefix};
  if (const mango_status_e status = exchange(netlink, old, held); status != MANGO_STATUS_OK) return status;
  const mango_status_e status = exchange(netlink, held, fresh);
  if (status != MANGO_STATUS_OK) (void)exchange(netlink, held, old);
  return status;
}

mango_status_e set_mac(Netlink& netlink, int index, const ether_addr& mac) noexcept {
  ifinfomsg body{};
  body.ifi_index = index;
  NetlinkMessage message(RTM_SETLINK, 0, &body, sizeof(body));
  message.add(IFLA_ADDRESS, &mac, sizeof(mac));
  return netlink.request(message);
}

bool same_mac(const ether_addr& a, const ether_addr& b) noexcept {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

mango_status_e write_ip(Netlink& netlink, const Ipv4& old, const AddressChange& change) noexcept {
  if (!change.ip && !change.subnet) return MANGO_STATUS_OK;
  if (change.ip && change.ip->s_addr == 0) {
    return old.prefix ? change_address(netlink, false, old) : MANGO_STATUS_OK;
  }
  Ipv4 fresh = old;
  if (change.ip) fresh.ip = *change.ip;
  if (change.subnet) fresh.prefix = prefix_of(*change.subnet);
  if (fresh.prefix == 0) fresh.prefix = kUsualPrefix;
  if (fresh.ip.s_addr == 0) return MANGO_STATUS_INVALID_ARGUMENT;  // a mask of nothing
  return replace_address(netlink, old, fresh);
}

mango_status_e write_found(Netlink& netlink, const Found& found, const AddressChange& change) noexcept {
  if (found.link.flags & IFF_LOOPBACK) return MANGO_STATUS_NOT_SUPPORTED;
  const bool new_mac = change.mac && !same_mac(*change.mac, found.link.mac);
  if (new_mac) {
    const mango_status_e status = set_mac(netlink, found.link.index, *change.mac);
    if (status != MANGO_STATUS_OK) return status;
  }
  const mango_status_e status = write_ip(netlink, found.address, change);
  if (status != MANGO_STATUS_OK && new_mac) (void)set_mac(netlink, found.link.index, found.link.mac);
  return status;
}

bool is_unicast(in_addr ip) noexcept {
  const uint32_t host = ntohl(ip.s_addr);
  return host >> 24 != 0 && host >> 24 != IN_LOOPBACKNET && host < 0xE0000000;
}

bool parse_number(std::string_view text, int base, unsigned& number) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc{} && end == text.data() + text.size();
}

bool parse_dotted(std::string_view text, in_addr& ip) noexcept {
  std::array<char, INET_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size()) return false;
  text.copy(terminated.data(), text.size());
  return inet_pton(AF_INET, terminated.data(), &ip) == 1;
}

bool parse_prefix(std::string_view text, in_addr& subnet) noexcept {
  unsigned prefix = 0;
  if (!parse_number(text, 10, prefix) || prefix < 1 || prefix > 32) return false;
  subnet = mask_of(static_cast<uint8_t>(prefix));
  return true;
}

}  // namespace

mango_status_e find_interface(Netlink& netlink, bool to_set, std::string& interface) noexcept try {
  std::vector<Link> links;
  std::vector<Ipv4> addresses;
  if (const mango_status_e status = list_links(netlink, links); status != MANGO_STATUS_OK) return status;
  if (const mango_status_e status = list_addresses(netlink, addresses); status != MANGO_STATUS_OK)
    return status;
  const Link* chosen = nullptr;
  const auto rank = [&](const Link& link) {
    if (link.flags & IFF_LOOPBACK) return 1;
    if (!(link.flags & IFF_UP)) return 0;
    return first_of(addresses, link.index) ? 3 : to_set ? 2 : 0;
  };
  for (const Link& link : links) {
    if (rank(link) > (chosen ? rank(*chosen) : 0)) chosen = &link;
  }
  if (!chosen) return MANGO_STATUS_NOT_FOUND;
  interface = chosen->name;
  return MANGO_STATUS_OK;
} catch (const std::bad_alloc&) {
  return MANGO_STATUS_NO_MEMORY;
}

mango_status_e read_addresses(Netlink& netlink, const std::string& interface, Addresses& addresses) noexcept
    try {
  Found found;
  if (const mango_status_e status = look_up(netlink, interface, found); status != MANGO_STATUS_OK)
    return status;
  addresses = {found.address.ip, mask_of(found.address.prefix), found.link.mac};
  return MANGO_STATUS_OK;
} catch (const std::bad_alloc&) {
  return MANGO_STATUS_NO_MEMORY;
}

mango_status_e write_addresses(Netlink& netlink, const std::string& interface,
                               const AddressChange& change) noexcept try {
  Found found;
  const mango_status_e status = look_up(netlink, interface, found);
  return status == MANGO_STATUS_OK ? write_found(netlink, found, change) : status;
} catch (const std::bad_alloc&) {
  return MANGO_STATUS_NO_MEMORY;
}

bool parse_ip(std::string_view text, AddressChange& change) noexcept {
  const size_t slash = text.find('/');
  in_addr ip{};
  in_addr subnet{};
  if (!parse_dotted(text.substr(0, slash), ip) || !is_unicast(ip)) return false;
  if (slash != std::string_view::npos && !parse_prefix(text.substr(slash + 1), subnet)) return false;
  change.ip = ip;
  if (slash != std::string_view::npos) change.subnet = subnet;
  return true;
}

bool parse_subnet(std::string_view text, in_addr& subnet) noexcept {
  if (text.find('.') == std::string_view::npos) return parse_prefix(text, subnet);
  in_addr mask{};
  if (!parse_dotted(text, mask) || mask.s_addr == 0) return false;
  if (mask_of(prefix_of(mask)).s_addr != mask.s_addr) return false;
  subnet = mask;
  return true;
}

bool parse_mac(std::string_view text, ether_addr& mac) noexcept {
  ether_addr parsed{};
  for (size_t i = 0; i < ETH_ALEN; ++i) {
    const size_t colon = text.find(':');
    unsigned octet = 0;
    const std::string_view part = text.substr(0, colon);
    if (part.empty() || part.size() > 2 || !parse_number(part, 16, octet)) return false;
    if ((colon == std::string_view::npos) != (i == ETH_ALEN - 1)) return false;
    parsed.ether_addr_octet[i] = static_cast<uint8_t>(octet);
    if (colon != std::string_view::npos) text.remove_prefix(colon + 1);
  }
  if ((parsed.ether_addr_octet[0] & 1) || same_mac(parsed, ether_addr{})) return false;
  mac = parsed;
  return true;
}

std::string format_ip(in_addr ip) {
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &ip, text, sizeof(text)) ? text : "";
}

std::string format_mac(const ether_addr& mac) {
  char text[18];
  const uint8_t* octets = mac.ether_addr_octet;
  std::snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", octets[0], octets[1], octets[2],
                octets[3], octets[4], octets[5]);
  return text;
}

}  // namespace mango::kernel
