// SPDX-License-Identifier: Apache-2.0
#include "proxy/address_set.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>
#include <random>

namespace mango::proxy {
namespace {

Address address(std::string_view text) {
  Address out;
  EXPECT_TRUE(Address::parse(text, out)) << text;
  return out;
}

AddressSet set_of(std::vector<std::string> cidrs) {
  AddressSet set;
  size_t culprit = 0;
  EXPECT_TRUE(set.build(cidrs, culprit)) << culprit;
  return set;
}

TEST(ProxyAddress, ReadsAndWritesBothFamilies) {
  for (const char* text :
       {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1:2:3:4"}) {
    EXPECT_EQ(address(text).text(), text);
  }
  EXPECT_TRUE(address("192.0.2.1").is_v4());
  EXPECT_FALSE(address("::1").is_v4());
}

TEST(ProxyAddress, FoldsMappedAddressesToV4) {
  EXPECT_EQ(address("::ffff:192.0.2.1"), address("192.0.2.1"));
  EXPECT_EQ(address("::FFFF:c000:0201").text(), "192.0.2.1");
}

TEST(ProxyAddress, RefusesWhatIsNoAddress) {
  Address out;
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {""sv, "1.2.3"sv, "1.2.3.4.5"sv, "256.1.1.1"sv, "[::1]"sv, "fe80::1%eth0"sv, "::1 "sv, "name"sv,
        "1.2.3.4\0"sv, "01.2.3.4"sv, ":::"sv}) {
    EXPECT_FALSE(Address::parse(text, out)) << text;
  }
  EXPECT_FALSE(Address::parse(std::string(1000, '1'), out));
}

TEST(ProxyAddress, ReadsSocketAddresses) {
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_addr.s_addr = htonl(0x7f000001);
  Address out;
  ASSERT_TRUE(Address::from_sockaddr(reinterpret_cast<sockaddr*>(&four), sizeof four, out));
  EXPECT_EQ(out.text(), "127.0.0.1");
  EXPECT_FALSE(Address::from_sockaddr(reinterpret_cast<sockaddr*>(&four), sizeof four - 1, out));
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  ASSERT_EQ(inet_pton(AF_INET6, "::ffff:127.0.0.1", &six.sin6_addr), 1);
  ASSERT_TRUE(Address::from_sockaddr(reinterpret_cast<sockaddr*>(&six), sizeof six, out));
  EXPECT_TRUE(out.is_v4());
  sockaddr other{};
  other.sa_family = AF_UNIX;
  EXPECT_FALSE(Address::from_sockaddr(&other, sizeof other, out));
  EXPECT_FALSE(Address::from_sockaddr(nullptr, 0, out));
}

TEST(ProxyAddressSet, HoldsNothingWhenEmpty) {
  EXPECT_TRUE(set_of({}).empty());
  EXPECT_FALSE(set_of({}).contains(address("127.0.0.1")));
}

TEST(ProxyAddressSet, KnowsTheEdgesOfNetworks) {
  const AddressSet set = set_of({"10.0.0.0/8", "192.0.2.7", "2001:db8::/33", "::1/128"});
  for (const char* in :
       {"10.0.0.0", "10.255.255.255", "192.0.2.7", "2001:db8::", "2001:db8:7fff:ffff::1", "::1"}) {
    EXPECT_TRUE(set.contains(address(in))) << in;
  }
  for (const char* out :
       {"9.255.255.255", "11.0.0.0", "192.0.2.6", "192.0.2.8", "2001:db8:8000::", "::2", "::"}) {
    EXPECT_FALSE(set.contains(address(out))) << out;
  }
}

TEST(ProxyAddressSet, KeepsTheFamiliesApart) {
  EXPECT_FALSE(set_of({"::/0"}).contains(address("192.0.2.1")));
  EXPECT_TRUE(set_of({"::/0"}).contains(address("2001:db8::1")));
  EXPECT_FALSE(set_of({"0.0.0.0/0"}).contains(address("::1")));
  EXPECT_TRUE(set_of({"0.0.0.0/0"}).contains(address("::ffff:1.2.3.4")));
  EXPECT_TRUE(set_of({"::ffff:10.0.0.0/104"}).contains(address("10.1.2.3")));
}

TEST(ProxyAddressSet, IgnoresBitsBehindThePrefix) {
  EXPECT_TRUE(set_of({"10.1.2.3/8"}).contains(address("10.200.0.1")));
}

TEST(ProxyAddressSet, NamesTheCulprit) {
  for (const char* bad : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "::/129", "x", "",
                          "::ffff:1.2.3.4/64", "10.0.0.0/ 8"}) {
    AddressSet set;
    size_t culprit = 0;
    EXPECT_FALSE(set.build(std::vector<std::string>{"10.0.0.0/8", bad}, culprit)) << bad;
    EXPECT_EQ(culprit, 1u);
  }
}

TEST(ProxyAddressSet, AgreesWithALinearScanOverOverlappingNetworks) {
  std::mt19937 random(1);
  std::vector<std::string> cidrs;
  std::vector<AddressSet> single;
  for (int i = 0; i < 200; ++i) {
    cidrs.push_back(Address::v4(random() & 0x0fffffff).text() + "/" + std::to_string(8 + random() % 25));
    ASSERT_TRUE(single.emplace_back().build(cidrs.back()));
  }
  const AddressSet all = set_of(cidrs);
  for (int i = 0; i < 20000; ++i) {
    const Address probe = Address::v4(random() & 0x1fffffff);
    const bool expected =
        std::any_of(single.begin(), single.end(), [&](const auto& s) { return s.contains(probe); });
    ASSERT_EQ(all.contains(probe), expected) << probe.text();
  }
}

}  // namespace
}  // namespace mango::proxy
