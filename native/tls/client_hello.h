// SPDX-License-Identifier: Apache-2.0
// The server name in a ClientHello (RFC 8446 section 4.1.2, RFC 6066 section 3), read from the bytes of a
// connection that is passed on untouched: however they are split into segments and the message into records
// (RFC 8446 section 5.1). No I/O, nothing is altered or kept.
//
// The caller keeps the bytes anyway, to pass them on, so the reader looks at a growing buffer and remembers
// how far it came: linear in what arrives, whatever the pieces. Rejected: OpenSSL's client_hello callback,
// which wants an SSL (19 kB) and owns the bytes.
//
// With Encrypted ClientHello the name is the outer one, which is what there is to route by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mango::tls {

struct ClientHelloLimits {
  // The message. Browsers with post-quantum key shares send 2 kB; OpenSSL takes 16 KiB.
  static constexpr size_t kMessageBytes = 16 * 1024 + 4;
  // With the headers of its records: what the caller's buffer must hold. Records of one byte are allowed.
  static constexpr size_t kWireBytes = 64 * 1024;
  static constexpr size_t kExtensions = 100;
  static constexpr size_t kProtocols = 16;   // of ALPN that are kept
  static constexpr size_t kNameBytes = 253;  // RFC 1035 section 2.3.4, as text
};

class ClientHelloReader {
 public:
  enum class Step : uint8_t { more, done, refused };

  // `bytes` is all that came since the connection began, so each call brings the same again and more behind
  // it. Anything but `more` is final; bytes behind the message are not looked at.
  [[nodiscard]] Step read(std::span<const char> bytes);

  // After `done`: the name in lower case, without the root's dot; "" if there is none.
  [[nodiscard]] const std::string& server_name() const noexcept { return server_name_; }
  // The protocols offered by ALPN, in the client's order; none if there is no such extension.
  [[nodiscard]] const std::vector<std::string>& protocols() const noexcept { return protocols_; }
  // After `refused`, static: "tls-not-tls", "tls-sslv2-hello", "tls-not-a-client-hello",
  // "tls-client-hello-malformed", "tls-client-hello-too-large", "tls-server-name-invalid",
  // "tls-server-name-duplicate".
  [[nodiscard]] const char* reason() const noexcept { return reason_; }
  // The alert (RFC 8446 section 6) that suits the reason, as a whole record to send before closing; "" where
  // the peer does not speak TLS.
  [[nodiscard]] std::string_view alert() const noexcept;

 private:
  [[nodiscard]] Step refuse(const char* reason) noexcept;
  [[nodiscard]] bool read_records(std::string_view bytes);
  [[nodiscard]] const char* check_record(std::string_view header) const noexcept;
  [[nodiscard]] const char* check_message() const noexcept;
  [[nodiscard]] size_t message_bytes() const noexcept;
  [[nodiscard]] const char* parse();
  [[nodiscard]] const char* parse_extensions(std::string_view extensions);
  [[nodiscard]] const char* parse_extension(uint16_t type, std::string_view body);
  [[nodiscard]] const char* parse_server_name(std::string_view body);
  [[nodiscard]] const char* parse_protocols(std::string_view body);

  Step step_ = Step::more;
  const char* reason_ = "";
  size_t at_ = 0;         // of `bytes`, read so far
  size_t in_record_ = 0;  // bytes of the current record still to come
  std::string message_;   // without record headers
  bool has_server_name_ = false;
  bool has_protocols_ = false;
  std::string server_name_;
  std::vector<std::string> protocols_;
};

}  // namespace mango::tls
