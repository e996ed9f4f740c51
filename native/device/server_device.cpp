// SPDX-License-Identifier: Apache-2.0
#include "device/server_device.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace mango::device {
namespace {

bool enter_netns(const std::string& name, std::string& error) {
  if (name.empty()) return true;
  const std::string path = name.find('/') == std::string::npos ? "/run/netns/" + name : name;
  const Descriptor netns(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (netns && ::setns(netns.get(), CLONE_NEWNET) == 0) return true;
  const int failed = errno;
  error = "network namespace " + path + ": " + std::strerror(failed);
  errno = failed;
  return false;
}

}  // namespace

uint32_t most_sessions(uint32_t wanted) noexcept {
  rlimit limit{};
  uint64_t files = 1024;
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) files = limit.rlim_cur;
  const uint64_t fit = files > kSpareDescriptors ? (files - kSpareDescriptors) / kDescriptorsPerSession : 0;
  const uint64_t most = std::clamp<uint64_t>(fit, 1, kMostSessions);
  return static_cast<uint32_t>(wanted == 0 ? most : std::min<uint64_t>(wanted, most));
}

Device::Device(const ServerOptions& options, const LinkAccess& access, Descriptor link, std::string link_path)
    : options_(options), link_path_(std::move(link_path)), access_(access), link_listener_(std::move(link)) {
  core_.device = options.index;
  core_.settings = {most_sessions(options.most_sessions), options.rx_ring_bytes, options.tx_ring_bytes};
}

Device::~Device() {
  sessions_.each([](ServerSession& session) { session.end(End::reset); });
}

bool Device::prepare(std::string& error) {
  core_.epoll.reset(::epoll_create1(EPOLL_CLOEXEC));
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const bool made =
      core_.epoll && wake_ && core_.watch(wake_.get(), EPOLLIN | EPOLLET, event_key(EventKind::wake, 0)) &&
      core_.watch(link_listener_.get(), EPOLLIN | EPOLLET, event_key(EventKind::link_listener, 0));
  const int failed = errno;
  if (!made) error = std::string("epoll: ") + std::strerror(failed);
  started_ms_ = monotonic_ms();
  errno = failed;
  return made;
}

bool Device::enter(std::string& error) {
  if (!enter_netns(options_.netns, error)) return false;
  address_.emplace();
  first_free_port_ = first_free_port();
  return true;
}

void Device::run() {
  epoll_event events[kEventsPerTurn];
  while (!stopping_.load(std::memory_order_acquire)) {
    bool asleep = false;
    if (work_at_hand())
      spin_.found_work();
    else if (!spin_.again(core_.settings.spin_us))
      asleep = fall_asleep();
    core_.ready.ring();
    const int n = ::epoll_wait(core_.epoll.get(), events, kEventsPerTurn, asleep ? sleep_ms() : 0);
    if (asleep) wake_up();
    if (n > 0) spin_.found_work();
    for (int i = 0; i < n; ++i) on_event(events[i]);
    if (draining_ != 0 || !starved_.empty() || link_starved_) on_timer(monotonic_ms());
  }
  sessions_.each([](ServerSession& session) { session.end(End::reset); });
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (Message& message : messages_) message.answer({.status = MANGO_STATUS_IPC_UNAVAILABLE});
  messages_.clear();
}

void Device::stop() noexcept {
  stopping_.store(true, std::memory_order_release);
  (void)::eventfd_write(wake_.get(), 1);
}

bool Device::work_at_hand() {
  bool worked = take_marks();
  worked |= take_queued();
  worked |= take_messages();
  if (resetting_) reset_device();
  return worked;
}

bool Device::take_marks() {
  bool any = false;
  for (auto& [serial, client] : clients_) any |= take_marks_of(*client);
  return any;
}

// Whoever marks may mark any session: it is looked at, no more.
bool Device::take_marks_of(ServerClient& client) {
  if (!channel_marked(client.channel())) return false;
  channel_take(client.channel(), [this](uint32_t id) {
    ServerSession* session = sessions_.find(id);
    if (!session) return;
    session->on_mark();
    after(*session);
  });
  return true;
}

bool Device::take_queued() {
  if (queue_.empty()) return false;
  std::vector<uint64_t> now;
  now.swap(queue_);
  for (const uint64_t value : now) {
    ServerSession* session = sessions_.find_value(value);
    if (!session) continue;
    session->queued = false;
    if (session->phase() == Phase::listening)
      accept_sessions(*session);
    else
      session->pump();
    after(*session);
  }
  return true;
}

// Whoever marks from here on sees that the device sleeps; whoever did before is seen. False: there is work.
bool Device::fall_asleep() noexcept {
  for (auto& [serial, client] : clients_) client->channel().asleep.store(1, std::memory_order_seq_cst);
  bool work = message_waits_.load(std::memory_order_seq_cst);
  for (auto& [serial, client] : clients_) work = work || channel_marked(client->channel());
  if (work) wake_up();
  return !work;
}

void Device::wake_up() noexcept {
  ++core_.counters.wakeups;
  for (auto& [serial, client] : clients_) client->channel().asleep.store(0, std::memory_order_relaxed);
}

int Device::sleep_ms() const noexcept {
  if (!starved_.empty() || link_starved_) return kStarvedRetryMs;
  return draining_ != 0 ? static_cast<int>(kDrainCheckMs) : -1;
}

void Device::on_event(const epoll_event& event) {
  const auto kind = static_cast<EventKind>(event.data.u64 >> 56);
  const uint64_t value = event.data.u64 & kEventValueMask;
  switch (kind) {
    case EventKind::wake:
    case EventKind::doorbell:
      return;  // what they announce is looked at in every turn
    case EventKind::link_listener:
      return accept_links();
    case EventKind::link:
      return on_link(value);
    case EventKind::tcp:
    case EventKind::pair:
      return on_session_event(kind, value, event.events);
  }
}

void Device::on_session_event(EventKind kind, uint64_t value, uint32_t events) {
  ServerSession* session = sessions_.find_value(value);
  if (!session) return;
  if (kind == EventKind::pair && (events & (EPOLLHUP | EPOLLERR)))
    session->on_client_closed();
  else if (session->phase() == Phase::listening)
    accept_sessions(*session);
  else if (kind == EventKind::tcp)
    session->on_tcp(events);
  after(*session);
}

// To be called when a session was made to do anything.
void Device::after(ServerSession& session) {
  if (session.phase() == Phase::gone) return forget(session);
  if (session.phase() == Phase::draining && !session.counted_draining) {
    session.counted_draining = true;
    ++draining_;
  }
  if (session.wants_more()) queue(session);
}

void Device::queue(ServerSession& session) {
  if (session.queued) return;
  session.queued = true;
  queue_.push_back(session_value(session.generation(), session.id()));
}

void Device::forget(ServerSession& session) {
  const uint32_t id = session.id();
  forget_but_id(session);
  sessions_.give_back(id);
}

void Device::forget_but_id(ServerSession& session) {
  const uint64_t held = session.held;
  if (session.counted_draining) --draining_;
  if (const auto found = clients_.find(session.account); found != clients_.end()) --found->second->sessions;
  sessions_.take(session.id());
  freed_ = true;
  ServerSession* waiting = held != 0 ? sessions_.find_value(held) : nullptr;
  if (!waiting) return;
  waiting->end(End::abort);
  forget(*waiting);
}

void Device::on_timer(uint64_t now_ms) {
  const bool starved = !starved_.empty() || link_starved_;
  if (starved && (freed_ || now_ms - timer_ms_ >= kStarvedRetryMs)) retry_starved();
  freed_ = false;
  if (now_ms - timer_ms_ < (starved ? kStarvedRetryMs : kDrainCheckMs)) return;
  timer_ms_ = now_ms;
  if (draining_ == 0) return;
  sessions_.each([&](ServerSession& session) {
    session.check_progress(now_ms);
    after(session);
  });
}

// A client may close a session and bind its address again before the device has seen the end of the pair.
void Device::reap(const ServerSession& but) {
  sessions_.each([&](ServerSession& session) {
    pollfd end{session.pair(), 0, 0};
    if (&session == &but || end.fd < 0 || ::poll(&end, 1, 0) <= 0 || !(end.revents & (POLLHUP | POLLERR)))
      return;
    session.on_client_closed();
    after(session);
  });
}

void Device::reset_device() {
  sessions_.each([this](ServerSession& session) {
    session.held = 0;
    session.end(End::reset);
    forget(session);
  });
  starved_.clear();
  queue_.clear();
  if (forget_address_) address_->restore();
  forget_address_ = false;
  if (options_.on_reset) options_.on_reset();
  resetting_ = false;
}

}  // namespace mango::device
