// SPDX-License-Identifier: Apache-2.0
#include "tls/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstring>

namespace mango::tls {

namespace {

// The layout of a key: what OpenSSL itself uses for SSL_CTX_set_tlsext_ticket_keys.
constexpr size_t kNameBytes = 16;
constexpr size_t kMacBytes = 32;
constexpr size_t kIvBytes = 16;

int index_of_keys() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

const EVP_CIPHER* ticket_cipher() {
  static const EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr);
  return cipher;
}

const unsigned char* mac_key(const config::TicketKey& key) {
  return key.data() + kNameBytes;
}
const unsigned char* cipher_key(const config::TicketKey& key) {
  return key.data() + kNameBytes + kMacBytes;
}

bool start_mac(EVP_MAC_CTX* mac, const config::TicketKey& key) {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                   OSSL_PARAM_construct_end()};
  return EVP_MAC_init(mac, mac_key(key), kMacBytes, parameters) == 1;
}

}  // namespace

void TicketKeys::install(SSL_CTX* context) const {
  if (keys_.empty()) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
    return;
  }
  SSL_CTX_set_ex_data(context, index_of_keys(), const_cast<TicketKeys*>(this));
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &TicketKeys::callback);
  SSL_CTX_set_num_tickets(context, 1);  // each costs about 15 µs; one is enough to resume
}

int TicketKeys::callback(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                         EVP_MAC_CTX* mac, int sealing) {
  const auto* keys =
      static_cast<const TicketKeys*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), index_of_keys()));
  if (keys == nullptr) return -1;
  if (sealing != 0) return keys->seal(name, iv, cipher, mac) ? 1 : -1;
  return keys->open(name, iv, cipher, mac);
}

bool TicketKeys::seal(unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                      EVP_MAC_CTX* mac) const {
  const config::TicketKey& key = keys_.front();
  if (RAND_bytes(iv, kIvBytes) != 1) return false;
  std::memcpy(name, key.data(), kNameBytes);
  return EVP_EncryptInit_ex(cipher, ticket_cipher(), nullptr, cipher_key(key), iv) == 1 &&
         start_mac(mac, key);
}

int TicketKeys::open(const unsigned char* name, const unsigned char* iv, EVP_CIPHER_CTX* cipher,
                     EVP_MAC_CTX* mac) const {
  for (const config::TicketKey& key : keys_) {
    if (std::memcmp(name, key.data(), kNameBytes) != 0) continue;
    if (EVP_DecryptInit_ex(cipher, ticket_cipher(), nullptr, cipher_key(key), iv) != 1 ||
        !start_mac(mac, key))
      return -1;
    return &key == &keys_.front() ? 1 : 2;
  }
  return 0;
}

}  // namespace mango::tls
