// SPDX-License-Identifier: Apache-2.0
// What one TLS listener needs to terminate TLS 1.2 and 1.3: one SSL_CTX with the default identity; the others
// are put into the SSL while its ClientHello is read.
//
// Rejected: an SSL_CTX per name. At some 50 kB each, 10,000 names would cost half a gigabyte.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/stream.h"
#include "tls/identity.h"
#include "tls/ticket_keys.h"

namespace mango::tls {

// The facts of a finished handshake, for logs and metrics.
struct HandshakeFacts {
  const char* version = "";  // "TLSv1.3"; static
  const char* cipher = "";   // static
  bool resumed = false;
};

class ServerContext {
 public:
  // Null on failure, with a sentence in `error`. `document`, `pairs` and `tickets` must outlive the context.
  [[nodiscard]] static std::unique_ptr<ServerContext> build(const config::Document& document,
                                                            const config::ListenerTls& tls,
                                                            const std::vector<KeyPair>& pairs,
                                                            const TicketKeys& tickets, std::string& error);

  // An SSL for one accepted session, in server state. Null only when memory is exhausted.
  [[nodiscard]] net::SslPointer accept() const noexcept;

  // Whether a request for `host` may be answered on a session opened with `sni` ("" = none): both must lead
  // to the same identity, else the answer is 421 (RFC 9110 section 15.5.20).
  [[nodiscard]] bool covers(std::string_view sni, std::string_view host) const noexcept {
    return &identities_.find(sni) == &identities_.find(host);
  }

 private:
  ServerContext() = default;
  [[nodiscard]] bool configure(const config::ListenerTls& tls, std::string& error);
  [[nodiscard]] bool configure_client_auth(const config::ListenerTls& tls, std::string& error);
  static int on_client_hello(SSL* ssl, int* alert, void* self);
  static int on_alpn(SSL* ssl, const unsigned char** out, unsigned char* out_length, const unsigned char* in,
                     unsigned in_length, void* self);

  Openssl<SSL_CTX> context_;
  IdentityMap identities_;
  std::vector<unsigned char> alpn_;  // RFC 7301 wire format, in order of preference
};

// The server name a client asked for, "" if none (RFC 6066 section 3).
[[nodiscard]] std::string_view server_name(const SSL* ssl) noexcept;
[[nodiscard]] HandshakeFacts facts(const SSL* ssl) noexcept;
// The key exchange, "" if none; lives as long as the SSL.
[[nodiscard]] const char* group_name(SSL* ssl) noexcept;

}  // namespace mango::tls
