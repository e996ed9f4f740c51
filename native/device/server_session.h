// SPDX-License-Identifier: Apache-2.0
// One session of a device: the TCP socket, the device's end of the pair, the rings between them, and the
// rules by which it ends. It knows nothing of other sessions; whoever calls looks at `phase()` afterwards and
// forgets a session that is `gone`.
//
//   open -> listening -> gone
//   open -> connecting -> connected -> draining -> gone      (accepted ones begin as connected)
#pragma once

#include <memory>
#include <vector>

#include "device/link.h"
#include "device/server_core.h"
#include "device/shared_memory.h"

namespace mango::device {

enum class Phase : uint8_t {
  open,
  listening,
  connecting,
  connected,
  draining,  // the client closed it; what was in its ring is still on the way
  gone
};

// Why a session ends by somebody's will.
enum class End : uint8_t {
  abort,    // the client's: it knows
  died,     // the client's process is gone
  hostile,  // the client wrote what cannot be
  reset     // the device is reset
};

class ServerSession {
 public:
  struct Identity {
    uint32_t id = 0;
    uint32_t generation = 0;
    int family = AF_INET;
  };

  // A fresh session around `tcp` (non-blocking). Null with errno. `pair_flags`: SOCK_NONBLOCK, SOCK_CLOEXEC
  // of the client's end.
  [[nodiscard]] static std::unique_ptr<ServerSession> make(ServerCore& core, const Identity& identity,
                                                           Descriptor tcp, int pair_flags) noexcept;
  ~ServerSession();
  ServerSession(const ServerSession&) = delete;
  ServerSession& operator=(const ServerSession&) = delete;

  [[nodiscard]] uint32_t id() const noexcept { return identity_.id; }
  [[nodiscard]] uint32_t generation() const noexcept { return identity_.generation; }
  [[nodiscard]] int family() const noexcept { return identity_.family; }
  [[nodiscard]] Phase phase() const noexcept { return phase_; }
  [[nodiscard]] int tcp() const noexcept { return tcp_.get(); }
  [[nodiscard]] int pair() const noexcept { return pair_.get(); }
  [[nodiscard]] int memory_fd() const noexcept { return memory_.fd(); }
  [[nodiscard]] uint32_t rx_bytes() const noexcept { return rx_bytes_; }
  [[nodiscard]] uint32_t tx_bytes() const noexcept { return tx_bytes_; }
  [[nodiscard]] const sockaddr_storage& peer() const noexcept { return peer_; }
  // The client's end, until it was sent; drop_client_end() then.
  [[nodiscard]] int client_end() const noexcept { return client_end_.get(); }
  void drop_client_end() noexcept { client_end_.reset(); }
  // Whether `fd` is the client's end.
  [[nodiscard]] bool proves(int fd) const noexcept;

  // Who may command the session by its id, and whose account it is on.
  [[nodiscard]] bool owned_by(uint64_t client) const noexcept;
  void add_owner(uint64_t client);
  [[nodiscard]] const std::vector<uint64_t>& owners() const noexcept { return owners_; }

  // 0, or an errno and nothing changed.
  [[nodiscard]] int bind(const sockaddr* addr, socklen_t length) noexcept;
  [[nodiscard]] int listen(int backlog) noexcept;
  // EINPROGRESS, or an errno. Errors of TCP end the session; EISCONN and EALREADY do not.
  [[nodiscard]] int connect(const sockaddr* addr, socklen_t length) noexcept;
  // An accepted socket is connected from the beginning. False with errno.
  [[nodiscard]] bool begin_connected() noexcept;
  void inherit_options(const ServerSession& listener) noexcept;
  [[nodiscard]] int set_option(int level, int name, const void* value, uint32_t length) noexcept;
  // `length`: room, then what it was.
  [[nodiscard]] int get_option(int level, int name, void* value, uint32_t& length) noexcept;
  [[nodiscard]] int sequence(uint32_t& tx, uint32_t& rx) noexcept;
  // The TCP socket, and the session is gone; -1 with EBUSY while octets are in the rings.
  [[nodiscard]] int detach() noexcept;

  // Events.
  void on_tcp(uint32_t events) noexcept;
  void on_mark() noexcept;           // the client asked for a look
  void on_client_closed() noexcept;  // all descriptors of the client's end are gone
  void pump() noexcept;
  // Stopped for the sake of others, not for want of work.
  [[nodiscard]] bool wants_more() const noexcept { return wants_more_ && phase_ != Phase::gone; }

  void close() noexcept;  // orderly
  void abort() noexcept;  // RST behind what TCP takes at once
  void end(End reason) noexcept;
  // For draining sessions: ends those without progress for too long.
  void check_progress(uint64_t now_ms) noexcept;

  // A listener: the accepted session (session_value) whose frame did not fit yet; 0: none.
  uint64_t held = 0;
  // Whose quota the session is charged to.
  uint64_t account = 0;
  bool queued = false;            // for another pump
  bool counted_draining = false;  // among the device's draining ones

 private:
  explicit ServerSession(ServerCore& core) noexcept : core_(core) {}

  [[nodiscard]] bool make_pair(int flags) noexcept;
  void bind_name() noexcept;
  void connect_finished() noexcept;
  [[nodiscard]] int tcp_error() noexcept;
  void note_connected() noexcept;

  void pump_rx() noexcept;
  [[nodiscard]] bool rx_room(uint32_t& room) noexcept;
  void publish_rx(uint32_t bytes) noexcept;
  void ring() noexcept;
  [[nodiscard]] bool mark_ready() noexcept;
  void peer_finished() noexcept;
  void pump_tx() noexcept;
  [[nodiscard]] bool tx_pending(uint32_t& pending) noexcept;
  [[nodiscard]] bool send_some(uint32_t pending) noexcept;
  void skip_tx(uint32_t pending) noexcept;
  void release_sender(uint32_t pending) noexcept;
  void take_stuffing(int most) noexcept;
  void finish_sending(uint32_t wishes, uint32_t pending) noexcept;

  [[nodiscard]] bool has_unread() noexcept;
  void drain() noexcept;
  void fail(int error) noexcept;
  [[nodiscard]] int keep_option(int name, const void* value, uint32_t length) noexcept;
  void say_end(SharedState state, int error) noexcept;
  void close_tcp(bool rst) noexcept;

  ServerCore& core_;
  Identity identity_;
  Phase phase_ = Phase::open;
  Descriptor tcp_;
  Descriptor pair_;
  Descriptor client_end_;
  uint64_t client_cookie_ = 0;
  SharedMemory memory_;
  SharedSession* shared_ = nullptr;
  std::vector<uint64_t> owners_;

  uint32_t rx_bytes_ = 0;
  uint32_t tx_bytes_ = 0;
  uint32_t rx_tail_ = 0;
  uint32_t tx_head_ = 0;
  uint32_t tx_final_ = 0;  // draining: what of the ring is to be sent
  int tx_error_ = 0;       // sending failed with it; what can still be received comes first
  bool readable_ = false;
  bool writable_ = false;
  bool end_seen_ = false;  // FIN or an error is there: a short read is not the end of it
  bool rx_finished_ = false;
  bool fin_sent_ = false;
  bool wants_more_ = false;
  bool starved_ = false;
  bool nodelay_ = false;  // what the client set; the socket's is always on while connected
  linger linger_{};
  sockaddr_storage peer_{};
  uint64_t progress_ms_ = 0;
};

[[nodiscard]] inline socklen_t address_length(int family) noexcept {
  return family == AF_INET6 ? socklen_t{28} : socklen_t{16};
}
[[nodiscard]] uint64_t monotonic_ms() noexcept;

}  // namespace mango::device
