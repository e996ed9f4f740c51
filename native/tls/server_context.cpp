// SPDX-License-Identifier: Apache-2.0
#include "tls/server_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <utility>

#include "tls/suites.h"
#include "tls/traffic_keys.h"

namespace mango::tls {

namespace {

std::string openssl_reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

// Reads the host_name of a server_name extension (RFC 6066 section 3): list length, type 0, name length,
// name.
std::string_view hello_server_name(SSL* ssl) noexcept {
  const unsigned char* data = nullptr;
  size_t length = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &length) != 1 || length < 5) return {};
  const size_t list = static_cast<size_t>(data[0]) << 8 | data[1];
  const size_t name = static_cast<size_t>(data[3]) << 8 | data[4];
  if (list + 2 != length || data[2] != TLSEXT_NAMETYPE_host_name || name + 5 > length) return {};
  return {reinterpret_cast<const char*>(data + 5), name};
}

bool use(SSL* ssl, const Identity& identity) noexcept {
  SSL_certs_clear(ssl);
  for (const KeyPair* pair : identity.pairs)
    if (!pair->use(ssl)) return false;
  return SSL_set_session_id_context(ssl, identity.session_context.data(), identity.session_context.size()) ==
         1;
}

}  // namespace

std::unique_ptr<ServerContext> ServerContext::build(const config::Document& document,
                                                    const config::ListenerTls& tls,
                                                    const std::vector<KeyPair>& pairs,
                                                    const TicketKeys& tickets, std::string& error) {
  std::unique_ptr<ServerContext> self(new ServerContext());
  self->context_.reset(SSL_CTX_new(TLS_server_method()));
  self->identities_ = IdentityMap::build(document, tls, pairs);
  if (!self->context_ || !self->configure(tls, error)) return nullptr;
  tickets.install(self->context_.get());
  collect_traffic_keys(self->context_.get());
  return self;
}

bool ServerContext::configure(const config::ListenerTls& tls, std::string& error) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_min_proto_version(context, tls.min_version);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets carry the state
  SSL_CTX_set_ciphersuites(context, kTls13Ciphers);
  SSL_CTX_set_cipher_list(context, kTls12Ciphers);
  ERR_clear_error();
  if (!tls.groups.empty() && SSL_CTX_set1_groups_list(context, tls.groups.c_str()) != 1) {
    error = "tls.groups \"" + tls.groups + "\": " + openssl_reason();
    return false;
  }
  for (const std::string& protocol : tls.alpn) {
    alpn_.push_back(static_cast<unsigned char>(protocol.size()));
    alpn_.insert(alpn_.end(), protocol.begin(), protocol.end());
  }
  if (!alpn_.empty()) SSL_CTX_set_alpn_select_cb(context, &ServerContext::on_alpn, this);
  SSL_CTX_set_client_hello_cb(context, &ServerContext::on_client_hello, this);
  SSL_CTX_set_tlsext_servername_callback(
      context, +[](SSL*, int*, void*) { return SSL_TLSEXT_ERR_OK; });

  const Identity& identity = identities_.fallback();
  for (const KeyPair* pair : identity.pairs) {
    if (SSL_CTX_use_cert_and_key(context, pair->leaf.get(), pair->key.get(), pair->chain.get(), 1) == 1)
      continue;
    error = "the default certificate is refused: " + openssl_reason();
    return false;
  }
  SSL_CTX_set_session_id_context(context, identity.session_context.data(), identity.session_context.size());
  return configure_client_auth(tls, error);
}

bool ServerContext::configure_client_auth(const config::ListenerTls& tls, std::string& error) {
  if (tls.client_auth == config::ClientAuth::none) return true;
  SSL_CTX* context = context_.get();
  const std::unique_ptr<BIO, void (*)(BIO*)> bio(
      BIO_new_mem_buf(tls.client_ca_pem.data(), static_cast<int>(tls.client_ca_pem.size())),
      +[](BIO* b) { BIO_free(b); });
  int count = 0;
  while (X509* authority = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    const Openssl<X509> owner(authority);
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority) == 1 &&
        SSL_CTX_add_client_CA(context, authority) == 1)
      ++count;
  }
  ERR_clear_error();
  if (count == 0) {
    error = "tls.clientAuth.ca holds no usable certificate";
    return false;
  }
  const int require = tls.client_auth == config::ClientAuth::require ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | require, nullptr);
  return true;
}

net::SslPointer ServerContext::accept() const noexcept {
  net::SslPointer ssl(SSL_new(context_.get()));
  if (ssl) SSL_set_accept_state(ssl.get());
  return ssl;
}

int ServerContext::on_client_hello(SSL* ssl, int* alert, void* self) {
  const auto* context = static_cast<const ServerContext*>(self);
  const Identity& identity = context->identities_.find(hello_server_name(ssl));
  if (identity.is_default || use(ssl, identity)) return SSL_CLIENT_HELLO_SUCCESS;
  *alert = SSL_AD_INTERNAL_ERROR;
  return SSL_CLIENT_HELLO_ERROR;
}

// A client that offers ALPN but nothing we speak is refused (RFC 7301 section 3.2).
int ServerContext::on_alpn(SSL*, const unsigned char** out, unsigned char* out_length,
                           const unsigned char* in, unsigned in_length, void* self) {
  const auto& ours = static_cast<const ServerContext*>(self)->alpn_;
  unsigned char* chosen = nullptr;
  const int result = SSL_select_next_proto(&chosen, out_length, ours.data(),
                                           static_cast<unsigned>(ours.size()), in, in_length);
  *out = chosen;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

std::string_view server_name(const SSL* ssl) noexcept {
  const char* name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? std::string_view() : std::string_view(name);
}

HandshakeFacts facts(const SSL* ssl) noexcept {
  return {SSL_get_version(ssl), SSL_get_cipher_name(ssl), SSL_session_reused(ssl) == 1};
}

const char* group_name(SSL* ssl) noexcept {
  const char* name = SSL_group_to_name(ssl, static_cast<int>(SSL_get_negotiated_group(ssl)));
  return name == nullptr ? "" : name;
}

}  // namespace mango::tls
