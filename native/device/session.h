// SPDX-License-Identifier: Apache-2.0
// A session as its client sees it: the calls of a TCP socket with the results of the system calls of the same
// names (-1 and errno; besides errno's own values kDeviceReset and kIpcUnavailable), made of memory copies
// and of system calls only where somebody has to wait or to be woken (shared_session.h).
//
// A signal interrupts a blocking call (EINTR) as it does the system call's namesake; callers who do not want
// that call again. Receiving and sending may go on in two threads at once, two receivers or two senders may
// not. accept(), names, options, available() and unacknowledged() are for any number of threads.
//
// Counts of this side are read from the shared memory, not from a private copy: after fork() parent and child
// share a session as they share a socket, one after the other. Whatever the device writes there, positions
// are masked and lengths checked before use: a lie costs the session (kDeviceReset), never memory safety.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>

#include "device/client_link.h"
#include "device/link.h"
#include "device/live.h"
#include "device/session_memory.h"
#include "device/shared_session.h"
#include "ipc/message.h"
#include "typedef.h"

namespace mango::device {

class Client;
class IovCursor;
class ReadySet;

class Session final : public Live<Session> {
 public:
  ~Session();  // closes the descriptor unless released: orderly (FIN after what is queued)
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] int fd() const noexcept { return fd_; }
  // The device's number of it.
  [[nodiscard]] uint32_t id() const noexcept { return memory_.id; }
  // Gives the descriptor away; nothing but destroying the object may follow. The connection goes on.
  int release_fd() noexcept;
  // From now on the session's descriptor is this one, a duplicate of the old (for the shim's dup and close).
  void move_to_fd(int fd) noexcept { fd_ = fd; }

  // Blocking mode is the descriptor's O_NONBLOCK, remembered here.
  int set_nonblocking(bool enable) noexcept;
  [[nodiscard]] bool nonblocking() const noexcept { return nonblocking_; }

  // flags: MSG_PEEK, MSG_DONTWAIT, MSG_WAITALL; others of recv(2) that TCP ignores are ignored. SO_RCVTIMEO
  // and SO_SNDTIMEO are kept here and honoured.
  [[nodiscard]] ssize_t recv(const iovec* iov, int iovcnt, int flags) noexcept;
  // flags: MSG_DONTWAIT; MSG_MORE is a hint that is ignored. Never SIGPIPE.
  [[nodiscard]] ssize_t send(const iovec* iov, int iovcnt, int flags) noexcept;
  // Octets a send would take now. When none, it is as if a send had been tried: the descriptor is not
  // writable until there is room.
  [[nodiscard]] size_t room() noexcept;

  int bind(const sockaddr* addr, socklen_t length) noexcept;
  int listen(int backlog) noexcept;
  // flags: SOCK_CLOEXEC, SOCK_NONBLOCK of the new descriptor. Null with errno. Without room for descriptors
  // in this process (EMFILE) the connection that was to be accepted is lost.
  [[nodiscard]] Session* accept(sockaddr* addr, socklen_t* length, int flags) noexcept;
  int connect(const sockaddr* addr, socklen_t length) noexcept;
  // As connect() on a non-blocking session, whatever the mode.
  [[nodiscard]] int connect_start(const sockaddr* addr, socklen_t length) noexcept;
  int shutdown(int how) noexcept;
  int abort() noexcept;  // RST now; the descriptor stays, hung up
  int renew() noexcept;  // RST, and a fresh session under the same descriptor number, with the same options

  int get_name(sockaddr* addr, socklen_t* length) noexcept;
  int get_peer(sockaddr* addr, socklen_t* length) noexcept;
  int get_option(int level, int name, void* value, socklen_t* length) noexcept;
  int set_option(int level, int name, const void* value, socklen_t length) noexcept;

  // Octets a recv would find; octets sent and not yet acknowledged, those in the ring included. -1 with
  // errno.
  int available() noexcept;
  int unacknowledged() noexcept;
  int sequence(uint32_t* tx, uint32_t* rx) noexcept;
  // The connection's own TCP socket under the same descriptor number, and the session is gone (destroy the
  // object, which leaves the descriptor alone). EBUSY while octets are in the rings.
  int detach() noexcept;

  // A message about this session (TCP_CLOSE, TCP_ABORT, TCP_LISTEN_CLOSE) to the device. DEVICE_RESET when
  // the session is the device's no more: its number may be another's by now.
  [[nodiscard]] mango_status_e tell(mango_ipc_msg_e type) noexcept;
  // The end of the descriptor is a close(), however it comes.
  void wish_orderly() noexcept { wish(kWishOrderly); }

 private:
  friend class Client;
  friend class ReadySet;

  // An option as set before the connection, to be set again on the session that takes this one's place.
  struct KeptOption;
  struct Birth {
    Client& client;
    ClientLink* link;  // a reference, the session's from now on
    int family;        // AF_UNSPEC: see the shared memory
    bool nonblocking;
    bool owned;  // the device knows that this process holds it
  };
  explicit Session(const Birth& birth, const SessionMemory& memory) noexcept;
  // Takes `fd`, except when it fails (null with errno), and the link's reference, always.
  [[nodiscard]] static Session* make(const Birth& birth, raw::Fd& fd, const raw::Fd& memory) noexcept;

  // session_recv.cpp
  [[nodiscard]] ssize_t take_ready(IovCursor& to) noexcept;
  [[nodiscard]] ssize_t recv_waiting(IovCursor& to, ssize_t total, int flags) noexcept;
  [[nodiscard]] ssize_t peek(IovCursor& to, int flags) noexcept;
  [[nodiscard]] bool ready_octets(uint32_t& ready) noexcept;
  [[nodiscard]] int wait_for_octets(int flags, int64_t deadline_ns) noexcept;
  [[nodiscard]] int look_at_pair(bool dont_wait, int64_t deadline_ns) noexcept;
  [[nodiscard]] int end_of_receiving(bool pair_over) noexcept;
  [[nodiscard]] bool rearm() noexcept;
  [[nodiscard]] bool ring_empty() const noexcept;
  [[nodiscard]] bool rests() noexcept;
  [[nodiscard]] bool spin() noexcept;
  void take_octet() noexcept;
  void left_over(uint32_t left) noexcept;
  void ring_by_octet() noexcept;

  // session_send.cpp
  [[nodiscard]] bool may_send() const noexcept;
  [[nodiscard]] ssize_t put_ready(IovCursor& from) noexcept;
  [[nodiscard]] ssize_t send_waiting(IovCursor& from, ssize_t total, int flags) noexcept;
  [[nodiscard]] int become_sendable(bool dont_wait) noexcept;
  [[nodiscard]] bool send_room(uint32_t& room) noexcept;
  [[nodiscard]] bool stuff() noexcept;
  [[nodiscard]] int wait_writable(int64_t deadline_ns) noexcept;
  [[nodiscard]] bool announce() noexcept;

  // session.cpp: what the parts share
  void notify() noexcept;
  [[nodiscard]] ClientLink* usable_link() noexcept;
  [[nodiscard]] ClientLink* adopt_link() noexcept;
  [[nodiscard]] bool device_is_gone() noexcept;
  [[nodiscard]] int gone() noexcept;
  [[nodiscard]] int take_error() noexcept;
  [[nodiscard]] int over_error() noexcept;
  void wish(uint32_t wishes) noexcept;
  [[nodiscard]] SharedState state() const noexcept {
    return memory_.shared->state.load(std::memory_order_acquire);
  }
  [[nodiscard]] bool wishes(uint32_t any) const noexcept {
    return (memory_.shared->wishes.load(std::memory_order_relaxed) & any) != 0;
  }
  [[nodiscard]] bool is_over() const noexcept;

  // session_link.cpp
  [[nodiscard]] mango_status_e ask(LinkRequest& request, LinkReply& reply, LinkFds& fds) noexcept;
  [[nodiscard]] mango_status_e ask(LinkRequest& request, LinkReply& reply) noexcept;
  [[nodiscard]] mango_status_e call(ipc::Request& request, ipc::Response& response) noexcept;
  [[nodiscard]] mango_status_e post(ipc::Request& request) noexcept;
  [[nodiscard]] mango_status_e reachable() noexcept;
  [[nodiscard]] mango_status_e prove() noexcept;
  [[nodiscard]] bool proven() const noexcept;
  [[nodiscard]] mango_status_e blame_device(mango_status_e status) noexcept;

  // session_connect.cpp
  [[nodiscard]] int start_connect(const sockaddr* addr, socklen_t length, bool wait) noexcept;
  [[nodiscard]] int connect_again() noexcept;
  [[nodiscard]] int connect_failed() noexcept;
  [[nodiscard]] int wait_connected() noexcept;
  [[nodiscard]] bool was_connected() const noexcept;
  [[nodiscard]] bool check_address(const sockaddr* addr, socklen_t length) const noexcept;

  // session_listen.cpp
  [[nodiscard]] int nothing_accepted(ssize_t n) noexcept;
  [[nodiscard]] Session* accepted(const AcceptedFrame& frame, LinkFds& fds, int flags) noexcept;

  // session_renew.cpp
  [[nodiscard]] bool take_place(LinkFds& fds) noexcept;
  void remember_option(int level, int name, const void* value, uint32_t length) noexcept;
  void replay_options() noexcept;
  void forget_options() noexcept;

  // session_option.cpp
  [[nodiscard]] int get_ended_option(void* value, socklen_t* length, int level, int name) noexcept;
  [[nodiscard]] int pending_error() noexcept;
  [[nodiscard]] int* hint_of(int level, int name) noexcept;
  void copy_local_options(const Session& other) noexcept;
  void set_local_options_on(int fd) const noexcept;

  SessionMemory memory_;
  char* rx_ = nullptr;
  char* tx_ = nullptr;
  int fd_ = -1;
  bool nonblocking_ = false;
  std::atomic<bool> gone_{false};  // the device, or its honesty
  std::atomic<bool> rx_shut_{false};
  // The receiver's own.
  bool owed_ = false;       // octets may be in the ring that nobody rang for
  uint8_t partial_ = 0;     // above 0: the caller leaves octets in the ring
  uint8_t spin_pause_ = 0;  // waits until spinning is tried again
  std::atomic<bool> connect_pending_{false};
  linger linger_{};
  // Hints about segments, which are the device's to make: remembered, that is all.
  int nodelay_ = 0;
  int cork_ = 0;
  int quickack_ = 1;
  int family_ = AF_UNSPEC;
  int64_t rx_timeout_ns_ = 0;  // 0: none
  int64_t tx_timeout_ns_ = 0;
  Client& client_;
  std::atomic<ClientLink*> link_;
  std::atomic<const ClientLink*> proven_;  // the link by which the device knows that we hold the session
  KeptOption* options_ = nullptr;
  std::atomic<ReadySet*> set_{nullptr};  // ready_set.cpp's
};

// All live sessions of this process will end with a close(), as they do when a program exits without closing
// them.
void mark_all_orderly() noexcept;

}  // namespace mango::device
