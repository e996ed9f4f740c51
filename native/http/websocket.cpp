// SPDX-License-Identifier: Apache-2.0
// SHA-1 is here because RFC 6455 asks for it, as a checksum: nothing rests on its strength. It is written out
// so that protocol code needs no library of ciphers.
#include "http/websocket.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

namespace mango::http {

namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr size_t kBlockBytes = 64;
constexpr size_t kDigestBytes = 20;

// FIPS 180-4 section 6.1.
class Sha1 {
 public:
  void add(std::string_view text) noexcept {
    for (const char c : text) add(static_cast<uint8_t>(c));
    bits_ += uint64_t{text.size()} * 8;
  }

  std::array<uint8_t, kDigestBytes> digest() noexcept {
    const uint64_t bits = bits_;
    add(uint8_t{0x80});
    while (used_ != kBlockBytes - 8) add(uint8_t{0});
    for (int shift = 56; shift >= 0; shift -= 8) add(static_cast<uint8_t>(bits >> shift));
    std::array<uint8_t, kDigestBytes> out;
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = static_cast<uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
    return out;
  }

 private:
  void add(uint8_t octet) noexcept {
    block_[used_++] = octet;
    if (used_ == kBlockBytes) compress();
  }

  void compress() noexcept {
    std::array<uint32_t, 80> words;
    for (size_t i = 0; i < 16; ++i)
      words[i] = uint32_t{block_[4 * i]} << 24 | uint32_t{block_[4 * i + 1]} << 16 |
                 uint32_t{block_[4 * i + 2]} << 8 | uint32_t{block_[4 * i + 3]};
    for (size_t i = 16; i < words.size(); ++i)
      words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    auto [a, b, c, d, e] = state_;
    for (size_t i = 0; i < words.size(); ++i) {
      const uint32_t next = std::rotl(a, 5) + mix(i, b, c, d) + e + words[i];
      e = d;
      d = c;
      c = std::rotl(b, 30);
      b = a;
      a = next;
    }
    const uint32_t sums[] = {a, b, c, d, e};
    for (size_t i = 0; i < state_.size(); ++i) state_[i] += sums[i];
    used_ = 0;
  }

  static uint32_t mix(size_t round, uint32_t b, uint32_t c, uint32_t d) noexcept {
    if (round < 20) return ((b & c) | (~b & d)) + 0x5a827999;
    if (round < 40) return (b ^ c ^ d) + 0x6ed9eba1;
    if (round < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    return (b ^ c ^ d) + 0xca62c1d6;
  }

  std::array<uint32_t, 5> state_{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
  std::array<uint8_t, kBlockBytes> block_{};
  size_t used_ = 0;
  uint64_t bits_ = 0;
};

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::array<char, kWebSocketAcceptBytes> websocket_accept(std::string_view key) noexcept {
  Sha1 sha;
  sha.add(key);
  sha.add(kGuid);
  const std::array<uint8_t, kDigestBytes> digest = sha.digest();
  std::array<char, kWebSocketAcceptBytes> out;
  char* at = out.data();
  for (size_t i = 0; i < digest.size(); i += 3) {
    const bool last = i + 3 > digest.size();  // two octets are left
    const uint32_t group =
        uint32_t{digest[i]} << 16 | uint32_t{digest[i + 1]} << 8 | (last ? 0U : digest[i + 2]);
    *at++ = kBase64[group >> 18];
    *at++ = kBase64[group >> 12 & 63];
    *at++ = kBase64[group >> 6 & 63];
    *at++ = last ? '=' : kBase64[group & 63];
  }
  return out;
}

}  // namespace mango::http
