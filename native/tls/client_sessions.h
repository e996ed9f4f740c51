// SPDX-License-Identifier: Apache-2.0
// The TLS sessions that clients of one context can resume, by a key of what must be the same: server, name
// and offer. Shared by the workers, hence a mutex; it is taken once for a connection.
//
// Rejected: OpenSSL's own cache, which a client cannot look anything up in.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace mango::tls {

struct SessionDeleter {
  void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};
using SessionPointer = std::unique_ptr<SSL_SESSION, SessionDeleter>;

class ClientSessions {
 public:
  static constexpr size_t kMaxKeys = 1024;
  static constexpr size_t kMaxPerKey = 8;          // connections that can be opened at once
  static constexpr int64_t kMaxAgeSeconds = 3600;  // a certificate is verified again at least that often

  // Keeps a copy. The oldest goes when there are too many.
  void put(const std::string& key, const SSL_SESSION* session) noexcept;
  // The newest that is still good, or null. Of TLS 1.3 it is given away (RFC 8446 appendix C.4).
  [[nodiscard]] SessionPointer take(const std::string& key) noexcept;
  [[nodiscard]] size_t size() const noexcept;

 private:
  using Clock = std::chrono::steady_clock;
  struct Kept {
    SessionPointer session;
    Clock::time_point since;
    [[nodiscard]] bool is_good() const noexcept;
  };

  void make_room(const std::string& key);

  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::deque<Kept>> sessions_;  // oldest first
};

}  // namespace mango::tls
