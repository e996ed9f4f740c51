// SPDX-License-Identifier: Apache-2.0
// TLS towards the servers of one upstream: one SSL_CTX, made ready for each connection with the server's
// name, what ALPN offers, and a session to resume.
//
// What the SSLs need of it lives as long as they do, so a connection may outlive the context: a reload in the
// middle of a handshake, a ticket that comes later.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/stream.h"
#include "tls/client_sessions.h"
#include "tls/identity.h"

namespace mango::tls {

// What one connection offers by ALPN (RFC 7301).
enum class AlpnOffer : uint8_t {
  configured,  // http1: "http/1.1"; http2: "h2"; automatic: both, "h2" first
  http1,       // only "http/1.1": for an upgrade, or where HTTP/2 went wrong
  none,        // bytes that are not HTTP
};

class ClientContext {
 public:
  // Null on failure, with a sentence without any secret in `error`. Nothing passed needs to live on.
  [[nodiscard]] static std::unique_ptr<ClientContext> build(
      const config::UpstreamTls& tls, config::UpstreamProtocol protocol, std::string& error,
      ClientSessions::Now now = &ClientSessions::Clock::now);

  // Goes on with the sessions of an earlier context if both were built alike (after a reload).
  void adopt_sessions(const ClientContext& earlier) noexcept;

  // An SSL for one connection, in connect state. `host` is the server's own host, a name or an IP address (in
  // brackets or not), used for SNI and verification where the upstream names none; `server` identifies it
  // among the upstream's servers: sessions are resumed with the same one only. Null when memory is exhausted,
  // or there is no name to verify. Any thread.
  [[nodiscard]] net::SslPointer connect(std::string_view host, std::string_view server,
                                        AlpnOffer offer = AlpnOffer::configured) const noexcept;

 private:
  ClientContext() = default;
  [[nodiscard]] bool configure(const config::UpstreamTls& tls, std::string& error);
  [[nodiscard]] bool configure_verification(const config::UpstreamTls& tls, std::string& error);
  [[nodiscard]] bool configure_certificate(const config::UpstreamTls& tls, std::string& error);
  [[nodiscard]] std::string_view protocols(AlpnOffer offer) const noexcept;
  [[nodiscard]] bool set_name(SSL* ssl, const std::string& name) const noexcept;

  Openssl<SSL_CTX> context_;
  std::string server_name_;
  std::string alpn_;  // RFC 7301 wire format
  bool verify_ = true;
  std::array<unsigned char, 32> fingerprint_{};  // of everything it was built from
  std::shared_ptr<const std::vector<std::string>> pinned_;
  std::shared_ptr<ClientSessions> sessions_;
};

// The protocol that ALPN settled on, "" if none. After the handshake.
[[nodiscard]] std::string_view negotiated_protocol(const SSL* ssl) noexcept;

// Whether the keys may be handed over (tls::TrafficKeys, Stream::use_tls_keys) without losing what makes the
// session resumable: the handshake is done and, in TLS 1.3, the server's first ticket has come or a session
// was resumed, which can be again. Until then the SSL must stay; it is cheap to ask after every input.
// Tickets that come later are dropped by the engine.
[[nodiscard]] bool may_hand_over_keys(const SSL* ssl) noexcept;

// Why a handshake with a server failed, as a stable word; clears OpenSSL's queue:
//   upstream_certificate_expired, upstream_certificate_not_yet_valid, upstream_certificate_unknown_authority,
//   upstream_certificate_name_mismatch, upstream_certificate_not_pinned, upstream_certificate_revoked,
//   upstream_certificate_refused (any other defect), upstream_client_certificate_refused,
//   upstream_tls_no_application_protocol, upstream_tls_unsupported_protocol, upstream_not_tls,
//   upstream_tls_failed
[[nodiscard]] const char* client_tls_error(const SSL* ssl) noexcept;

}  // namespace mango::tls
