// SPDX-License-Identifier: Apache-2.0
// The keys that seal session tickets (RFC 5077, RFC 8446 section 4.6.1), shared by every SSL_CTX of a
// snapshot, so that a session resumes on any worker, on any listener of the same identity, and after a
// reload.
//
// OpenSSL's own keys would do for one SSL_CTX only, and know no rotation.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <vector>

#include "config/document.h"

namespace mango::tls {

class TicketKeys {
 public:
  explicit TicketKeys(std::vector<config::TicketKey> keys) : keys_(std::move(keys)) {}

  // Makes `context` seal with the newest key and open with any. The keys must outlive the context.
  void install(SSL_CTX* context) const;

 private:
  static int callback(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                      EVP_MAC_CTX* mac, int sealing);
  [[nodiscard]] bool seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                          EVP_MAC_CTX* mac) const;
  // 0: unknown key; 1: opened; 2: opened, and the client should get a ticket under the newest key.
  [[nodiscard]] int open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                         EVP_MAC_CTX* mac) const;

  std::vector<config::TicketKey> keys_;  // newest first
};

}  // namespace mango::tls
