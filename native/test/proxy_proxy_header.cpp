// SPDX-License-Identifier: Apache-2.0
#include "proxy/proxy_header.h"

#include <gtest/gtest.h>

#include <array>

namespace mango::proxy {
namespace {

using Step = ProxyHeaderReader::Step;

const std::string kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
const std::string kAddresses4("\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x01\xbb", 12);
const std::string kText4 = "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n";

std::string number(size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xFF)};
}
std::string tlv(uint8_t type, const std::string& value) {
  return std::string(1, static_cast<char>(type)) + number(value.size()) + value;
}
std::string version2(uint8_t command, uint8_t family, const std::string& body) {
  return kSignature + static_cast<char>(command) + static_cast<char>(family) + number(body.size()) + body;
}

// Reads `text`, of which `piece` bytes at most come at once; what was not asked for stays in `left`.
struct Read {
  explicit Read(const std::string& text, size_t piece = 1 << 16) : left(text) {
    while (step == Step::more && !left.empty()) {
      EXPECT_GT(reader.wanted(), 0U);
      const size_t size = std::min({reader.wanted(), piece, left.size()});
      step = reader.feed(std::span(left).first(size));
      left.erase(0, size);
    }
    EXPECT_EQ(step == Step::more, reader.wanted() != 0);
  }
  [[nodiscard]] std::string addresses() const {
    const ProxyHeader& header = reader.header();
    if (step == Step::refused) return reader.reason();
    if (step == Step::more) return "more";
    return header.has_addresses ? header.source.to_string() + " " + header.destination.to_string()
                                : "unknown";
  }
  ProxyHeaderReader reader;
  Step step = Step::more;
  std::string left;
};

std::string read(const std::string& text) {
  const std::string whole = Read(text).addresses();
  for (const size_t piece : {1, 3, 15, 16}) EXPECT_EQ(whole, Read(text, piece).addresses()) << text;
  return whole;
}

// --- version 1
// ----------------------------------------------------------------------------------------------

TEST(ProxyHeader, ReadsVersion1) {
  EXPECT_EQ("192.0.2.1:12345 198.51.100.2:443", read(kText4));
  EXPECT_EQ("[2001:db8::1]:1 [::1]:65535", read("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"));
  EXPECT_EQ("[::]:0 [::]:0", read("PROXY TCP6 :: :: 0 0\r\n"));
  EXPECT_EQ("0.0.0.0:0 0.0.0.0:0", read("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"));
  EXPECT_EQ("unknown", read("PROXY UNKNOWN\r\n"));
  EXPECT_EQ("unknown", read("PROXY UNKNOWN whatever \n 1 2 3 4 5\r\n"));
  EXPECT_EQ("unknown", read("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"));
  const std::string longest = "2001:db80:1234:5678:9abc:def0:1234:5678";
  EXPECT_EQ("[" + longest + "]:65535 [" + longest + "]:65535",
            read("PROXY TCP6 " + longest + " " + longest + " 65535 65535\r\n"));
}

TEST(ProxyHeader, TakesNothingBehindTheHeader) {
  const std::string hello("\x16\x03\x01\x02\x00\x01", 6);
  for (const std::string& header :
       {kText4, std::string("PROXY UNKNOWN\r\n"), std::string("PROXY UNKNOWN x\r\n"),
        std::string("PROXY TCP6 :: :: 0 0\r\n"), version2(0x21, 0x11, kAddresses4), version2(0x20, 0, ""),
        version2(0x21, 0x11, kAddresses4 + tlv(4, std::string(300, 'x')))}) {
    for (const size_t piece : {1, 2, 7, 1 << 16}) {
      const Read read(header + hello, piece);
      EXPECT_EQ(Step::done, read.step) << header;
      EXPECT_EQ(hello, read.left) << header;
    }
  }
}

TEST(ProxyHeader, AsksForMoreThanSingleBytes) {
  ProxyHeaderReader reader;
  std::string left = kText4;
  int turns = 0;
  for (Step step = Step::more; step == Step::more; ++turns) {
    const size_t size = reader.wanted();
    step = reader.feed(std::span(left).first(size));
    left.erase(0, size);
  }
  EXPECT_LE(turns, 10);
}

TEST(ProxyHeader, RefusesMalformedVersion1) {
  for (const char* line :
       {"PROXY TCP4 192.0.2.1 198.51.100.2 12345\r\n      ",
        "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443 1\r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.2 12345 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 012345 443\r\n", "PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n", "PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n",
        "PROXY TCP4 192.0.2.1 ::1 12345 443\r\n", "PROXY TCP6 192.0.2.1 192.0.2.1 12345 443\r\n",
        "PROXY TCP4 192.0.2.01 198.51.100.2 12345 443\r\n", "PROXY TCP4 192.0.2 198.51.100.2 12345 443\r\n",
        "PROXY TCP6 ::1%eth0 ::1 12345 443\r\n", "PROXY TCP5 192.0.2.1 198.51.100.2 12345 443\r\n",
        "PROXY UNKNOWNS\r\n", "PROXY \r\nGET / HTTP", "PROXY tcp4 192.0.2.1 198.51.100.2 12345 443\r\n",
        "PROXY TCP4\t192.0.2.1 198.51.100.2 12345 443\r\n"})
    EXPECT_EQ("proxy-protocol-malformed", read(line)) << line;
  const std::string zero("PROXY TCP4 192.0.2.1\0 198.51.100.2 12345 443\r\n", 46);
  EXPECT_EQ("proxy-protocol-malformed", read(zero));
}

TEST(ProxyHeader, BoundsVersion1) {
  const std::string most = "PROXY UNKNOWN " + std::string(107 - 16, 'x');
  EXPECT_EQ("unknown", read(most + "\r\n"));
  EXPECT_EQ("proxy-protocol-too-long", read(most + "x\r\n"));
  EXPECT_EQ("proxy-protocol-too-long", read("PROXY TCP4 " + std::string(200, '1')));
}

TEST(ProxyHeader, MissesAHeader) {
  const std::string hello("\x16\x03\x01\x02\x00\x01", 6);
  for (const std::string& text : {std::string("GET / HTTP/1.1\r\n\r\n"), hello,
                                  std::string("PRI * HTTP/2.0\r\n"), std::string("PROXYTCP4 1"),
                                  std::string("proxy TCP4"), std::string("\r\n\r\nx"), std::string(20, '\0')})
    EXPECT_EQ("proxy-protocol-missing", read(text)) << text;
  ProxyHeaderReader reader;
  EXPECT_FALSE(reader.started());
  EXPECT_EQ(Step::more, reader.feed(std::span<const char>()));
  EXPECT_FALSE(reader.started());
}

// --- version 2
// ----------------------------------------------------------------------------------------------

TEST(ProxyHeader, ReadsVersion2) {
  EXPECT_EQ("192.0.2.1:12345 198.51.100.2:443", read(version2(0x21, 0x11, kAddresses4)));
  const std::string six = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + '\x01' +
                          std::string(15, '\0') + '\x01' + std::string("\x00\x50\x01\xbb", 4);
  EXPECT_EQ("[2001:db8::1]:80 [::1]:443", read(version2(0x21, 0x21, six)));
}

TEST(ProxyHeader, KeepsTheSocketsAddressesWhereItIsToldNone) {
  EXPECT_EQ("unknown", read(version2(0x20, 0x00, "")));
  EXPECT_EQ("unknown", read(version2(0x20, 0x11, kAddresses4))) << "LOCAL";
  EXPECT_EQ("unknown", read(version2(0x21, 0x00, "skipped")));
  EXPECT_EQ("unknown", read(version2(0x21, 0x12, kAddresses4))) << "UDP";
  EXPECT_EQ("unknown", read(version2(0x21, 0x31, std::string(216, '/')))) << "a Unix socket";
}

TEST(ProxyHeader, ReadsTheUniqueId) {
  const std::string tlvs = tlv(0x01, "h2") + tlv(0x02, "shop.example.org") + tlv(0x05, "id-1") +
                           tlv(0x20, std::string(50, 's')) + tlv(0xEE, "");
  const Read read(version2(0x21, 0x11, kAddresses4 + tlvs));
  EXPECT_EQ("192.0.2.1:12345 198.51.100.2:443", read.addresses());
  EXPECT_EQ("id-1", read.reader.header().unique_id);
  EXPECT_EQ(2, read.reader.header().version);
  EXPECT_EQ(
      std::string(128, 'u'),
      Read(version2(0x21, 0x11, kAddresses4 + tlv(5, std::string(128, 'u')))).reader.header().unique_id);
}

TEST(ProxyHeader, RefusesMalformedVersion2) {
  const auto refused = [](const std::string& header) {
    EXPECT_EQ("proxy-protocol-malformed", read(header + std::string(64, 'x')));
  };
  refused(version2(0x11, 0x11, kAddresses4));  // version
  refused(version2(0x22, 0x11, kAddresses4));  // command
  refused(version2(0x21, 0x41, kAddresses4));  // family
  refused(version2(0x21, 0x13, kAddresses4));  // transport
  refused(version2(0x21, 0x21, kAddresses4));  // too short for the family
  refused(version2(0x21, 0x11, ""));
  refused(version2(0x21, 0x11, kAddresses4 + "\x04"));
  refused(version2(0x21, 0x11, kAddresses4 + std::string("\x04\x00\x02x", 4)));
  refused(version2(0x21, 0x11, kAddresses4 + tlv(5, std::string(129, 'u'))));
  refused(version2(0x21, 0x11, kAddresses4 + tlv(5, "a") + tlv(5, "b")));
  refused(version2(0x21, 0x11, kAddresses4 + tlv(3, "abc")));
}

TEST(ProxyHeader, BoundsVersion2) {
  const size_t room = ProxyHeaderLimits::kVersion2Bytes - 16 - 12 - 3;
  EXPECT_EQ(Step::done, Read(version2(0x21, 0x11, kAddresses4 + tlv(4, std::string(room, 'x')))).step);
  EXPECT_EQ("proxy-protocol-too-long",
            read(version2(0x21, 0x11, kAddresses4 + tlv(4, std::string(room + 1, 'x')))));
  EXPECT_EQ("proxy-protocol-too-long", read(version2(0x20, 0x00, std::string(65535, 'x'))));
}

TEST(ProxyHeader, VerifiesTheChecksum) {
  const auto with = [](uint32_t crc) {
    const std::string value = number(crc >> 16) + number(crc & 0xFFFF);
    return version2(0x21, 0x11, kAddresses4 + tlv(5, "id-1") + tlv(3, value) + tlv(4, "behind it"));
  };
  // CRC-32C bit by bit, over the header with zeros in its place.
  uint32_t crc = ~0U;
  for (const char c : with(0))
    for (int bit = 0; bit < 8; ++bit) {
      const uint32_t in = (static_cast<uint8_t>(c) >> bit & 1U) ^ (crc & 1U);
      crc = (crc >> 1) ^ (in != 0 ? 0x82F63B78U : 0U);
    }
  EXPECT_EQ("192.0.2.1:12345 198.51.100.2:443", read(with(~crc)));
  EXPECT_EQ("proxy-protocol-checksum", read(with(crc)));
  EXPECT_EQ("proxy-protocol-checksum", read(with(~crc ^ 1U)));
  const std::string good = with(~crc);
  std::string bent = good;
  bent[16] = static_cast<char>(bent[16] ^ 1);
  EXPECT_EQ("proxy-protocol-checksum", read(bent)) << "the address";
  bent = good;
  bent.back() = 'x';
  EXPECT_EQ("proxy-protocol-checksum", read(bent)) << "behind the checksum";
}

// --- writing
// ------------------------------------------------------------------------------------------------

net::Endpoint endpoint(std::string_view text) {
  net::Endpoint made;
  EXPECT_TRUE(net::Endpoint::parse(text, made)) << text;
  return made;
}
std::string write1(const net::Endpoint& from, const net::Endpoint& to) {
  std::array<char, ProxyHeaderLimits::kWrittenBytes> out;
  return {out.data(), write_proxy_header_v1(from, to, out)};
}
std::string write2(const net::Endpoint& from, const net::Endpoint& to, std::string_view id = {}) {
  std::array<char, ProxyHeaderLimits::kWrittenBytes> out;
  return {out.data(), write_proxy_header_v2(from, to, id, out)};
}

TEST(ProxyHeader, WritesVersion1) {
  EXPECT_EQ(kText4, write1(endpoint("192.0.2.1:12345"), endpoint("198.51.100.2:443")));
  EXPECT_EQ("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n",
            write1(endpoint("[2001:db8::1]:1"), endpoint("[::1]:65535")));
  EXPECT_EQ(kText4, write1(endpoint("[::ffff:192.0.2.1]:12345"), endpoint("[::ffff:198.51.100.2]:443")))
      << "an IPv4 client of a dual-stack listener";
  EXPECT_EQ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", write1(endpoint("192.0.2.1:1"), endpoint("[::1]:2")));
  EXPECT_EQ("PROXY UNKNOWN\r\n", write1(endpoint("unix:/run/x"), endpoint("192.0.2.1:1")));
  EXPECT_EQ("PROXY UNKNOWN\r\n", write1({}, {}));
}

TEST(ProxyHeader, WritesVersion2) {
  EXPECT_EQ(version2(0x21, 0x11, kAddresses4),
            write2(endpoint("192.0.2.1:12345"), endpoint("198.51.100.2:443")));
  EXPECT_EQ(version2(0x21, 0x11, kAddresses4 + tlv(5, "id-1")),
            write2(endpoint("[::ffff:192.0.2.1]:12345"), endpoint("198.51.100.2:443"), "id-1"));
  EXPECT_EQ(version2(0x20, 0x00, ""), write2(endpoint("unix:/run/x"), endpoint("192.0.2.1:1")));
  EXPECT_EQ(version2(0x20, 0x00, tlv(5, "id-1")), write2({}, {}, "id-1"));
}

TEST(ProxyHeader, ReadsWhatItWrote) {
  const std::string longest = "[2001:db80:1234:5678:9abc:def0:1234:5678]:65535";
  for (const std::string& from : {std::string("192.0.2.1:1"), longest}) {
    for (const std::string& to : {std::string("198.51.100.2:2"), longest}) {
      EXPECT_EQ(from + " " + to, read(write1(endpoint(from), endpoint(to))));
      const Read second(write2(endpoint(from), endpoint(to), std::string(200, 'i')));
      EXPECT_EQ(from + " " + to, second.addresses());
      EXPECT_EQ(std::string(128, 'i'), second.reader.header().unique_id);
    }
  }
}

TEST(ProxyHeader, WritesAllOrNothing) {
  std::array<char, ProxyHeaderLimits::kWrittenBytes> out;
  const net::Endpoint from = endpoint("192.0.2.1:12345");
  const net::Endpoint to = endpoint("198.51.100.2:443");
  const size_t first = write_proxy_header_v1(from, to, out);
  const size_t second = write_proxy_header_v2(from, to, "id", out);
  for (size_t size = 0; size < first; ++size)
    EXPECT_EQ(0U, write_proxy_header_v1(from, to, std::span(out).first(size)));
  for (size_t size = 0; size < second; ++size)
    EXPECT_EQ(0U, write_proxy_header_v2(from, to, "id", std::span(out).first(size)));
  EXPECT_EQ(first, write_proxy_header_v1(from, to, std::span(out).first(first)));
}

}  // namespace
}  // namespace mango::proxy
