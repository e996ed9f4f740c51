// SPDX-License-Identifier: Apache-2.0
// The addresses of a tcp handle: of this host's interface on the kernel engine, of the device behind IPC.
#include <arpa/inet.h>

#include <new>

#include "device/client.h"
#include "libmango.h"
#include "mango/tcp.h"

using namespace mango::kernel;

namespace {

using mango::device::Client;

mango_status_e read_host(Addresses& addresses) noexcept {
  Netlink netlink;
  std::string interface;
  const mango_status_e status = find_interface(netlink, false, interface);
  return status == MANGO_STATUS_OK ? read_addresses(netlink, interface, addresses) : status;
}

mango_status_e get_field(Client& device, const char* field, std::string& value) {
  mango::ipc::Request request;
  request.type = MANGO_IPC_MSG_GET_CONFIG;
  request.field = field;
  mango::ipc::Response response;
  const mango_status_e status = device.call(std::move(request), response);
  value = std::move(response.value);
  return status;
}

mango_status_e set_field(Client& device, const char* field, const std::string& value) {
  mango::ipc::Request request;
  request.type = MANGO_IPC_MSG_SET_CONFIG;
  request.field = field;
  request.value = value;
  mango::ipc::Response response;
  return device.call(std::move(request), response);
}

// A device without an address answers with nothing, which stays zero.
mango_status_e read_device(Client& device, Addresses& addresses) {
  std::string text;
  AddressChange ip;
  mango_status_e status = get_field(device, "device.ip", text);
  if (status == MANGO_STATUS_OK) (void)inet_aton(text.c_str(), &addresses.ip);
  if (status == MANGO_STATUS_OK) status = get_field(device, "device.subnet", text);
  if (status == MANGO_STATUS_OK) (void)parse_subnet(text, addresses.subnet);
  if (status == MANGO_STATUS_OK) status = get_field(device, "device.mac", text);
  if (status == MANGO_STATUS_OK) (void)parse_mac(text, addresses.mac);
  return status;
}

mango_status_e read(const Tcp& tcp, Addresses& addresses) noexcept try {
  if (Client* device = tcp.device.load(std::memory_order_acquire)) return read_device(*device, addresses);
  if (!tcp.context.load(std::memory_order_acquire)) return MANGO_STATUS_INVALID_ARGUMENT;
  return read_host(addresses);
} catch (const std::bad_alloc&) {
  return MANGO_STATUS_NO_MEMORY;
}

// Remembers the first change only: that is what a reset goes back to.
void remember(Tcp& tcp, std::unique_ptr<SavedAddresses> before) noexcept {
  std::lock_guard lock(tcp.mutex);
  if (!tcp.before) tcp.before = std::move(before);
}

mango_status_e write_host(Tcp& tcp, const AddressChange& change) {
  Netlink netlink;
  auto before = std::make_unique<SavedAddresses>();
  mango_status_e status = find_interface(netlink, true, before->interface);
  if (status == MANGO_STATUS_OK) status = read_addresses(netlink, before->interface, before->addresses);
  if (status == MANGO_STATUS_OK) status = write_addresses(netlink, before->interface, change);
  if (status == MANGO_STATUS_OK) remember(tcp, std::move(before));
  return status;
}

// Both or neither: a MAC that was set goes back when the address is refused.
mango_status_e write_device(Client& device, const char* ipaddr, const char* macaddr) {
  std::string old_mac;
  mango_status_e status = MANGO_STATUS_OK;
  if (macaddr) status = get_field(device, "device.mac", old_mac);
  if (macaddr && status == MANGO_STATUS_OK) status = set_field(device, "device.mac", macaddr);
  if (status != MANGO_STATUS_OK || !ipaddr) return status;
  status = set_field(device, "device.ip", ipaddr);
  if (status != MANGO_STATUS_OK && macaddr) (void)set_field(device, "device.mac", old_mac);
  return status;
}

bool parse(const char* ipaddr, const char* macaddr, AddressChange& change) noexcept {
  if (!ipaddr && !macaddr) return false;
  if (ipaddr && !parse_ip(ipaddr, change)) return false;
  ether_addr mac{};
  if (macaddr && !parse_mac(macaddr, mac)) return false;
  if (macaddr) change.mac = mac;
  return true;
}

}  // namespace

extern "C" {

mango_status_e mango_tcp_get_address(mango_tcp_h tcp, struct in_addr* ipaddr, struct in_addr* subnet,
                                     struct ether_addr* macaddr) {
  const Tcp* found = tcps().find(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  Addresses addresses;
  const mango_status_e status = read(*found, addresses);
  if (status != MANGO_STATUS_OK) return status;
  if (ipaddr) *ipaddr = addresses.ip;
  if (subnet) *subnet = addresses.subnet;
  if (macaddr) *macaddr = addresses.mac;
  return MANGO_STATUS_OK;
}

mango_status_e mango_tcp_get_ip_address(mango_tcp_h tcp, const char** ipaddr) {
  const Tcp* found = tcps().find(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  if (!ipaddr) return MANGO_STATUS_INVALID_ARGUMENT;
  thread_local char text[INET_ADDRSTRLEN];
  Addresses addresses;
  const mango_status_e status = read(*found, addresses);
  if (status != MANGO_STATUS_OK) return status;
  *ipaddr = inet_ntop(AF_INET, &addresses.ip, text, sizeof(text));
  return MANGO_STATUS_OK;
}

mango_status_e mango_tcp_set_address(mango_tcp_h tcp, const char* ipaddr, const char* macaddr) try {
  Tcp* found = tcps().find(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  AddressChange change;
  if (!parse(ipaddr, macaddr, change)) return MANGO_STATUS_INVALID_ARGUMENT;
  if (Client* device = found->device.load(std::memory_order_acquire)) {
    return write_device(*device, ipaddr, macaddr);
  }
  if (!found->context.load(std::memory_order_acquire)) return MANGO_STATUS_INVALID_ARGUMENT;
  return write_host(*found, change);
} catch (const std::bad_alloc&) {
  return MANGO_STATUS_NO_MEMORY;
}

}  // extern "C"
