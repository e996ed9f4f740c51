// SPDX-License-Identifier: Apache-2.0
// The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): the header by which a proxy before us
// tells whom a connection is from, and by which we tell the server behind us. No I/O.
//
// The reader never asks for a byte that is not the header's: what follows may be a ClientHello, and the
// engine reads that from the socket itself. Rejected: reading more and giving the rest back (an offloaded
// socket has neither MSG_PEEK nor a place to put it).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "net/stream.h"

namespace mango::proxy {

struct ProxyHeaderLimits {
  static constexpr size_t kVersion1Bytes = 107;   // section 2.1
  static constexpr size_t kVersion2Bytes = 4096;  // ours; enough for TLVs with a client's certificate
  static constexpr size_t kUniqueIdBytes = 128;   // section 2.2.5
  static constexpr size_t kWrittenBytes = 16 + 36 + 3 + kUniqueIdBytes;  // the most that we write
};

struct ProxyHeader {
  uint8_t version = 0;
  // False for LOCAL, UNKNOWN and families that are not IP: the socket's own addresses stand.
  bool has_addresses = false;
  net::Endpoint source;       // the client
  net::Endpoint destination;  // what it connected to
  std::string unique_id;      // opaque bytes of the peer; "" = none
};

// Reads one header:
//   while (step == more) step = reader.feed(at most reader.wanted() bytes)
class ProxyHeaderReader {
 public:
  enum class Step : uint8_t { more, done, refused };

  // How many bytes may be taken from the connection now; all of them belong to the header. Zero once it is
  // done or refused.
  [[nodiscard]] size_t wanted() const noexcept;
  // Takes at most wanted() bytes. Anything but `more` is final.
  [[nodiscard]] Step feed(std::span<const char> bytes);
  // Whether anything came yet: a connection that ends before that said nothing wrong.
  [[nodiscard]] bool started() const noexcept { return !bytes_.empty() || step_ != Step::more; }

  // After `done`.
  [[nodiscard]] const ProxyHeader& header() const noexcept { return header_; }
  // After `refused`, static: "proxy-protocol-missing" (no header at all), "proxy-protocol-malformed",
  // "proxy-protocol-too-long", "proxy-protocol-checksum".
  [[nodiscard]] const char* reason() const noexcept { return reason_; }

 private:
  [[nodiscard]] Step refuse(const char* reason) noexcept;
  [[nodiscard]] Step finish(uint8_t version) noexcept;
  [[nodiscard]] bool is_version1() const noexcept;
  [[nodiscard]] bool is_version2() const noexcept;
  [[nodiscard]] Step read_version1();
  [[nodiscard]] Step read_version2();
  [[nodiscard]] bool read_addresses(std::string_view block);
  [[nodiscard]] const char* read_tlvs(std::string_view tlvs);
  [[nodiscard]] bool checksum_matches(std::string_view value) const noexcept;

  Step step_ = Step::more;
  const char* reason_ = "";
  std::string bytes_;
  ProxyHeader header_;
};

// Writes a header and answers its size, 0 if `out` is too small (kWrittenBytes always suffice). Addresses
// that are not IP, or unset, become UNKNOWN (version 1) or LOCAL (version 2); of one IPv4 and one IPv6
// address, the former is mapped.
[[nodiscard]] size_t write_proxy_header_v1(const net::Endpoint& source, const net::Endpoint& destination,
                                           std::span<char> out) noexcept;
// `unique_id` is cut at kUniqueIdBytes; "" = none.
[[nodiscard]] size_t write_proxy_header_v2(const net::Endpoint& source, const net::Endpoint& destination,
                                           std::string_view unique_id, std::span<char> out) noexcept;

}  // namespace mango::proxy
