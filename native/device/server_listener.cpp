// SPDX-License-Identifier: Apache-2.0
// Who comes in: client processes over the link, connections over TCP. An accepted connection goes at once
// into its listener's pair; when that is full, or descriptors are out, the rest waits in TCP's own queue.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "device/server_device.h"

namespace mango::device {
namespace {

bool is_shortage(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM || error == ETOOMANYREFS;
}

}  // namespace

void Device::accept_links() {
  link_starved_ = false;
  for (;;) {
    Descriptor link(::accept4(link_listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!link) {
      link_starved_ = is_shortage(errno);
      return;
    }
    ucred peer{};
    if (clients_.size() >= kMostClients || !access_.admits(link.get(), peer) || is_greedy(peer.uid)) continue;
    const uint64_t serial = next_serial_++;
    auto client = ServerClient::make(core_, serial, std::move(link), peer.uid);
    if (!client) continue;
    tokens_.emplace(client->token(), serial);
    clients_.emplace(serial, std::move(client));
  }
}

// One stranger's links cannot take all places.
bool Device::is_greedy(uid_t uid) const noexcept {
  if (!LinkAccess::is_stranger(uid)) return false;
  const auto same = std::count_if(clients_.begin(), clients_.end(),
                                  [uid](const auto& client) { return client.second->uid() == uid; });
  return same >= kMostClientsOfStranger;
}

void Device::accept_sessions(ServerSession& listener) {
  if (!push_held(listener)) return;
  for (uint32_t i = 0; i < kAcceptsPerTurn; ++i)
    if (!accept_one(listener)) return;
  queue(listener);
}

// False: no more for now.
bool Device::accept_one(ServerSession& listener) {
  if (!has_room(listener.account)) {
    starve(listener);
    return false;
  }
  sockaddr_storage peer{};
  socklen_t length = sizeof(peer);
  Descriptor tcp(
      ::accept4(listener.tcp(), reinterpret_cast<sockaddr*>(&peer), &length, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!tcp) {
    if (is_shortage(errno)) starve(listener);
    return errno == EINTR || errno == ECONNABORTED || errno == EPROTO;
  }
  ServerSession* session = add_session(std::move(tcp), peer.ss_family, SOCK_NONBLOCK, listener.account);
  if (!session) {
    starve(listener);
    return false;
  }
  for (const uint64_t owner : listener.owners()) session->add_owner(owner);
  session->inherit_options(listener);
  if (!session->begin_connected()) {
    session->end(End::abort);
    forget(*session);
    return true;
  }
  return push_accepted(listener, *session);
}

bool Device::push_accepted(ServerSession& listener, ServerSession& session) {
  AcceptedFrame frame{session.id(), session.rx_bytes(), session.tx_bytes(), session.peer()};
  const int fds[2] = {session.client_end(), session.memory_fd()};
  if (send_with_descriptors(listener.pair(), &frame, sizeof(frame), fds, 2)) {
    session.drop_client_end();
    return true;
  }
  const int error = errno;
  if (error != EAGAIN && !is_shortage(error)) {
    session.end(End::abort);
    forget(session);
    return false;
  }
  listener.held = session_value(session.generation(), session.id());
  if (error != EAGAIN) starve(listener);  // nothing will tell when; EPOLLOUT does otherwise
  return false;
}

bool Device::push_held(ServerSession& listener) {
  if (listener.held == 0) return true;
  ServerSession* session = sessions_.find_value(listener.held);
  listener.held = 0;
  return !session || push_accepted(listener, *session);
}

void Device::starve(ServerSession& listener) {
  const uint64_t value = session_value(listener.generation(), listener.id());
  if (std::find(starved_.begin(), starved_.end(), value) == starved_.end()) starved_.push_back(value);
}

void Device::retry_starved() {
  if (link_starved_) accept_links();
  std::vector<uint64_t> now;
  now.swap(starved_);
  for (const uint64_t value : now) {
    ServerSession* listener = sessions_.find_value(value);
    if (!listener || listener->phase() != Phase::listening) continue;
    accept_sessions(*listener);
    after(*listener);
  }
}

bool Device::has_room(uint64_t account) const noexcept {
  const uint64_t most = core_.settings.most;
  if (sessions_.size() >= most) return false;
  const auto found = clients_.find(account);
  const uint64_t share = std::max<uint64_t>(most * kClientShareEighths / 8, 1);
  return found == clients_.end() || found->second->sessions < share;
}

ServerSession* Device::add_session(Descriptor tcp, int family, int pair_flags, uint64_t account) {
  ServerSession::Identity identity{0, 0, family};
  identity.id = sessions_.reserve(identity.generation);
  if (identity.id == 0) {
    errno = ENFILE;
    return nullptr;
  }
  auto made = ServerSession::make(core_, identity, std::move(tcp), pair_flags);
  if (!made) {
    const int error = errno;
    sessions_.give_back(identity.id);
    errno = error;
    return nullptr;
  }
  return insert(std::move(made), account);
}

ServerSession* Device::insert(std::unique_ptr<ServerSession> session, uint64_t account) {
  session->account = account;
  if (const auto found = clients_.find(account); found != clients_.end()) ++found->second->sessions;
  return sessions_.insert(std::move(session));
}

}  // namespace mango::device
