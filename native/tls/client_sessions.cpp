// SPDX-License-Identifier: Apache-2.0
#include "tls/client_sessions.h"

#include <algorithm>
#include <new>
#include <utility>

namespace mango::tls {

namespace {

// A copy of our own: OpenSSL declares a session not resumable when one of its connections ends without
// close_notify, as all do whose keys were handed over.
SessionPointer copy_of(const SSL_SESSION* session) noexcept {
  return SessionPointer(SSL_SESSION_dup(session));
}

}  // namespace

void ClientSessions::put(const std::string& key, const SSL_SESSION* session) noexcept try {
  SessionPointer copy = copy_of(session);
  if (!copy) return;
  const std::lock_guard lock(mutex_);
  make_room(key);
  sessions_[key].push_back({std::move(copy), Clock::now()});
} catch (const std::bad_alloc&) {  // the next connection pays for a full handshake
}

void ClientSessions::make_room(const std::string& key) {
  if (const auto found = sessions_.find(key); found != sessions_.end()) {
    if (found->second.size() >= kMaxPerKey) found->second.pop_front();
  } else if (sessions_.size() >= kMaxKeys) {
    sessions_.erase(sessions_.begin());
  }
}

bool ClientSessions::Kept::is_good() const noexcept {
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - since).count();
  const int64_t lifetime = std::min<int64_t>(SSL_SESSION_get_timeout(session.get()), kMaxAgeSeconds);
  return age < lifetime && SSL_SESSION_is_resumable(session.get()) == 1;
}

SessionPointer ClientSessions::take(const std::string& key) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(key);
  if (found == sessions_.end()) return nullptr;
  SessionPointer taken;
  std::deque<Kept>& sessions = found->second;
  while (!taken && !sessions.empty()) {
    Kept& newest = sessions.back();
    const bool good = newest.is_good();
    const bool single_use = SSL_SESSION_get_protocol_version(newest.session.get()) == TLS1_3_VERSION;
    if (good && !single_use) return copy_of(newest.session.get());
    if (good) taken = std::move(newest.session);
    sessions.pop_back();
  }
  if (sessions.empty()) sessions_.erase(found);
  return taken;
}

size_t ClientSessions::size() const noexcept {
  const std::lock_guard lock(mutex_);
  size_t total = 0;
  for (const auto& [key, sessions] : sessions_) total += sessions.size();
  return total;
}

}  // namespace mango::tls
