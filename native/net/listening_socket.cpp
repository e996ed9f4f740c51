// SPDX-License-Identifier: Apache-2.0
#include "net/listening_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "net/calls.h"

namespace mango::net {

namespace {

bool cannot_share(mango_status_e status) noexcept {
  return status == MANGO_STATUS_UNKNOWN_OPTION || status == MANGO_STATUS_NOT_SUPPORTED;
}

}  // namespace

void ListeningSocket::swap(ListeningSocket& other) noexcept {
  std::swap(engine_, other.engine_);
  std::swap(loop_, other.loop_);
  std::swap(socket_, other.socket_);
  std::swap(fd_, other.fd_);
  std::swap(reserve_fd_, other.reserve_fd_);
  std::swap(era_, other.era_);
}

bool ListeningSocket::bind(Engine& engine, Endpoint& endpoint, int backlog, size_t count, bool ours,
                           std::vector<ListeningSocket>& sockets, std::string& error) {
  mango_status_e status = MANGO_STATUS_OK;
  // SO_REUSEPORT lets two proxies of one user share a port without an error, which is never meant: bind once
  // without it, and only then share.
  if (!ours) {
    ListeningSocket probe;
    status = probe.open(engine, endpoint, 1, false);
  }
  while (status == MANGO_STATUS_OK && sockets.size() < count) {
    ListeningSocket socket;
    status = socket.open(engine, endpoint, backlog, true);
    if (cannot_share(status)) {
      socket = ListeningSocket();
      status = socket.open(engine, endpoint, backlog, false);
      count = 1;
    }
    if (status == MANGO_STATUS_OK) sockets.push_back(std::move(socket));
  }
  if (status == MANGO_STATUS_OK) return true;
  sockets.clear();
  error =
      "cannot listen on " + endpoint.to_string() + ": " +
      (means_reset(status) ? "the offload device is not there" : std::strerror(-static_cast<int>(status)));
  return false;
}

mango_status_e ListeningSocket::open(Engine& engine, Endpoint& endpoint, int backlog, bool shared) noexcept {
  const int on = 1;
  engine_ = &engine;
  era_ = engine.era();
  mango_status_e status = engine.socket_create(engine.tcp(), &socket_);
  if (status == MANGO_STATUS_OK) status = engine.socket_open(socket_, &fd_);
  if (status == MANGO_STATUS_OK) status = engine.socket_set_nonblocking(socket_, true);
  if (status != MANGO_STATUS_OK) return status;
  (void)engine.socket_set_option(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Inherited by accepted sockets: saves a system call for each.
  (void)engine.socket_set_option(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (shared) status = engine.socket_set_option(socket_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (status == MANGO_STATUS_OK)
    status =
        engine.socket_bind(socket_, reinterpret_cast<const sockaddr*>(&endpoint.storage), endpoint.length);
  if (status == MANGO_STATUS_OK) status = engine.socket_listen(socket_, backlog);
  if (status != MANGO_STATUS_OK || endpoint.port() != 0) return status;
  Endpoint bound;
  bound.length = sizeof bound.storage;
  status = engine.socket_get_name(socket_, reinterpret_cast<sockaddr*>(&bound.storage), &bound.length);
  if (status == MANGO_STATUS_OK) endpoint.set_port(bound.port());
  return status;
}

bool ListeningSocket::watch(Loop& loop, Handler& handler) noexcept {
  if (!loop.watch(fd_, handler, EPOLLIN)) return false;
  loop_ = &loop;
  reserve_fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  return true;
}

Accepted ListeningSocket::accept(Stream& stream, Endpoint& peer) noexcept {
  mango_socket_h client = nullptr;
  peer.length = sizeof peer.storage;
  ++calls().accept;
  const mango_status_e status =
      engine_->socket_accept(socket_, reinterpret_cast<sockaddr*>(&peer.storage), &peer.length, &client);
  if (status == MANGO_STATUS_TOO_MANY_FILES || status == MANGO_STATUS_SYSTEM_FILE_LIMIT)
    return Accepted::exhausted;
  if (status == MANGO_STATUS_ABORTED) return Accepted::failed;
  if (means_reset(status)) {
    engine_->note_reset(era_);
    return Accepted::lost;
  }
  if (status != MANGO_STATUS_OK) return Accepted::none;
  int fd = -1;
  (void)engine_->socket_get_fd(client, &fd);
  (void)engine_->socket_set_nonblocking(client, true);
  stream = Stream(*engine_, client, fd, era_);
  return Accepted::ok;
}

bool ListeningSocket::refuse_one() noexcept {
  if (reserve_fd_ >= 0) ::close(reserve_fd_);
  Stream stream;
  Endpoint peer;
  const bool refused = accept(stream, peer) == Accepted::ok;
  if (refused) stream.abort();
  stream.close();
  reserve_fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  return refused;
}

void ListeningSocket::close() noexcept {
  if (socket_ == nullptr) return;
  if (loop_ != nullptr) loop_->unwatch(fd_);
  (void)engine_->socket_close(socket_);
  (void)engine_->socket_destroy(socket_);
  if (reserve_fd_ >= 0) ::close(reserve_fd_);
  socket_ = nullptr;
  loop_ = nullptr;
  fd_ = reserve_fd_ = -1;
}

}  // namespace mango::net
