// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/un.h>

#include "net/stream.h"

namespace mango::net {
namespace {

TEST(Endpoint, ReadsWhatItWrites) {
  for (const std::string text :
       {"127.0.0.1:80", "0.0.0.0:0", "[::1]:65535", "[2001:db8::7]:443", "unix:/run/app.sock"}) {
    Endpoint endpoint;
    ASSERT_TRUE(Endpoint::parse(text, endpoint)) << text;
    EXPECT_EQ(text, endpoint.to_string());
  }
}

TEST(Endpoint, TellsItsParts) {
  Endpoint endpoint;
  ASSERT_TRUE(Endpoint::parse("[::1]:443", endpoint));
  EXPECT_EQ("::1", endpoint.address());
  EXPECT_EQ(443, endpoint.port());
  endpoint.set_port(8443);
  EXPECT_EQ("[::1]:8443", endpoint.to_string());
  EXPECT_FALSE(endpoint.is_unix());
  ASSERT_TRUE(Endpoint::parse("unix:a", endpoint));
  EXPECT_TRUE(endpoint.is_unix());
  EXPECT_EQ(0, endpoint.port());
}

TEST(Endpoint, ShowsAMappedAddressAsIpv4) {
  Endpoint endpoint;
  ASSERT_TRUE(Endpoint::parse("[::ffff:192.0.2.1]:80", endpoint));
  EXPECT_EQ("192.0.2.1", endpoint.address());
}

TEST(Endpoint, RefusesWhatIsNoAddress) {
  Endpoint endpoint;
  for (const std::string text : {"", ":", "80", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:65536",
                                 "127.0.0.1:-1", "127.0.0.1:80 ", " 127.0.0.1:80", "127.0.0.1:0x50",
                                 "127.0.0:80", "localhost:80", "[::1:80", "[]:80", "unix:", "[1::2::3]:1"})
    EXPECT_FALSE(Endpoint::parse(text, endpoint)) << text;
  EXPECT_FALSE(Endpoint::parse("unix:" + std::string(sizeof(sockaddr_un::sun_path), 'x'), endpoint));
  EXPECT_TRUE(Endpoint::parse("unix:" + std::string(sizeof(sockaddr_un::sun_path) - 1, 'x'), endpoint));
}

}  // namespace
}  // namespace mango::net
