// SPDX-License-Identifier: Apache-2.0
// The keys of one direction of a TLS session, and the sealing and opening of single records with them: AEAD
// ciphers of TLS 1.3 (RFC 8446 section 5) and TLS 1.2 (RFC 5246 section 6.2.3.3, RFC 5288, RFC 7905).
//
// A session keeps key bytes only. The cipher contexts (1.2 kB each) belong to the thread, one for a cipher
// and a direction, and take a session's key when it has its turn: that costs less than 0.1 µs, and nothing
// while the same session goes on. Rejected: contexts per session, which were half of what an idle one needed.
#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace mango::kernel {

constexpr size_t kRecordHeaderBytes = 5;
constexpr size_t kTagBytes = 16;
constexpr size_t kExplicitNonceBytes = 8;  // of AES-GCM in TLS 1.2
constexpr size_t kRecordOverheadBytes = kRecordHeaderBytes + kExplicitNonceBytes + 1 + kTagBytes;  // at most
constexpr size_t kMaxHashBytes = 48;
constexpr size_t kMaxKeyBytes = 32;
constexpr size_t kIvBytes = 12;

enum class ContentType : uint8_t {
  change_cipher_spec = 20,
  alert = 21,
  handshake = 22,
  application_data = 23
};

enum class Aead : uint8_t { aes_128_gcm, aes_256_gcm, chacha20_poly1305 };

// What a cipher suite means for records. Static.
struct RecordSuite {
  uint16_t id;  // as on the wire
  uint16_t version;
  Aead aead;
  uint8_t key_bytes;
  uint8_t hash_bytes;   // of the hash of HKDF
  bool explicit_nonce;  // carried in the record; else made of the sequence number

  [[nodiscard]] static const RecordSuite* find(uint16_t version, uint16_t id) noexcept;
  [[nodiscard]] bool is_tls13() const noexcept { return version == 0x0304; }
  // Bytes of a record's body that are not content, padding aside.
  [[nodiscard]] size_t expansion() const noexcept {
    return kTagBytes + (is_tls13() ? 1 : 0) + (explicit_nonce ? kExplicitNonceBytes : 0);
  }
};

class RecordKeys {
 public:
  RecordKeys() = default;
  ~RecordKeys();
  RecordKeys(const RecordKeys&) = delete;
  RecordKeys& operator=(const RecordKeys&) = delete;

  // TLS 1.3: key and IV come from the traffic secret. False when OpenSSL failed.
  [[nodiscard]] bool set_secret(const RecordSuite& suite, const uint8_t* secret, uint64_t sequence) noexcept;
  // TLS 1.2: as in the key block.
  void set_key(const RecordSuite& suite, const uint8_t* key, const uint8_t* iv, uint64_t sequence) noexcept;
  // TLS 1.3: the next generation (RFC 8446 section 7.2).
  [[nodiscard]] bool update() noexcept;

  // Writes one record with `content` (at most 2^14 bytes) to `out` and answers its size, 0 when that failed.
  [[nodiscard]] size_t seal(ContentType type, std::span<const uint8_t> content, uint8_t* out) noexcept;

  // Decrypts the body of the record behind `header`. What `room` holds goes there, the rest stays in place in
  // `body`. False when it is not authentic; the plaintext is then to be forgotten.
  struct Plaintext {
    std::span<uint8_t> first;
    std::span<uint8_t> rest;
  };
  [[nodiscard]] bool open(const uint8_t* header, std::span<uint8_t> body, std::span<uint8_t> room,
                          Plaintext& out) noexcept;

  [[nodiscard]] uint64_t sequence() const noexcept { return sequence_; }

 private:
  [[nodiscard]] EVP_CIPHER_CTX* context(bool sealing, const uint8_t* explicit_nonce) const noexcept;
  [[nodiscard]] bool authenticate(EVP_CIPHER_CTX* context, const uint8_t* header,
                                  size_t content) const noexcept;
  [[nodiscard]] bool derive() noexcept;

  const RecordSuite* suite_ = nullptr;
  uint64_t id_ = 0;  // of this key, in the whole process
  uint64_t sequence_ = 0;
  uint8_t secret_[kMaxHashBytes] = {};
  uint8_t key_[kMaxKeyBytes] = {};
  uint8_t iv_[kIvBytes] = {};
};

}  // namespace mango::kernel
