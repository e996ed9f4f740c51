// SPDX-License-Identifier: Apache-2.0
// What protects the records of a session after its handshake, taken out of OpenSSL, so that the SSL (19 kB)
// can be freed and the engine goes on with the keys alone.
//
// OpenSSL has no function for this, but tells all of it: the traffic secrets of TLS 1.3 to the key log
// callback, the records made under them to the message callback, the master secret of TLS 1.2 to anybody.
// Nothing is logged, and what was collected is wiped.
#pragma once

#include <openssl/ssl.h>

#include "typedef.h"

namespace mango::tls {

// Makes the SSLs of `context` collect.
void collect_traffic_keys(SSL_CTX* context) noexcept;

// The keys of a session whose handshake is done, whatever was sent and read since; wiped when destroyed. A
// client that wants tickets of TLS 1.3 waits for them first (may_hand_over_keys).
class TrafficKeys {
 public:
  explicit TrafficKeys(SSL* ssl) noexcept;
  ~TrafficKeys();
  TrafficKeys(const TrafficKeys&) = delete;
  TrafficKeys& operator=(const TrafficKeys&) = delete;

  // Null when the session's protocol or cipher does not allow it, or its keys were updated.
  [[nodiscard]] const mango_tls_keys_t* get() const noexcept { return complete_ ? &keys_ : nullptr; }

 private:
  [[nodiscard]] bool take_secrets(SSL* ssl) noexcept;
  [[nodiscard]] bool derive_key_block(SSL* ssl) noexcept;

  mango_tls_keys_t keys_{};
  bool complete_ = false;
};

}  // namespace mango::tls
