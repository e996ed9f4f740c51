// SPDX-License-Identifier: Apache-2.0
#include "proxy/listener.h"

#include "proxy/device_keeper.h"

namespace mango::proxy {

void Listener::give(net::ListeningSocket socket, uint16_t port, bool spread) noexcept {
  socket_ = std::move(socket);
  port_ = port;
  spread_ = spread;
}

bool Listener::adopt(std::shared_ptr<WorkerView> view, uint32_t index) {
  view_ = std::move(view);
  index_ = index;
  return !socket_ || socket_.watched() || socket_.watch(worker_.loop(), *this);
}

// Clients already in the queue are served (their one answer says "close"), for closing the socket would reset
// them.
void Listener::close() {
  closed_ = true;
  for (int i = 0; i < kAcceptsAtClose && socket_.watched(); ++i)
    if (!accept_one()) break;
  socket_.close();
  lost_.store(false, std::memory_order_release);
}

void Listener::drop_older_than(uint32_t era) {
  if (socket_.older_than(era)) lose();
}

// Sessions go on, and so does the listener: only nobody can connect until it has a socket again.
void Listener::lose() {
  socket_.close();
  lost_.store(!closed_, std::memory_order_release);
  worker_.shared().device.wake();
}

void Listener::reopen(net::ListeningSocket socket) {
  if (closed_ || socket_) return;
  if (!socket.watch(worker_.loop(), *this)) return;
  socket_ = std::move(socket);
  lost_.store(false, std::memory_order_release);
}

void Listener::on_turn(uint32_t events) {
  for (int i = 0; i < kAcceptsPerTurn && !closed_; ++i)
    if (!accept_one()) break;
  if ((events & EPOLLHUP) == 0 || !socket_) return;
  socket_.note_hang_up();
  lose();
}

bool Listener::accept_one() {
  net::Stream stream;
  net::Endpoint peer;
  switch (socket_.accept(stream, peer)) {
    case net::Accepted::none:
      return false;
    case net::Accepted::lost:
      lose();
      return false;
    case net::Accepted::failed:
      return true;
    case net::Accepted::exhausted:
      if (!worker_.evict_idle() && socket_.refuse_one())
        worker_.counters().rare.count_reason("no_file_descriptors");
      return false;
    case net::Accepted::ok:
      break;
  }
  ++counters.accepted;
  deal(std::move(stream), peer);
  return true;
}

void Listener::deal(net::Stream stream, const net::Endpoint& peer) {
  Worker& target = spread_ ? *worker_.peers[next_worker_++ % worker_.peers.size()] : worker_;
  if (&target == &worker_) {
    worker_.open_session(shared_from_this(), std::move(stream), peer);
    return;
  }
  auto carried = std::make_shared<net::Stream>(std::move(stream));
  target.loop().post(
      [&target, name = name_, carried, peer] { target.open_session(name, std::move(*carried), peer); });
}

}  // namespace mango::proxy
