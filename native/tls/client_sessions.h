// SPDX-License-Identifier: Apache-2.0
// The TLS sessions that clients of one context can resume, by a key of what must be the same: server, name
// and offer. Shared by the workers, hence a mutex; it is taken a few times for a connection.
//
// A ticket of TLS 1.3 is lent to one connection at a time, which gives it back if the server resumed it and
// sent no newer one. RFC 8446 appendix C.4 advises clients against using tickets twice, lest they be
// recognised; proxies are known to their servers anyhow, and many servers (Node.js, this one) send no ticket
// on a resumed connection, so that each ticket used once would mean a full handshake after every few. One
// that the server refused, or that came with a failure, is not given back: it cannot fail twice.
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

  using Clock = std::chrono::steady_clock;
  using Now = Clock::time_point (*)() noexcept;

  struct Kept {
    SessionPointer session;
    Clock::time_point verified;  // the full handshake that it goes back to, whatever was resumed since
  };

  explicit ClientSessions(Now now = &Clock::now) noexcept : now_(now) {}

  // Keeps a copy of what a connection brought: one that resumed `from`, or null after a full handshake. The
  // oldest goes when there are too many.
  void put(const std::string& key, const SSL_SESSION* session, const Kept* from = nullptr) noexcept;
  // The newest that is still good, or none.
  [[nodiscard]] Kept take(const std::string& key) noexcept;
  // What was taken can be used again.
  void give_back(const std::string& key, Kept taken) noexcept;
  [[nodiscard]] size_t size() const noexcept;

 private:
  void keep(const std::string& key, Kept kept) noexcept;
  void make_room(const std::string& key);
  [[nodiscard]] bool is_good(const Kept& kept) const noexcept;

  Now now_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::deque<Kept>> sessions_;  // oldest first
};

// A copy of its own: OpenSSL declares a session not resumable when one of its connections ends without
// close_notify, as all do whose keys were handed over.
[[nodiscard]] SessionPointer copy_of(const SSL_SESSION* session) noexcept;

}  // namespace mango::tls
