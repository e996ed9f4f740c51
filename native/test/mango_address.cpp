// SPDX-License-Identifier: Apache-2.0
// Addresses: parsed and written as text, read and set on interfaces of a namespace of the test's own.
#include "mango/address.h"

#include <arpa/inet.h>
#include <sys/syscall.h>

#include <fstream>
#include <sstream>

#include "mango_support.h"
#include "netns_support.h"

using namespace mango::kernel;
using namespace mango_test;

namespace {

in_addr ip(const char* text) {
  in_addr address{};
  EXPECT_EQ(1, inet_pton(AF_INET, text, &address)) << text;
  return address;
}

AddressChange to(const char* text) {
  AddressChange change;
  EXPECT_TRUE(parse_ip(text, change)) << text;
  return change;
}

Addresses addresses_of(Netlink& netlink, const char* interface) {
  Addresses addresses;
  EXPECT_EQ(MANGO_STATUS_OK, read_addresses(netlink, interface, addresses));
  return addresses;
}

void add_default_route(const char* gateway) {
  Netlink netlink;
  rtmsg body{};
  body.rtm_family = AF_INET;
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_scope = RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_UNICAST;
  NetlinkMessage message(RTM_NEWROUTE, NLM_F_CREATE, &body, sizeof(body));
  const in_addr via = ip(gateway);
  message.add(RTA_GATEWAY, &via, sizeof(via));
  ASSERT_EQ(MANGO_STATUS_OK, netlink.request(message));
}

bool has_default_route() {
  std::ifstream routes("/proc/thread-self/net/route");
  std::string line;
  while (std::getline(routes, line)) {
    std::istringstream fields(line);
    std::string interface;
    std::string destination;
    fields >> interface >> destination;
    if (destination == "00000000") return true;
  }
  return false;
}

// Gives up what root may do; the namespace keeps belonging to nobody we are.
void drop_privileges() {
  ASSERT_EQ(0, syscall(SYS_setresgid, 65534, 65534, 65534));
  ASSERT_EQ(0, syscall(SYS_setresuid, 65534, 65534, 65534));
}

struct Handles {
  mango_context_h context = nullptr;
  mango_tcp_h tcp = nullptr;
  Handles() {
    EXPECT_EQ(MANGO_STATUS_OK, mango_context_create(&context));
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_create(&tcp));
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_set_context(tcp, context));
  }
  [[nodiscard]] std::string address() const {
    const char* text = nullptr;
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_get_ip_address(tcp, &text));
    return text ? text : "";
  }
  [[nodiscard]] mango_status_e finish_reset(bool preserved) const {
    EXPECT_EQ(MANGO_STATUS_IN_PROGRESS, mango_tcp_reset(tcp, preserved));
    return mango_tcp_reset(tcp, preserved);
  }
};

}  // namespace

TEST(MangoAddress, an_ip_is_a_dotted_unicast_address_with_or_without_a_prefix) {
  AddressChange change;
  EXPECT_TRUE(parse_ip("192.0.2.1", change));
  EXPECT_EQ(ip("192.0.2.1").s_addr, change.ip->s_addr);
  EXPECT_FALSE(change.subnet);
  EXPECT_TRUE(parse_ip("192.0.2.1/25", change));
  EXPECT_EQ(ip("255.255.255.128").s_addr, change.subnet->s_addr);
  for (const char* bad : {"", "192.0.2", "192.0.2.256", "192.0.2.1/", "192.0.2.1/0", "192.0.2.1/33",
                          "192.0.2.1/2x", "192.0.2.1 ", "0.0.0.0", "127.0.0.1", "224.0.0.1",
                          "255.255.255.255", "::1", "192.000.002.00000000001"}) {
    AddressChange untouched;
    EXPECT_FALSE(parse_ip(bad, untouched)) << bad;
    EXPECT_FALSE(untouched.ip || untouched.subnet) << bad;
  }
}

TEST(MangoAddress, a_subnet_is_a_mask_or_a_prefix) {
  in_addr subnet{};
  EXPECT_TRUE(parse_subnet("255.255.255.0", subnet));
  EXPECT_EQ("255.255.255.0", format_ip(subnet));
  EXPECT_TRUE(parse_subnet("20", subnet));
  EXPECT_EQ("255.255.240.0", format_ip(subnet));
  for (const char* bad : {"", "0", "33", "-1", "255.0.255.0", "0.0.0.0", "255.255.255", "0.0.0.255"}) {
    EXPECT_FALSE(parse_subnet(bad, subnet)) << bad;
  }
  EXPECT_EQ("255.255.240.0", format_ip(subnet));
}

TEST(MangoAddress, a_mac_is_six_octets_neither_multicast_nor_zero) {
  ether_addr mac{};
  EXPECT_TRUE(parse_mac("02:00:5e:10:0A:1", mac));
  EXPECT_EQ("02:00:5e:10:0a:01", format_mac(mac));
  for (const char* bad :
       {"", "02:00:5e:10:0a", "02:00:5e:10:0a:01:02", "02:00:5e:10:0a:", "02-00-5e-10-0a-01",
        "01:00:5e:00:00:01", "00:00:00:00:00:00", "02:00:5e:10:0a:1g", "02:00:5e:10:0a:100"}) {
    EXPECT_FALSE(parse_mac(bad, mac)) << bad;
  }
}

TEST(MangoAddress, an_address_is_set_replaced_and_taken_away) {
  in_fresh_netns([] {
    Netlink netlink;
    ASSERT_EQ(MANGO_STATUS_OK, make_veth(netlink, "dev0", "far0"));
    EXPECT_EQ("0.0.0.0", format_ip(addresses_of(netlink, "dev0").ip));
    ASSERT_EQ(MANGO_STATUS_OK, write_addresses(netlink, "dev0", to("10.1.0.1")));
    EXPECT_EQ("255.255.255.0", format_ip(addresses_of(netlink, "dev0").subnet));
    for (const char* next : {"10.1.0.2/24", "10.1.0.3/24", "10.1.0.3/24", "10.1.0.3/16", "10.2.0.1/24",
                             "10.2.0.9/32", "10.2.0.9/24", "10.2.0.10/32", "10.2.0.11/32", "172.16.0.1/31"}) {
      const AddressChange change = to(next);
      ASSERT_EQ(MANGO_STATUS_OK, write_addresses(netlink, "dev0", change)) << next;
      const Addresses now = addresses_of(netlink, "dev0");
      EXPECT_EQ(format_ip(*change.ip), format_ip(now.ip)) << next;
      EXPECT_EQ(format_ip(*change.subnet), format_ip(now.subnet)) << next;
    }
    AddressChange none;
    none.ip = in_addr{};
    ASSERT_EQ(MANGO_STATUS_OK, write_addresses(netlink, "dev0", none));
    EXPECT_EQ("0.0.0.0", format_ip(addresses_of(netlink, "dev0").ip)) << "a second address had stayed";
  });
}

TEST(MangoAddress, routes_outlive_the_exchange_of_an_address) {
  in_fresh_netns([] {
    Netlink netlink;
    ASSERT_EQ(MANGO_STATUS_OK, make_veth(netlink, "dev0", "far0"));
    ASSERT_EQ(MANGO_STATUS_OK, write_addresses(netlink, "dev0", to("10.1.0.1/24")));
    add_default_route("10.1.0.254");
    ASSERT_TRUE(has_default_route());
    ASSERT_EQ(MANGO_STATUS_OK, write_addresses(netlink, "dev0", to("10.1.0.2/24")));
    EXPECT_TRUE(has_default_route()) << "within the subnet";
    ASSERT_EQ(MANGO_STATUS_OK, write_addresses(netlink, "dev0", to("10.1.0.2/16")));
    EXPECT_TRUE(has_default_route()) << "another mask";
  });
}

TEST(MangoAddress, a_mac_is_set_and_refused_ones_change_nothing) {
  in_fresh_netns([] {
    Netlink netlink;
    ASSERT_EQ(MANGO_STATUS_OK, make_veth(netlink, "dev0", "far0"));
    AddressChange change = to("10.1.0.1/24");
    change.mac = ether_addr{{2, 0, 0, 0, 0, 9}};
    ASSERT_EQ(MANGO_STATUS_OK, write_addresses(netlink, "dev0", change));
    EXPECT_EQ("02:00:00:00:00:09", format_mac(addresses_of(netlink, "dev0").mac));
    change = to("10.1.0.2/24");
    change.mac = ether_addr{{1, 0, 0, 0, 0, 9}};  // multicast: the kernel says no
    EXPECT_NE(MANGO_STATUS_OK, write_addresses(netlink, "dev0", change));
    EXPECT_EQ("10.1.0.1", format_ip(addresses_of(netlink, "dev0").ip));
    EXPECT_EQ("02:00:00:00:00:09", format_mac(addresses_of(netlink, "dev0").mac));
    change.ip.reset();
    change.subnet.reset();
    change.mac.reset();
    EXPECT_EQ(MANGO_STATUS_OK, write_addresses(netlink, "dev0", change));
    EXPECT_EQ(MANGO_STATUS_NOT_FOUND, write_addresses(netlink, "nobody", to("10.1.0.2")));
    EXPECT_EQ(MANGO_STATUS_NOT_SUPPORTED, write_addresses(netlink, "lo", to("10.1.0.2")));
  });
}

TEST(MangoAddress, the_interface_that_stands_for_the_host_has_an_address) {
  in_fresh_netns([] {
    Netlink netlink;
    std::string interface;
    ASSERT_EQ(MANGO_STATUS_OK, find_interface(netlink, false, interface));
    EXPECT_EQ("lo", interface);
    ASSERT_EQ(MANGO_STATUS_OK, make_veth(netlink, "dev0", "far0"));
    ASSERT_EQ(MANGO_STATUS_OK, find_interface(netlink, false, interface));
    EXPECT_EQ("lo", interface);
    ASSERT_EQ(MANGO_STATUS_OK, find_interface(netlink, true, interface));
    EXPECT_NE("lo", interface);
    ASSERT_EQ(MANGO_STATUS_OK, write_addresses(netlink, "far0", to("10.1.0.1")));
    ASSERT_EQ(MANGO_STATUS_OK, find_interface(netlink, false, interface));
    EXPECT_EQ("far0", interface);
  });
}

TEST(MangoAddress, a_conversation_keeps_its_namespace) {
  in_fresh_netns([] {
    Netlink before;
    ASSERT_EQ(MANGO_STATUS_OK, make_veth(before, "dev0", "far0"));
    ASSERT_EQ(0, unshare(CLONE_NEWNET));
    Netlink after;
    Addresses addresses;
    EXPECT_EQ(MANGO_STATUS_OK, read_addresses(before, "dev0", addresses));
    EXPECT_EQ(MANGO_STATUS_NOT_FOUND, read_addresses(after, "dev0", addresses));
  });
}

TEST(MangoAddress, the_tcp_functions_read_set_and_restore_the_hosts_address) {
  in_fresh_netns([] {
    Netlink netlink;
    ASSERT_EQ(MANGO_STATUS_OK, make_veth(netlink, "dev0", "far0"));
    ASSERT_EQ(MANGO_STATUS_OK, write_addresses(netlink, "dev0", to("10.1.0.1/20")));
    const Addresses original = addresses_of(netlink, "dev0");
    Handles handles;
    EXPECT_EQ("10.1.0.1", handles.address());
    ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_set_address(handles.tcp, "10.1.0.7", "02:00:00:00:00:07"));
    in_addr now{};
    in_addr subnet{};
    ether_addr mac{};
    ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_get_address(handles.tcp, &now, &subnet, &mac));
    EXPECT_EQ("10.1.0.7", format_ip(now));
    EXPECT_EQ("255.255.240.0", format_ip(subnet)) << "kept";
    EXPECT_EQ("02:00:00:00:00:07", format_mac(mac));
    ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_set_address(handles.tcp, "10.1.0.8", nullptr));
    EXPECT_EQ(MANGO_STATUS_OK, handles.finish_reset(true));
    EXPECT_EQ("10.1.0.8", handles.address()) << "preserved";
    EXPECT_EQ(MANGO_STATUS_OK, handles.finish_reset(false));
    EXPECT_EQ("10.1.0.1", handles.address());
    EXPECT_EQ(format_mac(original.mac), format_mac(addresses_of(netlink, "dev0").mac));
  });
}

TEST(MangoAddress, without_the_capability_nothing_is_set) {
  in_fresh_netns([] {
    {
      Netlink netlink;
      ASSERT_EQ(MANGO_STATUS_OK, make_veth(netlink, "dev0", "far0"));
      ASSERT_EQ(MANGO_STATUS_OK, write_addresses(netlink, "dev0", to("10.1.0.1/24")));
    }
    drop_privileges();
    Handles handles;
    EXPECT_EQ(MANGO_STATUS_NOT_PERMITTED, mango_tcp_set_address(handles.tcp, "10.1.0.2", nullptr));
    EXPECT_EQ(MANGO_STATUS_NOT_PERMITTED, mango_tcp_set_address(handles.tcp, nullptr, "02:00:00:00:00:07"));
    EXPECT_EQ("10.1.0.1", handles.address());
  });
}

TEST(MangoAddress, bad_arguments_are_refused_before_anything_is_asked) {
  Handles handles;
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_set_address(handles.tcp, nullptr, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_set_address(handles.tcp, "here", nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_set_address(handles.tcp, "10.0.0.1", "there"));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_get_ip_address(handles.tcp, nullptr));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_get_address(handles.tcp, nullptr, nullptr, nullptr));
  mango_tcp_h bare = nullptr;
  ASSERT_EQ(MANGO_STATUS_OK, mango_tcp_create(&bare));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_get_address(bare, nullptr, nullptr, nullptr));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_tcp_set_address(bare, "10.0.0.1", nullptr));
  EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_destroy(bare));
}
