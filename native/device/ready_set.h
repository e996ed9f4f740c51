// SPDX-License-Identifier: Apache-2.0
// An epoll set whose sessions tell that they are readable through shared memory: the device marks them in a
// channel that belongs to the set, and rings once for all that were marked while nobody looked. A ready
// session then costs no system call, where the octet in its pair costs three: the device's send, epoll's
// report, the client's recv.
//
// Everything else (room to send, hang-ups, ends) stays with the descriptors, which are in an inner epoll set;
// and so does readability wherever the device does not know the set, so that a session that is not marked
// rings as ever. Native waiting for the descriptors of such sessions is what is given up: see
// mango_tcp_epoll_set_exclusive().
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <memory>
#include <mutex>

#include "device/raw_calls.h"
#include "device/shared_session.h"
#include "typedef.h"

namespace mango::device {

class Client;
class ClientLink;
class Session;

class ReadySet {
 public:
  // Around the caller's epoll descriptor, which outlives it. Null: the device gives none.
  [[nodiscard]] static std::shared_ptr<ReadySet> make(Client& client, int epfd) noexcept;
  ~ReadySet();
  ReadySet(const ReadySet&) = delete;
  ReadySet& operator=(const ReadySet&) = delete;

  // epoll_ctl(2) and epoll_wait(2).
  [[nodiscard]] int control(int op, Session& session, epoll_event* event) noexcept;
  [[nodiscard]] int wait(epoll_event* events, int most, int timeout_ms) noexcept;
  // Whether the session is of another device (process) than this set, so that a new set would serve it
  // better.
  [[nodiscard]] bool foreign(const Session& session) const noexcept;
  [[nodiscard]] bool empty() noexcept;

  // The session is about to be destroyed, or to become another.
  static void leave(Session& session) noexcept;
  // The session is to be waited for by its descriptor from now on, though it stays in its set.
  static void go_native(Session& session) noexcept;

 private:
  struct Member;
  struct Found;
  struct Free {
    void operator()(void* memory) const noexcept;
  };

  ReadySet(int epfd, ClientLink* link) noexcept : epfd_(epfd), link_(link) {}
  [[nodiscard]] bool open(uint32_t generation) noexcept;
  [[nodiscard]] bool inherited() const noexcept;
  [[nodiscard]] bool eligible(const Session& session, uint32_t events) const noexcept;
  [[nodiscard]] int add(Session& session, const epoll_event& event) noexcept;
  [[nodiscard]] int modify(Session& session, const epoll_event& event) noexcept;
  void remove(Session& session) noexcept;
  void put_last(Member& member) noexcept;
  void unlink(Member& member) noexcept;
  void gather(Found& found, int most) noexcept;
  void collect(Found& found, int most) noexcept;
  void collect_native(Found& found) noexcept;
  void settle(Found& found, int native) noexcept;

  const int epfd_;
  ClientLink* const link_;  // a reference
  uint32_t generation_ = 0;
  uint32_t number_ = 0;
  SharedChannel* channel_ = nullptr;
  size_t channel_bytes_ = 0;
  raw::Fd bell_;
  raw::Fd inner_;

  std::mutex mutex_;                          // guards what follows
  std::unique_ptr<Member*[], Free> members_;  // by the device's id; pages of it come as they are used
  size_t count_ = 0;
  Member* first_ = nullptr;  // may be readable
  Member* last_ = nullptr;
  size_t queued_ = 0;
  uint64_t call_ = 0;  // of wait(): one report for a session in each
  int waiting_ = 0;    // threads that may be asleep
};

}  // namespace mango::device
