// SPDX-License-Identifier: Apache-2.0
#include "mango/record_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <string_view>

namespace mango::kernel {
namespace {

constexpr size_t kAeads = 3;
constexpr uint16_t kTls12 = 0x0303;
constexpr uint16_t kTls13 = 0x0304;

constexpr RecordSuite kSuites[] = {
    {0x1301, kTls13, Aead::aes_128_gcm, 16, 32, false},        // TLS_AES_128_GCM_SHA256
    {0x1302, kTls13, Aead::aes_256_gcm, 32, 48, false},        // TLS_AES_256_GCM_SHA384
    {0x1303, kTls13, Aead::chacha20_poly1305, 32, 32, false},  // TLS_CHACHA20_POLY1305_SHA256
    {0xC02B, kTls12, Aead::aes_128_gcm, 16, 32, true},         // ECDHE_ECDSA
    {0xC02F, kTls12, Aead::aes_128_gcm, 16, 32, true},         // ECDHE_RSA
    {0xC02C, kTls12, Aead::aes_256_gcm, 32, 48, true},         // ECDHE_ECDSA
    {0xC030, kTls12, Aead::aes_256_gcm, 32, 48, true},         // ECDHE_RSA
    {0xCCA9, kTls12, Aead::chacha20_poly1305, 32, 32, false},  // ECDHE_ECDSA
    {0xCCA8, kTls12, Aead::chacha20_poly1305, 32, 32, false},  // ECDHE_RSA
};

// Fetched once for the process and never freed: threads may outlive static destructors.
const EVP_CIPHER* cipher_of(Aead aead) noexcept {
  static const std::array<EVP_CIPHER*, kAeads> ciphers = {
      EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr), EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr),
      EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr)};
  return ciphers[static_cast<size_t>(aead)];
}

EVP_KDF* hkdf() noexcept {
  static EVP_KDF* const fetched = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
  return fetched;
}

struct Free {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
  void operator()(EVP_KDF_CTX* context) const noexcept { EVP_KDF_CTX_free(context); }
};

// A cipher context of the thread and the key it has.
struct Keyed {
  std::unique_ptr<EVP_CIPHER_CTX, Free> context;
  uint64_t key_id = 0;
};

Keyed& thread_context(Aead aead, bool sealing) noexcept {
  thread_local std::array<Keyed, 2 * kAeads> contexts;
  return contexts[static_cast<size_t>(aead) * 2 + (sealing ? 1 : 0)];
}

// A thread that is done with a session forgets its key schedules too.
void forget(Aead aead, bool sealing, uint64_t key_id) noexcept {
  static constexpr uint8_t kZero[kMaxKeyBytes] = {};
  Keyed& keyed = thread_context(aead, sealing);
  if (keyed.key_id != key_id || !keyed.context) return;
  (void)EVP_CipherInit_ex(keyed.context.get(), nullptr, nullptr, kZero, kZero, sealing ? 1 : 0);
  keyed.key_id = 0;
}

uint64_t next_key_id() noexcept {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

void put_number(uint8_t* to, uint64_t number, size_t bytes) noexcept {
  for (size_t i = bytes; i-- > 0; number >>= 8) to[i] = static_cast<uint8_t>(number);
}

// HKDF-Expand-Label (RFC 8446 section 7.1) with an empty context.
bool expand_label(const RecordSuite& suite, const uint8_t* secret, std::string_view label, uint8_t* out,
                  size_t length) noexcept {
  static constexpr std::string_view kPrefix = "tls13 ";
  const size_t label_bytes = kPrefix.size() + label.size();
  uint8_t info[32] = {0, static_cast<uint8_t>(length), static_cast<uint8_t>(label_bytes)};
  std::copy(label.begin(), label.end(), std::copy(kPrefix.begin(), kPrefix.end(), info + 3));
  const size_t info_bytes = 3 + label_bytes + 1;  // the last one: a context of no bytes
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  const char* digest = suite.hash_bytes == kMaxHashBytes ? "SHA384" : "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, const_cast<char*>(digest), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<uint8_t*>(secret), suite.hash_bytes),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, info_bytes), OSSL_PARAM_construct_end()};
  const std::unique_ptr<EVP_KDF_CTX, Free> context(EVP_KDF_CTX_new(hkdf()));
  return context && EVP_KDF_derive(context.get(), out, length, parameters) == 1;
}

}  // namespace

const RecordSuite* RecordSuite::find(uint16_t version, uint16_t id) noexcept {
  const auto* found = std::find_if(std::begin(kSuites), std::end(kSuites), [=](const RecordSuite& suite) {
    return suite.version == version && suite.id == id;
  });
  return found != std::end(kSuites) && cipher_of(found->aead) ? found : nullptr;
}

RecordKeys::~RecordKeys() {
  if (suite_) {
    forget(suite_->aead, true, id_);
    forget(suite_->aead, false, id_);
  }
  OPENSSL_cleanse(secret_, sizeof secret_);
  OPENSSL_cleanse(key_, sizeof key_);
  OPENSSL_cleanse(iv_, sizeof iv_);
}

bool RecordKeys::set_secret(const RecordSuite& suite, const uint8_t* secret, uint64_t sequence) noexcept {
  suite_ = &suite;
  std::memcpy(secret_, secret, suite.hash_bytes);
  if (!derive()) return false;
  sequence_ = sequence;
  return true;
}

void RecordKeys::set_key(const RecordSuite& suite, const uint8_t* key, const uint8_t* iv,
                         uint64_t sequence) noexcept {
  suite_ = &suite;
  id_ = next_key_id();
  sequence_ = sequence;
  std::memcpy(key_, key, suite.key_bytes);
  std::memcpy(iv_, iv, suite.explicit_nonce ? kIvBytes - kExplicitNonceBytes : kIvBytes);
}

bool RecordKeys::update() noexcept {
  uint8_t next[kMaxHashBytes];
  const bool ok = expand_label(*suite_, secret_, "traffic upd", next, suite_->hash_bytes);
  if (ok) std::memcpy(secret_, next, suite_->hash_bytes);
  OPENSSL_cleanse(next, sizeof next);
  return ok && derive();
}

bool RecordKeys::derive() noexcept {
  id_ = next_key_id();
  sequence_ = 0;
  return expand_label(*suite_, secret_, "key", key_, suite_->key_bytes) &&
         expand_label(*suite_, secret_, "iv", iv_, kIvBytes);
}

// The explicit nonces of TLS 1.2 are our sequence numbers: whoever sealed the records before us with nonces
// of his own choice (OpenSSL starts at a random 64-bit number) meets ours with a probability of 2^-64 per
// record.
EVP_CIPHER_CTX* RecordKeys::context(bool sealing, const uint8_t* explicit_nonce) const noexcept {
  uint8_t nonce[kIvBytes];
  std::memcpy(nonce, iv_, kIvBytes);
  if (explicit_nonce) {
    std::memcpy(nonce + kIvBytes - kExplicitNonceBytes, explicit_nonce, kExplicitNonceBytes);
  } else {
    uint8_t number[8];
    put_number(number, sequence_, sizeof number);
    for (size_t i = 0; i < sizeof number; ++i) nonce[kIvBytes - sizeof number + i] ^= number[i];
  }
  Keyed& keyed = thread_context(suite_->aead, sealing);
  const EVP_CIPHER* cipher = nullptr;
  if (!keyed.context) {
    keyed.context.reset(EVP_CIPHER_CTX_new());
    if (!keyed.context) return nullptr;
    cipher = cipher_of(suite_->aead);
  }
  const uint8_t* key = keyed.key_id == id_ ? nullptr : key_;
  keyed.key_id = id_;
  if (EVP_CipherInit_ex(keyed.context.get(), cipher, nullptr, key, nonce, sealing ? 1 : 0) == 1)
    return keyed.context.get();
  keyed = {};
  return nullptr;
}

bool RecordKeys::authenticate(EVP_CIPHER_CTX* context, const uint8_t* header, size_t content) const noexcept {
  int done = 0;
  if (suite_->is_tls13()) return EVP_CipherUpdate(context, nullptr, &done, header, kRecordHeaderBytes) == 1;
  uint8_t data[13];
  put_number(data, sequence_, 8);
  std::memcpy(data + 8, header, 3);
  put_number(data + 11, content, 2);
  return EVP_CipherUpdate(context, nullptr, &done, data, sizeof data) == 1;
}

size_t RecordKeys::seal(ContentType type, std::span<const uint8_t> content, uint8_t* out) noexcept {
  const bool tls13 = suite_->is_tls13();
  const size_t body = content.size() + suite_->expansion();
  out[0] = static_cast<uint8_t>(tls13 ? ContentType::application_data : type);
  put_number(out + 1, kTls12, 2);
  put_number(out + 3, body, 2);
  uint8_t* at = out + kRecordHeaderBytes;
  const uint8_t* nonce = nullptr;
  if (suite_->explicit_nonce) {
    put_number(at, sequence_, kExplicitNonceBytes);
    nonce = at;
    at += kExplicitNonceBytes;
  }
  EVP_CIPHER_CTX* sealing = context(true, nonce);
  int done = 0;
  if (!sealing || !authenticate(sealing, out, content.size())) return 0;
  const auto update = [&](const uint8_t* from, size_t count) {
    if (count && EVP_CipherUpdate(sealing, at, &done, from, static_cast<int>(count)) != 1) return false;
    at += count;
    return true;
  };
  const auto inner_type = static_cast<uint8_t>(type);
  if (!update(content.data(), content.size()) || (tls13 && !update(&inner_type, 1))) return 0;
  if (EVP_CipherFinal_ex(sealing, at, &done) != 1) return 0;
  if (EVP_CIPHER_CTX_ctrl(sealing, EVP_CTRL_AEAD_GET_TAG, kTagBytes, at) != 1) return 0;
  ++sequence_;
  return kRecordHeaderBytes + body;
}

bool RecordKeys::open(const uint8_t* header, std::span<uint8_t> body, std::span<uint8_t> room,
                      Plaintext& out) noexcept {
  const uint8_t* nonce = suite_->explicit_nonce ? body.data() : nullptr;
  const std::span<uint8_t> text = body.subspan(nonce ? kExplicitNonceBytes : 0,
                                               body.size() - kTagBytes - (nonce ? kExplicitNonceBytes : 0));
  out.first = room.first(std::min(room.size(), text.size()));
  out.rest = text.subspan(out.first.size());
  EVP_CIPHER_CTX* opening = context(false, nonce);
  if (!opening || !authenticate(opening, header, text.size())) return false;
  int done = 0;
  const auto update = [&](uint8_t* to, const uint8_t* from, size_t count) {
    return count == 0 || EVP_CipherUpdate(opening, to, &done, from, static_cast<int>(count)) == 1;
  };
  uint8_t* tag = body.data() + body.size() - kTagBytes;
  uint8_t nothing[kTagBytes];
  if (!update(out.first.data(), text.data(), out.first.size()) ||
      !update(out.rest.data(), out.rest.data(), out.rest.size()) ||
      EVP_CIPHER_CTX_ctrl(opening, EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag) != 1 ||
      EVP_CipherFinal_ex(opening, nothing, &done) != 1)
    return false;
  ++sequence_;
  return true;
}

}  // namespace mango::kernel
