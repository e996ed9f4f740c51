// SPDX-License-Identifier: Apache-2.0
// The cipher suites of both sides: forward secret and AEAD, all of them known to the engine's record layer.
#pragma once

namespace mango::tls {

// AES-128-GCM first: twice as fast as AES-256 here and as safe for this use; ChaCha20 for clients without AES
// instructions, which put it first (SSL_OP_PRIORITIZE_CHACHA).
inline constexpr const char* kTls13Ciphers =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
inline constexpr const char* kTls12Ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

}  // namespace mango::tls
