// SPDX-License-Identifier: Apache-2.0
#include "device/ready_set.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "device/session_memory.h"
#include "device/session_parts.h"

#include <sys/mman.h>

namespace mango::device {
namespace {

constexpr int kNativeEvents = 64;
constexpr uint32_t kNotShared = EPOLLONESHOT | EPOLLEXCLUSIVE;

// Guards which set a session is in. Taken before a set's own.
constinit std::mutex membership;

int raw_control(int epfd, int op, int fd, epoll_event* event) noexcept {
  return static_cast<int>(::syscall(SYS_epoll_ctl, epfd, op, fd, event));
}

int raw_wait(int epfd, epoll_event* events, int most, int timeout_ms) noexcept {
  return static_cast<int>(::syscall(SYS_epoll_pwait, epfd, events, most, timeout_ms, nullptr, 0));
}

}  // namespace

struct ReadySet::Member {
  Session& session;
  epoll_event wanted;
  bool queued = false;
  Member* previous = nullptr;
  Member* next = nullptr;
  uint64_t call = 0;  // of the last report, and where it stands
  int place = 0;
};

// What one wait() has found. Threads may be in several.
struct ReadySet::Found {
  epoll_event* const events;
  const int most;
  const uint64_t call;
  int count = 0;

  [[nodiscard]] int room() const noexcept { return most - count; }
  void report(Member& member, uint32_t ready) noexcept;
};

void ReadySet::Free::operator()(void* memory) const noexcept {
  std::free(memory);
}

std::shared_ptr<ReadySet> ReadySet::make(Client& client, int epfd) noexcept {
  ClientLink* link = nullptr;
  if (client.acquire(link) != MANGO_STATUS_OK) return nullptr;
  std::shared_ptr<ReadySet> set(new (std::nothrow) ReadySet(epfd, link));
  if (!set) {
    link->release();
    return nullptr;
  }
  return set->open(fork_generation.load(std::memory_order_relaxed)) ? set : nullptr;
}

bool ReadySet::open(uint32_t generation) noexcept {
  generation_ = generation;
  LinkRequest request{};
  request.op = LinkOp::set;
  LinkReply reply{};
  LinkFds fds;
  if (link_->ask(request, reply, -1, fds) != MANGO_STATUS_OK || !fds.second) return false;
  constexpr size_t kMost = 16 * sizeof(SharedChannel);
  channel_ =
      static_cast<SharedChannel*>(map_sealed(fds.first.get(), sizeof(SharedChannel), kMost, channel_bytes_));
  members_.reset(static_cast<Member**>(std::calloc(kMaxSessions, sizeof(Member*))));
  inner_.reset(static_cast<int>(::syscall(SYS_epoll_create1, EPOLL_CLOEXEC)));
  if (!channel_ || !members_ || !inner_) return false;
  number_ = reply.session;
  bell_ = std::move(fds.second);
  // Never read: each write is an edge.
  epoll_event bell{EPOLLIN | EPOLLET, {.ptr = &bell_}};
  epoll_event inner{EPOLLIN, {.ptr = &inner_}};
  return raw_control(epfd_, EPOLL_CTL_ADD, bell_.get(), &bell) == 0 &&
         raw_control(epfd_, EPOLL_CTL_ADD, inner_.get(), &inner) == 0;
}

ReadySet::~ReadySet() {
  if (members_ && count_ != 0) {
    const std::lock_guard lock(membership);
    for (uint32_t id = 0; id < kMaxSessions && count_ != 0; ++id)
      if (members_[id]) remove(members_[id]->session);
  }
  // The bell's other end is the device's, so that closing ours would not take it out of the caller's set.
  if (bell_) (void)raw_control(epfd_, EPOLL_CTL_DEL, bell_.get(), nullptr);
  if (inner_) (void)raw_control(epfd_, EPOLL_CTL_DEL, inner_.get(), nullptr);
  if (channel_) ::munmap(channel_, channel_bytes_);
  link_->release();
}

bool ReadySet::inherited() const noexcept {
  return generation_ != fork_generation.load(std::memory_order_relaxed);
}

bool ReadySet::foreign(const Session& session) const noexcept {
  return session.link_.load(std::memory_order_acquire) != link_;
}

bool ReadySet::empty() noexcept {
  const std::lock_guard lock(mutex_);
  return count_ == 0;
}

bool ReadySet::eligible(const Session& session, uint32_t events) const noexcept {
  return !inherited() && !foreign(session) && (events & kNotShared) == 0;
}

int ReadySet::control(int op, Session& session, epoll_event* event) noexcept {
  const std::lock_guard lock(membership);
  ReadySet* set = session.set_.load(std::memory_order_relaxed);
  if (set && set->inherited()) {  // the parent's
    session.set_.store(nullptr, std::memory_order_relaxed);
    session.ring_by_octet();
    set = nullptr;
  }
  if (op == EPOLL_CTL_ADD && !set && eligible(session, event->events)) return add(session, *event);
  if (set != this) return raw_control(epfd_, op, session.fd(), event);
  if (op == EPOLL_CTL_ADD) return fail(EEXIST);
  if (op != EPOLL_CTL_MOD && op != EPOLL_CTL_DEL) return fail(EINVAL);
  if (op == EPOLL_CTL_MOD && (event->events & kNotShared) == 0) return modify(session, *event);
  remove(session);
  if (op == EPOLL_CTL_DEL) return 0;
  return raw_control(epfd_, EPOLL_CTL_ADD, session.fd(), event);
}

int ReadySet::add(Session& session, const epoll_event& event) noexcept {
  const uint32_t id = session.id();
  if (id >= kMaxSessions) return fail(EPROTO);
  auto* member = new (std::nothrow) Member{session, event};
  if (!member) return fail(ENOMEM);
  epoll_event native{event.events, {.u64 = id}};
  const std::lock_guard lock(mutex_);
  if (members_[id] || raw_control(inner_.get(), EPOLL_CTL_ADD, session.fd(), &native) != 0) {
    const int error = members_[id] ? EEXIST : errno;
    delete member;
    return fail(error);
  }
  members_[id] = member;
  ++count_;
  session.set_.store(this, std::memory_order_relaxed);
  session.memory_.shared->rx_set.exchange(number_, std::memory_order_seq_cst);
  put_last(*member);
  return 0;
}

int ReadySet::modify(Session& session, const epoll_event& event) noexcept {
  const std::lock_guard lock(mutex_);
  Member& member = *members_[session.id()];
  const bool same = member.wanted.events == event.events;
  member.wanted = event;
  put_last(member);
  epoll_event native{event.events, {.u64 = session.id()}};
  // An edge-triggered registration is armed anew by the call itself.
  if (same && (event.events & EPOLLET) == 0) return 0;
  return raw_control(inner_.get(), EPOLL_CTL_MOD, session.fd(), &native);
}

// A child's sets are its parent's: there is nothing to take out of them here.
void ReadySet::remove(Session& session) noexcept {
  session.set_.store(nullptr, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  Member* member = std::exchange(members_[session.id()], nullptr);
  --count_;
  unlink(*member);
  delete member;
  if (inherited()) return;
  (void)raw_control(inner_.get(), EPOLL_CTL_DEL, session.fd(), nullptr);
  session.ring_by_octet();
}

void ReadySet::leave(Session& session) noexcept {
  if (session.set_.load(std::memory_order_relaxed) == nullptr) return;
  const std::lock_guard lock(membership);
  if (ReadySet* set = session.set_.load(std::memory_order_relaxed)) set->remove(session);
}

void ReadySet::go_native(Session& session) noexcept {
  if (session.memory_.shared->rx_set.load(std::memory_order_relaxed) != 0) session.ring_by_octet();
}

void ReadySet::put_last(Member& member) noexcept {
  if (member.queued) return;
  member.queued = true;
  member.previous = last_;
  member.next = nullptr;
  (last_ ? last_->next : first_) = &member;
  last_ = &member;
  ++queued_;
}

void ReadySet::unlink(Member& member) noexcept {
  if (!member.queued) return;
  member.queued = false;
  (member.previous ? member.previous->next : first_) = member.next;
  (member.next ? member.next->previous : last_) = member.previous;
  --queued_;
}

int ReadySet::wait(epoll_event* events, int most, int timeout_ms) noexcept {
  const int64_t deadline_ns = timeout_ms > 0 ? deadline_in(int64_t{timeout_ms} * 1'000'000) : 0;
  for (;;) {
    std::unique_lock lock(mutex_);
    Found found{events, most, ++call_};
    gather(found, most - most / 8);  // room for what the descriptors have to tell
    if (found.room() == 0) return most;
    ++waiting_;
    lock.unlock();
    const bool idle = found.count == 0;
    const int native = raw_wait(epfd_, events + found.count, found.room(), idle ? timeout_ms : 0);
    lock.lock();
    --waiting_;
    if (native <= 0) return idle ? native : found.count;
    settle(found, native);
    // The bell may have rung for what another thread has taken.
    if (found.count != 0 || timeout_ms == 0) return found.count;
    if (timeout_ms > 0) timeout_ms = static_cast<int>((left_until(deadline_ns) + 999'999) / 1'000'000);
  }
}

// The bell and the inner set give way to what they stand for.
void ReadySet::settle(Found& found, int native) noexcept {
  bool rung = false;
  bool inner = false;
  const int end = found.count + native;
  for (int i = found.count; i < end; ++i) {
    const void* who = found.events[i].data.ptr;
    rung = rung || who == &bell_;
    inner = inner || who == &inner_;
    if (who != &bell_ && who != &inner_) found.events[found.count++] = found.events[i];
  }
  if (inner) collect_native(found);
  if (rung) gather(found, found.most);
}

// Whoever is going to sleep asks for the bell first and looks then: whatever is marked behind our back rings.
// While all are busy nobody is rung for, and what was marked meanwhile is found in the next call.
void ReadySet::gather(Found& found, int most) noexcept {
  if (inherited()) return;
  collect(found, most);
  if (found.count != 0 && waiting_ == 0) return;
  channel_->asleep.exchange(1, std::memory_order_seq_cst);
  collect(found, most);
}

void ReadySet::collect(Found& found, int most) noexcept {
  if (channel_marked(*channel_)) {
    channel_take(*channel_, [this](uint32_t id) {
      if (members_[id]) put_last(*members_[id]);
    });
  }
  for (size_t left = queued_; left != 0 && found.count < most; --left) {
    Member& member = *first_;
    unlink(member);
    if ((member.wanted.events & EPOLLIN) == 0 || member.session.rests()) continue;
    found.report(member, EPOLLIN);
    if ((member.wanted.events & EPOLLET) == 0) put_last(member);
  }
}

void ReadySet::collect_native(Found& found) noexcept {
  epoll_event native[kNativeEvents];
  const int n = raw_wait(inner_.get(), native, std::min(found.room(), kNativeEvents), 0);
  for (int i = 0; i < n; ++i)
    if (Member* member = members_[native[i].data.u64 % kMaxSessions]) found.report(*member, native[i].events);
}

void ReadySet::Found::report(Member& member, uint32_t ready) noexcept {
  if (member.call == call) {
    events[member.place].events |= ready;
    return;
  }
  if (room() == 0) return;
  member.call = call;
  member.place = count;
  events[count++] = {ready, member.wanted.data};
}

}  // namespace mango::device
