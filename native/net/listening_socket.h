// SPDX-License-Identifier: Apache-2.0
// A socket that accepts. Several of them may share an address, one for each worker (SO_REUSEPORT).
#pragma once

#include <string>
#include <vector>

#include "net/loop.h"
#include "net/stream.h"

namespace mango::net {

enum class Accepted : uint8_t {
  ok,
  none,       // nothing is waiting
  failed,     // one connection died before it was accepted; there may be more
  exhausted,  // no file descriptor left
  lost,       // the socket died with its device: close it
};

// Owns its socket. Bound on one thread, then moved to its worker, which alone uses it.
class ListeningSocket {
 public:
  // Opens `count` sockets that share the address, or a single one if the engine cannot share. `endpoint` gets
  // the port the system chose if it was 0. `ours`: another socket of this process may have the port already.
  // False with a sentence in `error`.
  [[nodiscard]] static bool bind(Engine& engine, Endpoint& endpoint, int backlog, size_t count, bool ours,
                                 std::vector<ListeningSocket>& sockets, std::string& error);

  ListeningSocket() noexcept = default;
  ListeningSocket(ListeningSocket&& other) noexcept { swap(other); }
  ListeningSocket& operator=(ListeningSocket&& other) noexcept {
    ListeningSocket taken(static_cast<ListeningSocket&&>(other));
    swap(taken);
    return *this;
  }
  ~ListeningSocket() { close(); }

  // Gives the handler a turn whenever a connection waits. False if the loop cannot watch it.
  [[nodiscard]] bool watch(Loop& loop, Handler& handler) noexcept;
  [[nodiscard]] Accepted accept(Stream& stream, Endpoint& peer) noexcept;
  // The loop says that nothing will come any more: only a reset of the device does that to a listening
  // socket.
  void note_hang_up() noexcept { engine_->note_reset(era_); }
  // Whether its device was reset when that era began.
  [[nodiscard]] bool older_than(uint32_t era) const noexcept { return socket_ != nullptr && era_ != era; }
  // With no descriptor left, a waiting connection would wake the loop for ever: gives up the descriptor kept
  // in reserve for as long as it takes to abort one. True if one was refused.
  [[nodiscard]] bool refuse_one() noexcept;
  void close() noexcept;

  [[nodiscard]] explicit operator bool() const noexcept { return socket_ != nullptr; }
  [[nodiscard]] bool watched() const noexcept { return loop_ != nullptr; }

 private:
  [[nodiscard]] mango_status_e open(Engine& engine, Endpoint& endpoint, int backlog, bool shared) noexcept;
  void swap(ListeningSocket& other) noexcept;

  Engine* engine_ = nullptr;
  Loop* loop_ = nullptr;
  mango_socket_h socket_ = nullptr;
  int fd_ = -1;
  int reserve_fd_ = -1;
  uint32_t era_ = 0;
};

}  // namespace mango::net
