// SPDX-License-Identifier: Apache-2.0
// A server's identity: a certificate chain with its key, and the set of them that one name is served with.
#pragma once

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/document.h"

namespace mango::tls {

struct OpensslDeleter {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  void operator()(X509* certificate) const noexcept { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }
  void operator()(STACK_OF(X509) * chain) const noexcept { sk_X509_pop_free(chain, X509_free); }
};
template <typename T>
using Openssl = std::unique_ptr<T, OpensslDeleter>;

struct KeyPair {
  Openssl<X509> leaf;
  Openssl<STACK_OF(X509)> chain;  // without the leaf; may be empty
  Openssl<EVP_PKEY> key;

  // Parses and checks that key and leaf belong together. On failure a sentence without any secret in `error`.
  [[nodiscard]] static bool parse(const config::Certificate& source, KeyPair& out, std::string& error);
  // Puts the pair into `ssl`, beside pairs of other key types.
  [[nodiscard]] bool use(SSL* ssl) const noexcept;
};

// The pairs for one set of names, at most one of each key type (ECDSA, RSA, Ed25519): OpenSSL then chooses by
// the client's signature algorithms.
struct Identity {
  std::vector<const KeyPair*> pairs;
  // SSL_set_session_id_context: a ticket resumes only where the same certificates and client authentication
  // are configured (RFC 8446 section 4.2.11 leaves that to us).
  std::array<unsigned char, 32> session_context{};
  bool is_default = false;
};

// Names to identities: exact names, then "*.suffix" for one more label (RFC 9525 section 6.3).
class IdentityMap {
 public:
  // `pairs` are those of the whole document, by certificate index, and must outlive the map.
  [[nodiscard]] static IdentityMap build(const config::Document& document, const config::ListenerTls& tls,
                                         const std::vector<KeyPair>& pairs);
  // The identity for a name in any case, the default one if none covers it. Allocates nothing.
  [[nodiscard]] const Identity& find(std::string_view name) const noexcept;
  [[nodiscard]] const Identity& fallback() const noexcept { return *identities_.front(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  using Names = std::unordered_map<std::string, const Identity*, Hash, std::equal_to<>>;

  std::vector<std::unique_ptr<Identity>> identities_;  // the first is the default
  Names exact_;
  Names wildcard_;  // by suffix, without "*."
};

}  // namespace mango::tls
