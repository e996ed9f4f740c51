// SPDX-License-Identifier: Apache-2.0
#include "proxy/worker.h"

#include <sys/random.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <unordered_set>

#include "proxy/exchange.h"
#include "proxy/listener.h"
#include "proxy/session.h"
#include "proxy/upstream.h"

namespace mango::proxy {

namespace {

constexpr uint64_t kUnlimited = UINT64_MAX;  // until the first snapshot says otherwise

}  // namespace

Worker::Worker(Shared& shared, size_t index)
    : shared_(shared),
      index_(index),
      loop_(shared.engine),
      pool_(kUnlimited),
      io_(loop_, pool_),
      heads_(std::make_unique<http::Heads>()),
      bans_(BanTable::build({})) {
  (void)!::getrandom(random_.data(), sizeof random_, 0);
}

Worker::~Worker() {
  stop();
}

const char* Worker::start() {
  if (const char* problem = loop_.start()) return problem;
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), ("mango-" + std::to_string(index_)).c_str());
    loop_.run([this] { after_turn(); });
    // Still on the worker's thread: what is left ends here, in the reverse order of its making.
    for (const auto& listener : listeners_) listener->close();
    for (Session* session : sessions()) session->act(config::ActionKind::abort);
    after_turn();
  });
  return nullptr;
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
  // Sessions and views hold pools, and pools hold connections: all go while loop, buffers and counters are
  // there.
  loop_.drop_leftovers();
  pools.clear();
  view_.reset();
  listeners_.clear();
  loop_.drop_leftovers();
}

void Worker::after_turn() {
  io_.flush_writer();
  io_.flush_batches();
  for (Exchange* exchange : ended_exchanges_) {
    std::swap(exchanges_[exchange->slot], exchanges_.back());
    exchanges_[exchange->slot]->slot = exchange->slot;
    exchange->recycle();
    spare_exchanges_.push_back(std::move(exchanges_.back()));
    exchanges_.pop_back();
  }
  ended_exchanges_.clear();
  removed_listeners_.clear();
  if (!logged_) return;
  logged_ = false;
  shared_.access_log.wake();
}

// --- configuration
// ------------------------------------------------------------------------------------------

void Worker::adopt(std::shared_ptr<WorkerView> view, std::vector<std::shared_ptr<Listener>> listeners) {
  const std::shared_ptr<WorkerView> old = std::exchange(view_, std::move(view));
  pool_.set_budget(view_->document().limits.max_buffer_bytes / shared_.workers);
  adopt_pools(old.get());
  for (uint32_t i = 0; i < listeners.size(); ++i) (void)listeners[i]->adopt(view_, i);
  for (const auto& listener : listeners_) {
    if (std::find(listeners.begin(), listeners.end(), listener) != listeners.end()) continue;
    listener->close();
    removed_listeners_.push_back(listener);
    for (Session* session : sessions())
      if (&session->listener() == listener.get()) session->drain();
  }
  listeners_ = std::move(listeners);
}

// Pools of servers that are still there get their new settings, the others retire.
void Worker::adopt_pools(const WorkerView* old) {
  std::unordered_set<const ServerPool*> kept;
  for (size_t i = 0; i < view_->upstreams.size(); ++i) {
    const config::Upstream& upstream = view_->document().upstreams[i];
    for (size_t k = 0; k < upstream.servers.size(); ++k) {
      ServerPool& pool = *view_->upstreams[i].servers[k];
      pool.configure(upstream, upstream.servers[k], view_->snapshot->upstreams[i].tls);
      kept.insert(&pool);
    }
  }
  if (old == nullptr) return;
  for (const UpstreamView& upstream : old->upstreams)
    for (const auto& pool : upstream.servers)
      if (!kept.contains(pool.get())) pool->retire();
}

void Worker::drain() {
  for (const auto& listener : listeners_) {
    listener->close();
    removed_listeners_.push_back(listener);
  }
  for (Session* session : sessions()) session->drain();
}

void Worker::end_older_than(uint32_t era) {
  for (const auto& listener : listeners_) listener->drop_older_than(era);
  for (Session* session : sessions())
    if (session->stream().older_than(era)) session->device_was_reset();
  if (view_ == nullptr) return;
  for (const UpstreamView& upstream : view_->upstreams)
    for (const auto& pool : upstream.servers) pool->drop_older_than(era);
}

// --- sessions
// -----------------------------------------------------------------------------------------------

void Worker::open_session(const std::string& listener, net::Stream stream, const net::Endpoint& peer) {
  for (const auto& candidate : listeners_)
    if (candidate->name() == listener) return open_session(candidate, std::move(stream), peer);
}

void Worker::open_session(const std::shared_ptr<Listener>& listener, net::Stream stream,
                          const net::Endpoint& peer) {
  const uint64_t id = next_session_++ * shared_.workers + index_ + 1;
  auto* session = new Session(*this, listener, id, peer);  // owned by the lists; session_closed() ends it
  session->self_ = idle_.insert(idle_.end(), session);
  session->listed_idle_ = true;
  ++counters_.sessions;
  session->open(std::move(stream));
}

void Worker::file_session(Session& session, bool idle) noexcept {
  std::list<Session*>& from = session.listed_idle_ ? idle_ : busy_;
  std::list<Session*>& to = idle ? idle_ : busy_;
  to.splice(to.end(), from, session.self_);
  session.listed_idle_ = idle;
}

void Worker::session_closed(Session& session) {
  (session.listed_idle_ ? idle_ : busy_).erase(session.self_);
  loop_.retire(std::unique_ptr<net::Handler>(&session));
}

bool Worker::evict_idle() {
  if (idle_.empty()) return false;
  Session* oldest = idle_.front();
  oldest->apply(config::Trigger::overload, "evicted_for_newer_session");
  if (oldest->state() == SessionState::closing) oldest->finish_close();
  return oldest->state() == SessionState::closed;
}

std::vector<Session*> Worker::sessions() const {
  std::vector<Session*> all(idle_.begin(), idle_.end());
  all.insert(all.end(), busy_.begin(), busy_.end());
  return all;
}

// --- exchanges
// ----------------------------------------------------------------------------------------------

Exchange& Worker::begin_exchange() {
  if (spare_exchanges_.empty()) {
    exchanges_.push_back(std::make_unique<Exchange>(*this));
  } else {
    exchanges_.push_back(std::move(spare_exchanges_.back()));
    spare_exchanges_.pop_back();
  }
  exchanges_.back()->slot = exchanges_.size() - 1;
  return *exchanges_.back();
}

void Worker::end_exchange(Exchange& exchange) {
  ended_exchanges_.push_back(&exchange);
}

// --- small services
// -----------------------------------------------------------------------------------------

std::string_view Worker::date() {
  const uint64_t second = unix_ms() / 1000;
  if (second != date_second_) {
    date_second_ = second;
    (void)http::format_http_date(static_cast<int64_t>(second), date_);
  }
  return {date_.data(), date_.size()};
}

uint64_t Worker::unix_ms() const noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

// xoroshiro128++ (Blackman, Vigna), seeded by the system.
void Worker::make_request_id(char out[32]) noexcept {
  constexpr char kHex[] = "0123456789abcdef";
  const auto rotate = [](uint64_t x, int k) { return x << k | x >> (64 - k); };
  for (int half = 0; half < 2; ++half) {
    const uint64_t a = random_[0];
    uint64_t b = random_[1];
    uint64_t value = rotate(a + b, 17) + a;
    b ^= a;
    random_[0] = rotate(a, 49) ^ b ^ (b << 21);
    random_[1] = rotate(b, 28);
    for (int digit = 0; digit < 16; ++digit, value >>= 4) out[half * 16 + digit] = kHex[value & 15];
  }
}

void Worker::emit(std::string event) {
  if (shared_.events.put(std::move(event)))
    ++counters_.events;
  else
    ++counters_.events_dropped;
}

void Worker::log(std::string_view line) {
  shared_.access_log.put(index_, line);
  logged_ = true;
}

}  // namespace mango::proxy
