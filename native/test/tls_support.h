// SPDX-License-Identifier: Apache-2.0
// Certificates made on the spot, and handshakes in memory between a ServerContext and an OpenSSL client.
#pragma once

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "tls/server_context.h"

namespace mango::tls::test {

enum class KeyType { ecdsa, rsa };

inline std::string text_of(BIO* bio) {
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(bio, &bytes);
  std::string text(bytes, static_cast<size_t>(length));
  BIO_free(bio);
  return text;
}

// A self-signed certificate for these names, with its key.
inline config::Certificate certificate(const std::string& name, std::vector<std::string> hostnames,
                                       KeyType type = KeyType::ecdsa) {
  const Openssl<EVP_PKEY> key(type == KeyType::ecdsa ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048));
  const Openssl<X509> leaf(X509_new());
  ASN1_INTEGER_set(X509_get_serialNumber(leaf.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(leaf.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(leaf.get()), 3600);
  X509_set_pubkey(leaf.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(leaf.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(leaf.get(), subject);
  X509_sign(leaf.get(), key.get(), EVP_sha256());
  BIO* cert_pem = BIO_new(BIO_s_mem());
  BIO* key_pem = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(cert_pem, leaf.get());
  PEM_write_bio_PrivateKey(key_pem, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {.name = name,
          .hostnames = std::move(hostnames),
          .cert_pem = text_of(cert_pem),
          .key_pem = text_of(key_pem)};
}

inline config::TicketKey ticket_key(uint8_t fill) {
  config::TicketKey key;
  key.fill(fill);
  return key;
}

// A document of certificates with one listener that serves them all, made ready.
struct Server {
  explicit Server(std::vector<config::Certificate> certificates, config::ListenerTls tls_in = {},
                  std::vector<config::TicketKey> keys = {ticket_key(1)})
      : tls(std::move(tls_in)), tickets(std::move(keys)) {
    document.certificates = std::move(certificates);
    for (uint32_t i = 0; i < document.certificates.size(); ++i) {
      KeyPair pair;
      std::string problem;
      EXPECT_TRUE(KeyPair::parse(document.certificates[i], pair, problem)) << problem;
      pairs.push_back(std::move(pair));
      tls.certificates.push_back(i);
    }
    context = ServerContext::build(document, tls, pairs, tickets, error);
  }

  config::Document document;
  config::ListenerTls tls;
  std::vector<KeyPair> pairs;
  TicketKeys tickets;
  std::string error;
  std::unique_ptr<ServerContext> context;
};

struct SessionDeleter {
  void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};
using SessionPointer = std::unique_ptr<SSL_SESSION, SessionDeleter>;

struct Client {
  std::string sni;
  int version = TLS1_3_VERSION;
  std::string alpn;  // wire format
  const char* signatures = nullptr;
  const config::Certificate* certificate = nullptr;
  SSL_SESSION* session = nullptr;
};

struct Handshake {
  bool done = false;
  bool resumed = false;
  std::string subject;  // of the server's certificate
  std::string alpn;
  std::string version;
  std::string sni;  // as the server sees it
  int key_type = 0;
  SessionPointer session;
};

// Moves bytes both ways until neither side gets further.
inline Handshake shake(const Server& server, const Client& how) {
  ERR_clear_error();
  const Openssl<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
  static SSL_SESSION* newest = nullptr;
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(
      context.get(), +[](SSL*, SSL_SESSION* session) {
        SSL_SESSION_free(newest);
        newest = session;
        return 1;
      });
  const net::SslPointer client(SSL_new(context.get()));
  const net::SslPointer own = server.context->accept();
  SSL_set_min_proto_version(client.get(), how.version);
  SSL_set_max_proto_version(client.get(), how.version);
  if (!how.sni.empty()) SSL_set_tlsext_host_name(client.get(), how.sni.c_str());
  if (!how.alpn.empty())
    SSL_set_alpn_protos(client.get(), reinterpret_cast<const unsigned char*>(how.alpn.data()),
                        static_cast<unsigned>(how.alpn.size()));
  if (how.signatures != nullptr) SSL_set1_sigalgs_list(client.get(), how.signatures);
  if (how.session != nullptr) SSL_set_session(client.get(), how.session);
  if (how.certificate != nullptr) {
    KeyPair pair;
    std::string error;
    EXPECT_TRUE(KeyPair::parse(*how.certificate, pair, error));
    EXPECT_TRUE(pair.use(client.get()));
  }
  BIO* to_server = BIO_new(BIO_s_mem());
  BIO* to_client = BIO_new(BIO_s_mem());
  for (BIO* bio : {to_server, to_client}) {
    BIO_set_mem_eof_return(bio, -1);
    BIO_up_ref(bio);
  }
  SSL_set_bio(client.get(), to_client, to_server);
  SSL_set_bio(own.get(), to_server, to_client);
  SSL_set_connect_state(client.get());

  Handshake result;
  char byte;
  for (int round = 0; round < 10; ++round) {
    (void)SSL_do_handshake(client.get());
    (void)SSL_do_handshake(own.get());
  }
  (void)SSL_read(client.get(), &byte, 1);  // tickets of TLS 1.3 come after the handshake
  (void)SSL_read(own.get(), &byte, 1);
  result.done = SSL_is_init_finished(client.get()) == 1 && SSL_is_init_finished(own.get()) == 1;
  ERR_clear_error();
  result.session.reset(std::exchange(newest, nullptr));
  if (!result.done) return result;
  // Where TLS 1.2 resumes, a new ticket comes without a call of the callback.
  if (!result.session && SSL_SESSION_has_ticket(SSL_get0_session(client.get())))
    result.session.reset(SSL_get1_session(client.get()));
  SSL_set_shutdown(client.get(),
                   SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);  // else the session counts as broken
  result.resumed = SSL_session_reused(client.get()) == 1;
  result.version = SSL_get_version(own.get());
  result.sni = server_name(own.get());
  const unsigned char* protocol = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(client.get(), &protocol, &length);
  if (length != 0) result.alpn.assign(reinterpret_cast<const char*>(protocol), length);
  const X509* leaf = SSL_get0_peer_certificate(client.get());
  char subject[64] = "";
  if (leaf != nullptr) {
    X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, subject, sizeof subject);
    result.key_type = EVP_PKEY_get_base_id(X509_get0_pubkey(leaf));
  }
  result.subject = subject;
  return result;
}

}  // namespace mango::tls::test
