// SPDX-License-Identifier: Apache-2.0
// The client half of libmango-ipc-iceoryx.so: request-response over shared memory. The library's port is for
// one thread, and a server's queue drops what does not fit, so callers take turns and few requests are under
// way.
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "iceoryx_posh/popo/untyped_client.hpp"
#include "iceoryx_posh/popo/wait_set.hpp"
#include "ipc/encoded_client.h"
#include "ipc/iceoryx/runtime.h"

namespace mango::ipc {

namespace {

using Clock = std::chrono::steady_clock;
using Deadline = EncodedClient::Deadline;

constexpr auto kConnectStep =
    std::chrono::milliseconds(2);  // the library tells of no connection; one has to look
// Requests without an answer. A server's queue holds 1024, and as many clients as it takes (256) may do the
// same.
constexpr int kMostUnanswered = 4;

// A port, and what waits for it. One thread at a time.
class Port {
 public:
  explicit Port(const std::string& name);
  ~Port() { waiting_.detachState(client_, iox::popo::ClientState::HAS_RESPONSE); }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  [[nodiscard]] mango_status_e call(std::string_view message, std::string& answer, Deadline deadline);
  [[nodiscard]] mango_status_e post(std::string_view message, Deadline deadline);

 private:
  [[nodiscard]] bool send(std::string_view message, Deadline deadline);
  [[nodiscard]] bool connected(Deadline deadline) const noexcept;
  void take(int64_t wanted, std::string* answer, bool& found);
  [[nodiscard]] bool wait(Deadline deadline) noexcept;

  iox::popo::UntypedClient client_;
  iox::popo::WaitSet<1> waiting_;
  int64_t sequence_ = 0;
  int unanswered_ = 0;
};

iox::popo::ClientOptions port_options() noexcept {
  iox::popo::ClientOptions options;
  options.responseQueueCapacity = 2 * kMostUnanswered;  // answers that came too late for their call, too
  return options;
}

Port::Port(const std::string& name) : client_(service_of(name), port_options()) {
  (void)waiting_.attachState(client_, iox::popo::ClientState::HAS_RESPONSE).or_else([](auto&) {});
}

bool Port::connected(Deadline deadline) const noexcept {
  while (client_.getConnectionState() != iox::ConnectionState::CONNECTED) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kConnectStep);
  }
  return true;
}

// Sends under the next sequence number.
bool Port::send(std::string_view message, Deadline deadline) {
  if (!connected(deadline)) return false;
  bool sent = false;
  client_.loan(payload_bytes(message), kPayloadAlignment)
      .and_then([&](void* payload) {
        write_payload(payload, message);
        iox::popo::RequestHeader::fromPayload(payload)->setSequenceId(++sequence_);
        client_.send(payload).and_then([&] { sent = true; }).or_else([](auto&) {});
      })
      .or_else([](auto&) {});
  if (sent) ++unanswered_;
  return sent;
}

// Takes all answers there are.
void Port::take(int64_t wanted, std::string* answer, bool& found) {
  bool more = true;
  while (more) {
    client_.take()
        .and_then([&](const void* payload) {
          if (unanswered_ > 0) --unanswered_;
          const int64_t sequence = iox::popo::ResponseHeader::fromPayload(payload)->getSequenceId();
          if (answer && sequence == wanted) found = read_payload(payload, *answer);
          client_.releaseResponse(payload);
        })
        .or_else([&](auto&) { more = false; });
  }
}

// True when an answer may be there.
bool Port::wait(Deadline deadline) noexcept {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  if (left <= 0) return false;
  (void)waiting_.timedWait(iox::units::Duration::fromMilliseconds(left));
  return true;
}

mango_status_e Port::call(std::string_view message, std::string& answer, Deadline deadline) {
  bool found = false;
  take(0, nullptr, found);
  if (!send(message, deadline)) return MANGO_STATUS_IPC_UNAVAILABLE;
  const int64_t wanted = sequence_;
  do take(wanted, &answer, found);
  while (!found && wait(deadline));
  if (!found) unanswered_ = 0;  // whoever should have answered is gone, or hangs
  return found ? MANGO_STATUS_OK : MANGO_STATUS_IPC_UNAVAILABLE;
}

mango_status_e Port::post(std::string_view message, Deadline deadline) {
  bool found = false;
  take(0, nullptr, found);
  while (unanswered_ >= kMostUnanswered) {
    if (!wait(deadline)) unanswered_ = 0;
    take(0, nullptr, found);
  }
  return send(message, deadline) ? MANGO_STATUS_OK : MANGO_STATUS_IPC_UNAVAILABLE;
}

// The port of one process, and whose turn it is to use it.
class Turn {
 public:
  // Needs the process's runtime.
  explicit Turn(const std::string& name) : port_(name) {}

  [[nodiscard]] pid_t owner() const noexcept { return owner_; }

  // use(port) when it is our turn; IPC_UNAVAILABLE when that is not by the deadline.
  template <class Use>
  mango_status_e take(Deadline deadline, Use use) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_until(lock, deadline, [this] { return !taken_; })) return MANGO_STATUS_IPC_UNAVAILABLE;
    taken_ = true;
    lock.unlock();
    const Giving giving{*this};
    return use(port_);
  }

 private:
  struct Giving {
    Turn& turn;
    ~Giving() {
      std::lock_guard lock(turn.mutex_);
      turn.taken_ = false;
      turn.changed_.notify_one();
    }
  };

  const pid_t owner_ = getpid();
  std::mutex mutex_;
  std::condition_variable changed_;
  bool taken_ = false;
  Port port_;
};

class IceoryxClient final : public EncodedClient {
 public:
  explicit IceoryxClient(std::string name) : name_(std::move(name)), turn_(new Turn(name_)) {}
  ~IceoryxClient() override;

 private:
  [[nodiscard]] mango_status_e exchange(std::string_view message, std::string& answer,
                                        Deadline deadline) override;
  [[nodiscard]] mango_status_e deliver(std::string_view message, Deadline deadline) override;
  Turn* turn();

  const std::string name_;
  std::atomic<Turn*> turn_;  // this process's, or a parent's
};

// After fork() the parent's port and its lock are not ours to touch: they are left as they are. Null when
// this process cannot have a runtime.
Turn* IceoryxClient::turn() {
  Turn* seen = turn_.load(std::memory_order_acquire);
  while (seen->owner() != getpid()) {
    Failure failure;
    if (!ensure_runtime(failure)) return nullptr;
    auto fresh = std::make_unique<Turn>(name_);
    if (turn_.compare_exchange_strong(seen, fresh.get(), std::memory_order_acq_rel)) return fresh.release();
  }
  return seen;
}

mango_status_e IceoryxClient::exchange(std::string_view message, std::string& answer, Deadline deadline) {
  Turn* const own = turn();
  if (!own) return MANGO_STATUS_IPC_UNAVAILABLE;
  return own->take(deadline, [&](Port& port) { return port.call(message, answer, deadline); });
}

mango_status_e IceoryxClient::deliver(std::string_view message, Deadline deadline) {
  Turn* const own = turn();
  if (!own) return MANGO_STATUS_IPC_UNAVAILABLE;
  return own->take(deadline, [&](Port& port) { return port.post(message, deadline); });
}

IceoryxClient::~IceoryxClient() {
  Turn* last = turn_.load(std::memory_order_acquire);
  if (last->owner() == getpid() && runtime_is_of_this_process()) delete last;
}

}  // namespace

}  // namespace mango::ipc

extern "C" __attribute__((visibility("default"))) mango::ipc::ControlClient* mango_ipc_make_client(
    const std::string& path, mango::ipc::Failure& failure) {
  using namespace mango::ipc;
  Endpoint endpoint;
  if (!parse_path_of(MANGO_IPC_PROT_ICEORYX, path, endpoint, failure)) return nullptr;
  if (!ensure_runtime(failure)) return nullptr;
  return new IceoryxClient(endpoint.name);
}
