// SPDX-License-Identifier: Apache-2.0
#include "tls/client_context.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <new>
#include <utility>

#include "tls/suites.h"
#include "tls/traffic_keys.h"

namespace mango::tls {

namespace {

constexpr size_t kMaxNameBytes = 253;  // RFC 1035 section 2.3.4, as text
constexpr const char* kH1 = "\x08http/1.1";
constexpr const char* kH2 = "\x02h2";
constexpr const char* kBoth = "\x02h2\x08http/1.1";

using Names = std::vector<std::string>;

// What one SSL needs of its context, which may be gone before it.
struct Attempt {
  std::shared_ptr<ClientSessions> sessions;
  std::shared_ptr<const Names> pinned;
  std::string key;                 // into sessions
  ClientSessions::Kept offered{};  // to the server
  bool resumed = false;            // the server took it
  bool ticketed = false;           // a session came that can be resumed
};

// Comes with SSL_free(), when the SSL itself must not be asked any more.
void free_attempt(void*, void* data, CRYPTO_EX_DATA*, int, long, void*) {
  const std::unique_ptr<Attempt> attempt(static_cast<Attempt*>(data));
  if (attempt && attempt->resumed && !attempt->ticketed)
    attempt->sessions->give_back(attempt->key, std::move(attempt->offered));
}

int index_of_attempt() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_attempt);
  return index;
}

Attempt* attempt_of(const SSL* ssl) noexcept {
  return static_cast<Attempt*>(SSL_get_ex_data(ssl, index_of_attempt()));
}

std::string openssl_reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

// --- names
// --------------------------------------------------------------------------------------------------

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return lower;
}

// Without brackets and the root's dot; "" for what cannot be a name.
std::string plain_host(std::string_view host) {
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.size() > kMaxNameBytes || host.find('\0') != std::string_view::npos) return {};
  return to_lower(host);
}

// The bytes of an IP address as a certificate has them, "" if `text` is none.
std::string address_bytes(const std::string& text) {
  std::string bytes(sizeof(in6_addr), '\0');
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  bytes.resize(sizeof(in_addr));
  return ::inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ? bytes : std::string();
}

bool is_pinned(const GENERAL_NAME* name, const Names& pinned) {
  int type = 0;
  const auto* value = static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(name, &type));
  if (type != GEN_DNS && type != GEN_IPADD && type != GEN_URI) return false;
  const std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                         static_cast<size_t>(ASN1_STRING_length(value)));
  return std::any_of(pinned.begin(), pinned.end(), [&](const std::string& pin) {
    if (type == GEN_URI) return pin == text;
    return type == GEN_DNS ? to_lower(pin) == to_lower(text) : !text.empty() && address_bytes(pin) == text;
  });
}

bool has_pinned_name(const X509* certificate, const Names& pinned) {
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i)
    if (is_pinned(sk_GENERAL_NAME_value(names.get(), i), pinned)) return true;
  return false;
}

// --- callbacks
// ----------------------------------------------------------------------------------------------

int on_verify(X509_STORE_CTX* store, void*) {
  const int result = X509_verify_cert(store);
  if (result != 1) return result;
  const auto* ssl =
      static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const Attempt* attempt = attempt_of(ssl);
  if (attempt == nullptr) return 0;
  if (attempt->pinned->empty() || has_pinned_name(X509_STORE_CTX_get0_cert(store), *attempt->pinned))
    return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

// Called when a session can be resumed: after the handshake, in TLS 1.3 for each ticket. Zero: no reference
// kept.
int on_new_session(SSL* ssl, SSL_SESSION* session) {
  Attempt* attempt = attempt_of(ssl);
  if (attempt == nullptr || SSL_SESSION_is_resumable(session) != 1) return 0;
  attempt->ticketed = true;
  attempt->sessions->put(attempt->key, session, SSL_session_reused(ssl) == 1 ? &attempt->offered : nullptr);
  return 0;
}

void on_progress(const SSL* ssl, int where, int) {
  if ((where & SSL_CB_HANDSHAKE_DONE) == 0) return;
  if (Attempt* attempt = attempt_of(ssl)) attempt->resumed = SSL_session_reused(ssl) == 1;
}

void append_part(std::string& to, std::string_view part) {
  to += std::to_string(part.size());
  to += ':';
  to += part;
}

std::array<unsigned char, 32> fingerprint_of(const config::UpstreamTls& tls, const std::string& alpn) {
  std::string all;
  for (const std::string_view part :
       {std::string_view(tls.ca_pem), std::string_view(tls.server_name), std::string_view(tls.cert_pem),
        std::string_view(tls.key_pem), std::string_view(alpn)})
    append_part(all, part);
  append_part(all, std::to_string(tls.min_version));
  append_part(all, tls.verify ? "verify" : "");
  for (const std::string& name : tls.alt_names) append_part(all, name);
  std::array<unsigned char, 32> digest;
  SHA256(reinterpret_cast<const unsigned char*>(all.data()), all.size(), digest.data());
  OPENSSL_cleanse(all.data(), all.size());
  return digest;
}

}  // namespace

// --- building
// -----------------------------------------------------------------------------------------------

std::unique_ptr<ClientContext> ClientContext::build(const config::UpstreamTls& tls,
                                                    config::UpstreamProtocol protocol, std::string& error,
                                                    ClientSessions::Now now) {
  std::unique_ptr<ClientContext> self(new ClientContext());
  self->context_.reset(SSL_CTX_new(TLS_client_method()));
  self->server_name_ = tls.server_name;
  self->alpn_ = protocol == config::UpstreamProtocol::http1   ? kH1
                : protocol == config::UpstreamProtocol::http2 ? kH2
                                                              : kBoth;
  self->verify_ = tls.verify;
  self->fingerprint_ = fingerprint_of(tls, self->alpn_);
  self->pinned_ = std::make_shared<const Names>(tls.alt_names);
  self->sessions_ = std::make_shared<ClientSessions>(now);
  if (!self->context_ || !self->configure(tls, error)) return nullptr;
  return self;
}

bool ClientContext::configure(const config::UpstreamTls& tls, std::string& error) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_min_proto_version(context, tls.min_version);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_ciphersuites(context, kTls13Ciphers);
  SSL_CTX_set_cipher_list(context, kTls12Ciphers);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, on_new_session);
  SSL_CTX_set_info_callback(context, on_progress);
  collect_traffic_keys(context);
  ERR_clear_error();
  return configure_verification(tls, error) && configure_certificate(tls, error);
}

bool ClientContext::configure_verification(const config::UpstreamTls& tls, std::string& error) {
  if (!tls.verify) {
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
    return true;
  }
  X509_STORE* store = SSL_CTX_get_cert_store(context_.get());
  const std::unique_ptr<BIO, int (*)(BIO*)> bio(
      BIO_new_mem_buf(tls.ca_pem.data(), static_cast<int>(tls.ca_pem.size())), BIO_free);
  int count = 0;
  while (X509* authority = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    const Openssl<X509> owner(authority);
    count += X509_STORE_add_cert(store, authority) == 1 ? 1 : 0;
  }
  ERR_clear_error();  // the end of the text is an error to PEM_read_bio
  if (count == 0) {
    error = "tls.ca holds no usable certificate";
    return false;
  }
  // What is in `ca` is believed, be it a root or not.
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context_.get(), on_verify, nullptr);
  return true;
}

bool ClientContext::configure_certificate(const config::UpstreamTls& tls, std::string& error) {
  if (tls.cert_pem.empty()) return true;
  KeyPair pair;
  const config::Certificate source{
      .name = "client", .hostnames = {}, .cert_pem = tls.cert_pem, .key_pem = tls.key_pem};
  if (!KeyPair::parse(source, pair, error)) return false;
  if (SSL_CTX_use_cert_and_key(context_.get(), pair.leaf.get(), pair.key.get(), pair.chain.get(), 1) == 1)
    return true;
  error = "the client certificate is refused: " + openssl_reason();
  return false;
}

void ClientContext::adopt_sessions(const ClientContext& earlier) noexcept {
  if (earlier.fingerprint_ == fingerprint_) sessions_ = earlier.sessions_;
}

// --- connecting
// ---------------------------------------------------------------------------------------------

net::SslPointer ClientContext::connect(std::string_view host, std::string_view server,
                                       AlpnOffer offer) const noexcept try {
  const std::string name = plain_host(server_name_.empty() ? host : std::string_view(server_name_));
  if (name.empty() && verify_) return nullptr;
  net::SslPointer ssl(SSL_new(context_.get()));
  if (!ssl || !set_name(ssl.get(), name)) return nullptr;
  const std::string_view alpn = protocols(offer);
  if (!alpn.empty() && SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                                           static_cast<unsigned>(alpn.size())) != 0)
    return nullptr;
  auto attempt = std::make_unique<Attempt>(Attempt{.sessions = sessions_, .pinned = pinned_, .key = {}});
  for (const std::string_view part : {std::string_view(name), server, alpn}) append_part(attempt->key, part);
  attempt->offered = sessions_->take(attempt->key);
  if (const SessionPointer copy =
          attempt->offered.session ? copy_of(attempt->offered.session.get()) : nullptr)
    (void)SSL_set_session(ssl.get(), copy.get());
  if (SSL_set_ex_data(ssl.get(), index_of_attempt(), attempt.get()) != 1) return nullptr;
  (void)attempt.release();  // the SSL frees it
  SSL_set_connect_state(ssl.get());
  return ssl;
} catch (const std::bad_alloc&) {
  return nullptr;
}

std::string_view ClientContext::protocols(AlpnOffer offer) const noexcept {
  switch (offer) {
    case AlpnOffer::configured:
      return alpn_;
    case AlpnOffer::http1:
      return kH1;
    case AlpnOffer::none:
      break;
  }
  return {};
}

// RFC 9525: a name is looked for among the alternative names, never in the subject, and "*" is a whole label.
bool ClientContext::set_name(SSL* ssl, const std::string& name) const noexcept {
  if (name.empty()) return true;
  X509_VERIFY_PARAM* parameters = SSL_get0_param(ssl);
  if (X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) == 1) return true;
  ERR_clear_error();
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return SSL_set1_host(ssl, name.c_str()) == 1 && SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
}

// --- after the handshake
// ------------------------------------------------------------------------------------

std::string_view negotiated_protocol(const SSL* ssl) noexcept {
  const unsigned char* protocol = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl, &protocol, &length);
  return length == 0 ? std::string_view() : std::string_view(reinterpret_cast<const char*>(protocol), length);
}

bool may_hand_over_keys(const SSL* ssl) noexcept {
  if (SSL_is_init_finished(ssl) != 1 || SSL_has_pending(ssl) != 0) return false;
  if (SSL_version(ssl) != TLS1_3_VERSION) return true;
  const Attempt* attempt = attempt_of(ssl);
  return attempt != nullptr && (attempt->ticketed || attempt->resumed);
}

namespace {

const char* word_of_verification(long result) noexcept {
  switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "upstream_certificate_expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "upstream_certificate_not_yet_valid";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:  // signed by another one of the same name
      return "upstream_certificate_unknown_authority";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return "upstream_certificate_name_mismatch";
    case X509_V_ERR_APPLICATION_VERIFICATION:
      return "upstream_certificate_not_pinned";
    case X509_V_ERR_CERT_REVOKED:
      return "upstream_certificate_revoked";
    default:
      return "upstream_certificate_refused";
  }
}

const char* word_of_error(int reason) noexcept {
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
      return "upstream_not_tls";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
      return "upstream_tls_unsupported_protocol";
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
      return "upstream_tls_no_application_protocol";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
      return "upstream_client_certificate_refused";
    default:
      return "upstream_tls_failed";
  }
}

}  // namespace

const char* client_tls_error(const SSL* ssl) noexcept {
  const int reason = ERR_GET_REASON(ERR_peek_error());
  ERR_clear_error();
  const bool verifying = ssl != nullptr && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE;
  if (verifying && SSL_get_verify_result(ssl) != X509_V_OK)
    return word_of_verification(SSL_get_verify_result(ssl));
  return word_of_error(reason);
}

}  // namespace mango::tls
