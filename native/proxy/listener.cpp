// SPDX-License-Identifier: Apache-2.0
#include "proxy/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "net/calls.h"

namespace mango::proxy {

namespace {

std::string sentence(const net::Endpoint& endpoint, mango_status_e status) {
  return "cannot listen on " + endpoint.to_string() + ": " + std::strerror(-static_cast<int>(status));
}

// One socket, bound and listening. `shared`: with SO_REUSEPORT.
mango_status_e open_socket(net::Engine& engine, net::Endpoint& endpoint, int backlog, bool shared,
                           Listener::Socket& out) {
  const int on = 1;
  mango_status_e status = engine.socket_create(engine.tcp(), &out.handle);
  if (status != MANGO_STATUS_OK) return status;
  status = engine.socket_open(out.handle, &out.fd);
  if (status == MANGO_STATUS_OK) status = engine.socket_set_nonblocking(out.handle, true);
  if (status != MANGO_STATUS_OK) return status;
  (void)engine.socket_set_option(out.handle, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Inherited by accepted sockets: saves a system call for each.
  (void)engine.socket_set_option(out.handle, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (shared) {
    status = engine.socket_set_option(out.handle, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (status != MANGO_STATUS_OK) return status;
  }
  status = engine.socket_bind(out.handle, reinterpret_cast<const sockaddr*>(&endpoint.storage), endpoint.length);
  if (status != MANGO_STATUS_OK) return status;
  status = engine.socket_listen(out.handle, backlog);
  if (status != MANGO_STATUS_OK || endpoint.port() != 0) return status;
  net::Endpoint bound;
  bound.length = sizeof bound.storage;
  status = engine.socket_get_name(out.handle, reinterpret_cast<sockaddr*>(&bound.storage), &bound.length);
  if (status == MANGO_STATUS_OK) endpoint.set_port(bound.port());
  return status;
}

// SO_REUSEPORT lets two proxies of one user share a port without an error, which is never meant: bind once without
// it, and only then share.
mango_status_e probe(net::Engine& engine, net::Endpoint& endpoint) {
  Listener::Socket socket;
  const mango_status_e status = open_socket(engine, endpoint, 1, false, socket);
  Listener::close(engine, socket);
  return status;
}

}  // namespace

void Listener::close(net::Engine& engine, const Socket& socket) noexcept {
  if (socket.handle == nullptr) return;
  (void)engine.socket_close(socket.handle);
  (void)engine.socket_destroy(socket.handle);
}

bool Listener::bind(net::Engine& engine, net::Endpoint& endpoint, int backlog, size_t workers, bool ours,
                    std::vector<Socket>& sockets, std::string& error) {
  mango_status_e status = ours ? MANGO_STATUS_OK : probe(engine, endpoint);
  for (size_t i = 0; status == MANGO_STATUS_OK && i < workers; ++i) {
    Socket socket;
    status = open_socket(engine, endpoint, backlog, true, socket);
    if (status == MANGO_STATUS_UNKNOWN_OPTION || status == MANGO_STATUS_NOT_SUPPORTED) {
      close(engine, socket);
      socket = Socket();
      status = open_socket(engine, endpoint, backlog, false, socket);
      workers = 1;
    }
    if (status == MANGO_STATUS_OK)
      sockets.push_back(socket);
    else
      close(engine, socket);
  }
  if (status == MANGO_STATUS_OK) return true;
  for (const Socket& socket : sockets) close(engine, socket);
  sockets.clear();
  error = sentence(endpoint, status);
  return false;
}

void Listener::give(const Socket& socket, uint16_t port, bool spread) noexcept {
  socket_ = socket;
  port_ = port;
  spread_ = spread;
}

bool Listener::adopt(std::shared_ptr<WorkerView> view, uint32_t index) {
  view_ = std::move(view);
  index_ = index;
  if (watched_ || socket_.handle == nullptr) return true;
  reserve_fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  watched_ = worker_.loop().watch(socket_.fd, *this, EPOLLIN);
  return watched_;
}

void Listener::close() {
  closed_ = true;
  if (socket_.handle != nullptr) {
    if (watched_) worker_.loop().unwatch(socket_.fd);
    close(worker_.shared().engine, socket_);
    socket_ = Socket();
  }
  watched_ = false;
  if (reserve_fd_ >= 0) ::close(reserve_fd_);
  reserve_fd_ = -1;
}

void Listener::on_turn(uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn && !closed_; ++i)
    if (!accept_one()) return;
}

bool Listener::accept_one() {
  net::Engine& engine = worker_.shared().engine;
  net::Endpoint peer;
  peer.length = sizeof peer.storage;
  mango_socket_h client = nullptr;
  ++net::calls().accept;
  const mango_status_e status =
      engine.socket_accept(socket_.handle, reinterpret_cast<sockaddr*>(&peer.storage), &peer.length, &client);
  if (status == MANGO_STATUS_TOO_MANY_FILES || status == MANGO_STATUS_SYSTEM_FILE_LIMIT) {
    shed();
    return false;
  }
  if (status == MANGO_STATUS_ABORTED) return true;
  if (status != MANGO_STATUS_OK) return false;
  int fd = -1;
  (void)engine.socket_get_fd(client, &fd);
  (void)engine.socket_set_nonblocking(client, true);
  ++counters.accepted;
  deal(net::Stream(engine, client, fd), peer);
  return true;
}

// No descriptor left: without this the connection would stay in the queue and wake us for ever. The one kept in
// reserve is given up for as long as it takes to refuse one connection, after making room if anybody is idle.
void Listener::shed() {
  if (worker_.evict_idle()) return;
  if (reserve_fd_ >= 0) ::close(reserve_fd_);
  net::Engine& engine = worker_.shared().engine;
  mango_socket_h client = nullptr;
  if (engine.socket_accept(socket_.handle, nullptr, nullptr, &client) == MANGO_STATUS_OK) {
    (void)engine.socket_abort(client);
    (void)engine.socket_close(client);
    (void)engine.socket_destroy(client);
    worker_.counters().rare.count_reason("no_file_descriptors");
  }
  reserve_fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void Listener::deal(net::Stream stream, const net::Endpoint& peer) {
  Worker& target = spread_ ? *worker_.peers[next_worker_++ % worker_.peers.size()] : worker_;
  if (&target == &worker_) {
    worker_.open_session(shared_from_this(), std::move(stream), peer);
    return;
  }
  auto carried = std::make_shared<net::Stream>(std::move(stream));
  target.loop().post([&target, name = name_, carried, peer] { target.open_session(name, std::move(*carried), peer); });
}

}  // namespace mango::proxy
