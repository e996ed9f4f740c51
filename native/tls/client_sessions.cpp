// SPDX-License-Identifier: Apache-2.0
#include "tls/client_sessions.h"

#include <algorithm>
#include <new>
#include <utility>

namespace mango::tls {

namespace {

// A session of TLS 1.2 serves any number of connections at once.
bool is_lent(const SSL_SESSION* session) noexcept {
  return SSL_SESSION_get_protocol_version(session) == TLS1_3_VERSION;
}

}  // namespace

SessionPointer copy_of(const SSL_SESSION* session) noexcept {
  return SessionPointer(SSL_SESSION_dup(session));
}

void ClientSessions::put(const std::string& key, const SSL_SESSION* session, const Kept* from) noexcept {
  if (SessionPointer copy = copy_of(session))
    keep(key, {std::move(copy), from == nullptr ? now_() : from->verified});
}

void ClientSessions::give_back(const std::string& key, Kept taken) noexcept {
  if (taken.session && is_lent(taken.session.get())) keep(key, std::move(taken));
}

void ClientSessions::keep(const std::string& key, Kept kept) noexcept try {
  const std::lock_guard lock(mutex_);
  make_room(key);
  sessions_[key].push_back(std::move(kept));
} catch (const std::bad_alloc&) {  // the next connection pays for a full handshake
}

void ClientSessions::make_room(const std::string& key) {
  if (const auto found = sessions_.find(key); found != sessions_.end()) {
    if (found->second.size() >= kMaxPerKey) found->second.pop_front();
  } else if (sessions_.size() >= kMaxKeys) {
    sessions_.erase(sessions_.begin());
  }
}

bool ClientSessions::is_good(const Kept& kept) const noexcept {
  const auto age = std::chrono::duration_cast<std::chrono::seconds>(now_() - kept.verified).count();
  const int64_t lifetime = std::min<int64_t>(SSL_SESSION_get_timeout(kept.session.get()), kMaxAgeSeconds);
  return age < lifetime && SSL_SESSION_is_resumable(kept.session.get()) == 1;
}

ClientSessions::Kept ClientSessions::take(const std::string& key) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(key);
  if (found == sessions_.end()) return {};
  Kept taken;
  std::deque<Kept>& sessions = found->second;
  while (!taken.session && !sessions.empty()) {
    Kept& newest = sessions.back();
    const bool good = is_good(newest);
    if (good && !is_lent(newest.session.get())) return {copy_of(newest.session.get()), newest.verified};
    if (good) taken = std::move(newest);
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
