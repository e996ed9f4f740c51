// SPDX-License-Identifier: Apache-2.0
#include "ipc/grpc_channel.h"

#include <cerrno>
#include <new>

#include "device/raw_calls.h"

namespace mango::ipc {

namespace raw = device::raw;

namespace {

constexpr size_t kReadBytes = 16 * 1024;
constexpr size_t kMostExchanges = 256;  // under way at once; posts that nobody waits for count
constexpr int kAttempts = 2;            // the second over a new connection

}  // namespace

mango_status_e GrpcChannel::call(std::string_view message, std::string& answer, Deadline deadline) {
  Lock lock(mutex_);
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (!ensure_open(lock, deadline)) return MANGO_STATUS_IPC_UNAVAILABLE;
    const Deadline begun = Clock::now();
    GrpcCall call;
    ++waiting_;
    if (begin(message, &call)) {
      while (!call.done && Clock::now() < deadline) pump(lock, deadline);
    }
    --waiting_;
    if (!call.done) {
      expire(call, begun);
      return MANGO_STATUS_IPC_UNAVAILABLE;
    }
    answer = std::move(call.answer);
    if (!call.lost) return call.status;
  }
  return MANGO_STATUS_IPC_UNAVAILABLE;
}

mango_status_e GrpcChannel::post(std::string_view message, Deadline deadline) {
  Lock lock(mutex_);
  if (session_ && !pumping_) carry();  // learns of a server that went away, and takes answers
  if (!ensure_open(lock, deadline) || !begin(message, nullptr)) return MANGO_STATUS_IPC_UNAVAILABLE;
  while (session_ && !unsent_.empty() && Clock::now() < deadline) pump(lock, deadline);
  if (session_ && !unsent_.empty()) lose();  // a server that does not read
  return session_ ? MANGO_STATUS_OK : MANGO_STATUS_IPC_UNAVAILABLE;
}

// Connected, with room for one exchange more.
bool GrpcChannel::ensure_open(Lock& lock, Deadline deadline) {
  for (;;) {
    if (session_ && !connection_.ours()) lose();
    if (session_ && !settle(lock, deadline)) return false;
    if (session_ && session_->accepts()) return true;
    if (session_) lose();
    if (!pumping_) return open(lock, deadline);
    if (Clock::now() >= deadline) return false;
    changed_.wait_until(lock, deadline);  // somebody dials, or has yet to notice the end
  }
}

// Lets answers come in until there is room, or, after a GOAWAY, until nobody waits for any. The connection
// may be gone then. False: not in time.
bool GrpcChannel::settle(Lock& lock, Deadline deadline) {
  const auto busy = [this] {
    if (!session_) return false;
    return session_->accepts() ? session_->exchanges() >= kMostExchanges : waiting_ > 0;
  };
  while (busy()) {
    if (Clock::now() >= deadline) {
      if (session_->accepts()) lose();  // it answers nothing
      return false;
    }
    pump(lock, deadline);
  }
  return true;
}

bool GrpcChannel::open(Lock& lock, Deadline deadline) {
  pumping_ = true;
  lock.unlock();
  Descriptor made = dial(endpoint_.host, endpoint_.port, deadline);
  lock.lock();
  pumping_ = false;
  changed_.notify_all();
  if (made.fd() < 0) return false;
  session_ = GrpcSession::make(path_of(endpoint_));
  if (!session_) throw std::bad_alloc();
  connection_ = std::move(made);
  unsent_.clear();
  return true;
}

// False: the connection is lost, and the call with it.
bool GrpcChannel::begin(std::string_view message, GrpcCall* call) {
  if (session_->submit(message, call) && session_->output(unsent_) && send()) return true;
  lose();
  if (call && !call->done) {  // it did not even become an exchange
    call->done = true;
    call->lost = true;
  }
  return false;
}

// Waits for the server, or for whoever does so already.
void GrpcChannel::pump(Lock& lock, Deadline deadline) noexcept {
  if (pumping_) {
    changed_.wait_until(lock, deadline);
    return;
  }
  if (!session_) return;
  pumping_ = true;
  const int fd = connection_.fd();
  const auto events = static_cast<short>(unsent_.empty() ? POLLIN : POLLIN | POLLOUT);
  lock.unlock();
  short revents = 0;
  (void)raw::poll(fd, events, ns_until(deadline), revents);
  lock.lock();
  pumping_ = false;
  if (session_) {
    carry();
  } else {
    connection_.reset();  // lost meanwhile; closing was left to us
  }
  changed_.notify_all();
}

// Moves what can be moved without waiting.
void GrpcChannel::carry() noexcept {
  try {
    if (!receive() || !session_->output(unsent_) || !send()) lose();
  } catch (const std::bad_alloc&) {
    lose();
  }
}

bool GrpcChannel::receive() noexcept {
  char octets[kReadBytes];
  for (;;) {
    const ssize_t size = raw::recv(connection_.fd(), octets, sizeof octets, MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno == EAGAIN;
    if (size == 0) return false;
    heard_ = Clock::now();
    if (!session_->feed({octets, static_cast<size_t>(size)})) return false;
    if (static_cast<size_t>(size) < sizeof octets) return true;
  }
}

bool GrpcChannel::send() {
  while (!unsent_.empty()) {
    const ssize_t size = raw::send(connection_.fd(), unsent_.data(), unsent_.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno == EAGAIN;
    unsent_.erase(0, static_cast<size_t>(size));
  }
  return true;
}

// A call's deadline has passed. A server that said nothing all the time is given up with its connection; one
// that talks is only told that this answer is not wanted any more.
void GrpcChannel::expire(GrpcCall& call, Deadline begun) noexcept {
  if (!session_) return;
  session_->forget(call);
  if (heard_ < begun) {
    lose();
  } else if (!pumping_) {
    carry();
  }
}

// The connection is of no use. Its calls end as lost, so that they are made again over another.
void GrpcChannel::lose() noexcept {
  session_.reset();
  unsent_.clear();
  if (pumping_) {
    if (connection_.ours()) (void)raw::shutdown(connection_.fd(), SHUT_RDWR);  // wakes who polls it
  } else {
    connection_.reset();
  }
  changed_.notify_all();
}

}  // namespace mango::ipc
