// SPDX-License-Identifier: Apache-2.0
#include "tls/traffic_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/obj_mac.h>

#include <cstring>
#include <memory>
#include <new>
#include <string_view>

namespace mango::tls {

namespace {

constexpr std::string_view kClientSecret = "CLIENT_TRAFFIC_SECRET_0 ";
constexpr std::string_view kServerSecret = "SERVER_TRAFFIC_SECRET_0 ";
constexpr size_t kRandomHexBytes = 2 * SSL3_RANDOM_SIZE;

// What one SSL told so far; tx is its own direction. In TLS 1.2 only the sequences.
struct Collected {
  mango_tls_direction_t tx{};
  mango_tls_direction_t rx{};
  bool has_tx = false;
  bool has_rx = false;
  bool outdated = false;  // a KeyUpdate made other secrets, which are not told
};

void free_collected(void*, void* collected, CRYPTO_EX_DATA*, int, long, void*) {
  if (collected != nullptr) OPENSSL_cleanse(collected, sizeof(Collected));
  delete static_cast<Collected*>(collected);
}

int index_of_collected() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_collected);
  return index;
}

Collected* collected_by(const SSL* ssl) noexcept {
  return static_cast<Collected*>(SSL_get_ex_data(ssl, index_of_collected()));
}

Collected* start_collecting(SSL* ssl) noexcept {
  auto* made = new (std::nothrow) Collected;
  if (made != nullptr && SSL_set_ex_data(ssl, index_of_collected(), made) == 1) return made;
  delete made;
  return nullptr;
}

int nibble(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return digit - '0';
  const char lower = static_cast<char>(digit | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool read_hex(std::string_view text, unsigned char* out, size_t room) noexcept {
  if (text.size() > 2 * room || text.size() % 2 != 0) return false;
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = nibble(text[i]);
    const int low = nibble(text[i + 1]);
    if (high < 0 || low < 0) return false;
    out[i / 2] = static_cast<unsigned char>(high << 4 | low);
  }
  return true;
}

// A line is "LABEL client-random secret", both in hexadecimal. It comes when OpenSSL starts to use the
// secret.
void on_keylog(const SSL* ssl, const char* text) {
  const std::string_view line(text);
  const bool of_server = line.starts_with(kServerSecret);
  if (!of_server && !line.starts_with(kClientSecret)) return;
  const size_t prefix = kServerSecret.size() + kRandomHexBytes + 1;
  if (line.size() < prefix) return;
  Collected* collected = collected_by(ssl);
  if (collected == nullptr) collected = start_collecting(const_cast<SSL*>(ssl));
  if (collected == nullptr) return;
  const bool tx = of_server == (SSL_is_server(ssl) == 1);
  mango_tls_direction_t& direction = tx ? collected->tx : collected->rx;
  direction.sequence = 0;
  (tx ? collected->has_tx : collected->has_rx) =
      read_hex(line.substr(prefix), direction.secret, sizeof direction.secret);
}

// Counts the records under the traffic keys: in TLS 1.3 since their secret was told, behind which come
// session tickets; in TLS 1.2 since ChangeCipherSpec.
void on_record(bool written, uint8_t type, SSL* ssl) noexcept {
  const bool starts = type == SSL3_RT_CHANGE_CIPHER_SPEC && SSL_version(ssl) == TLS1_2_VERSION;
  Collected* collected = collected_by(ssl);
  if (collected == nullptr && starts) collected = start_collecting(ssl);
  if (collected == nullptr) return;
  mango_tls_direction_t& direction = written ? collected->tx : collected->rx;
  bool& has = written ? collected->has_tx : collected->has_rx;
  if (has) ++direction.sequence;
  if (!starts) return;
  has = true;
  direction.sequence = 0;
}

void on_message(int written, int, int content, const void* bytes, size_t size, SSL* ssl, void*) {
  if (size == 0) return;
  const uint8_t type = *static_cast<const uint8_t*>(bytes);
  if (content == SSL3_RT_HEADER) on_record(written != 0, type, ssl);
  if (content != SSL3_RT_HANDSHAKE || type != SSL3_MT_KEY_UPDATE) return;
  if (Collected* collected = collected_by(ssl)) collected->outdated = true;
}

// The pseudo-random function of TLS 1.2 (RFC 5246 section 5).
bool expand_master_secret(const char* digest, std::string_view master, std::string_view seed,
                          unsigned char* out, size_t length) noexcept {
  static EVP_KDF* const prf = EVP_KDF_fetch(nullptr, "TLS1-PRF", nullptr);
  const std::unique_ptr<EVP_KDF_CTX, void (*)(EVP_KDF_CTX*)> context(EVP_KDF_CTX_new(prf), &EVP_KDF_CTX_free);
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, const_cast<char*>(digest), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, const_cast<char*>(master.data()),
                                        master.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, const_cast<char*>(seed.data()), seed.size()),
      OSSL_PARAM_construct_end()};
  return context && EVP_KDF_derive(context.get(), out, length, parameters) == 1;
}

struct KeySizes {
  size_t key = 0;
  size_t iv = 0;
};

KeySizes key_sizes(const SSL_CIPHER* cipher) noexcept {
  switch (SSL_CIPHER_get_cipher_nid(cipher)) {
    case NID_aes_128_gcm:
      return {16, 4};
    case NID_aes_256_gcm:
      return {32, 4};
    case NID_chacha20_poly1305:
      return {32, 12};
    default:
      return {};
  }
}

}  // namespace

void collect_traffic_keys(SSL_CTX* context) noexcept {
  SSL_CTX_set_keylog_callback(context, on_keylog);
  SSL_CTX_set_msg_callback(context, on_message);
}

TrafficKeys::TrafficKeys(SSL* ssl) noexcept {
  keys_.version = static_cast<uint16_t>(SSL_version(ssl));
  keys_.cipher_suite = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl));
  keys_.is_client = SSL_is_server(ssl) == 1 ? 0 : 1;
  complete_ = keys_.version == TLS1_3_VERSION ? take_secrets(ssl) : derive_key_block(ssl);
}

TrafficKeys::~TrafficKeys() {
  OPENSSL_cleanse(&keys_, sizeof keys_);
}

bool TrafficKeys::take_secrets(SSL* ssl) noexcept {
  const Collected* collected = collected_by(ssl);
  if (collected == nullptr || !collected->has_tx || !collected->has_rx || collected->outdated) return false;
  keys_.tx = collected->tx;
  keys_.rx = collected->rx;
  return true;
}

// RFC 5246 section 6.3: of AEAD ciphers, the client's key, the server's key, the client's IV, the server's
// IV.
bool TrafficKeys::derive_key_block(SSL* ssl) noexcept {
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  const KeySizes sizes = key_sizes(cipher);
  const Collected* collected = collected_by(ssl);
  if (keys_.version != TLS1_2_VERSION || sizes.key == 0 || collected == nullptr || !collected->has_tx ||
      !collected->has_rx)
    return false;
  unsigned char master[SSL_MAX_MASTER_KEY_LENGTH];
  unsigned char block[2 * (sizeof keys_.tx.key + sizeof keys_.tx.iv)];
  static constexpr std::string_view kLabel = "key expansion";
  char seed[kLabel.size() + 2 * SSL3_RANDOM_SIZE];
  std::memcpy(seed, kLabel.data(), kLabel.size());
  auto* randoms = reinterpret_cast<unsigned char*>(seed + kLabel.size());
  SSL_get_server_random(ssl, randoms, SSL3_RANDOM_SIZE);
  SSL_get_client_random(ssl, randoms + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE);
  const size_t master_size = SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof master);
  const EVP_MD* hash = SSL_CIPHER_get_handshake_digest(cipher);
  const bool ok = hash != nullptr &&
                  expand_master_secret(EVP_MD_get0_name(hash), {reinterpret_cast<char*>(master), master_size},
                                       {seed, sizeof seed}, block, 2 * (sizes.key + sizes.iv));
  const unsigned char* at = block;
  const auto take = [&at](unsigned char* to, size_t size) {
    std::memcpy(to, at, size);
    at += size;
  };
  if (ok) {
    mango_tls_direction_t& of_client = keys_.is_client != 0 ? keys_.tx : keys_.rx;
    mango_tls_direction_t& of_server = keys_.is_client != 0 ? keys_.rx : keys_.tx;
    take(of_client.key, sizes.key);
    take(of_server.key, sizes.key);
    take(of_client.iv, sizes.iv);
    take(of_server.iv, sizes.iv);
    keys_.tx.sequence = collected->tx.sequence;
    keys_.rx.sequence = collected->rx.sequence;
  }
  OPENSSL_cleanse(master, sizeof master);
  OPENSSL_cleanse(block, sizeof block);
  return ok;
}

}  // namespace mango::tls
