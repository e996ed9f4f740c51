// SPDX-License-Identifier: Apache-2.0
#include "mango/tls_wire.h"

#include <poll.h>

#include <algorithm>
#include <memory>
#include <new>

#include "mango/carrier.h"

namespace mango::kernel {

struct TlsScratch {
  bool in_use = false;
  uint8_t in[kScratchInBytes];
  uint8_t out[kScratchOutBytes];
};

namespace {

TlsScratch* lend_scratch() noexcept {
  thread_local std::unique_ptr<TlsScratch> own;
  if (!own) own.reset(new (std::nothrow) TlsScratch);
  TlsScratch* lent = own && !own->in_use ? own.get() : new (std::nothrow) TlsScratch;
  if (lent == own.get() && lent) lent->in_use = true;
  return lent;
}

}  // namespace

TlsCall::TlsCall(size_t ask_bytes) noexcept
    : scratch(lend_scratch()), ask(std::min(ask_bytes, kScratchInBytes)) {}

TlsCall::~TlsCall() {
  if (!scratch) return;
  if (scratch->in_use) {
    scratch->in_use = false;
  } else {
    delete scratch;
  }
}

void TlsWire::end() noexcept {
  TlsCall& call = *call_;
  if (!flush_call()) call.out_size = 0;  // the error is kept; the next call reports it
  const size_t rest = call.in_end - call.in_begin;
  if (rest && !in_.append(call.scratch->in + call.in_begin, rest)) error_ = ENOMEM;
  call_ = nullptr;
}

// --- receiving
// ----------------------------------------------------------------------------------------------

ssize_t TlsWire::take(void* to, size_t len) noexcept {
  if (const size_t held = in_.size()) {
    const size_t n = std::min(held, len);
    std::memcpy(to, in_.data(), n);
    in_.consume(n);
    return static_cast<ssize_t>(n);
  }
  if (!call_) return receive(to, len);
  TlsCall& call = *call_;
  if (call.in_begin == call.in_end) {
    const ssize_t n = receive(call.scratch->in, call.ask);
    if (n <= 0) return n;
    call.in_begin = 0;
    call.in_end = static_cast<size_t>(n);
  }
  const size_t n = std::min(len, call.in_end - call.in_begin);
  std::memcpy(to, call.scratch->in + call.in_begin, n);
  call.in_begin += n;
  return static_cast<ssize_t>(n);
}

// Held bytes are what an earlier call left of a full scratch, so they fit.
std::span<uint8_t> TlsWire::input() noexcept {
  TlsCall& call = *call_;
  if (const size_t held = in_.size()) {
    std::memcpy(call.scratch->in, in_.data(), held);
    in_.consume(held);
    call.in_begin = 0;
    call.in_end = held;
  }
  return {call.scratch->in + call.in_begin, call.in_end - call.in_begin};
}

void TlsWire::consume(size_t count) noexcept {
  call_->in_begin += count;
}

mango_status_e TlsWire::fill() noexcept {
  TlsCall& call = *call_;
  const size_t kept = call.in_end - call.in_begin;  // the beginning of a record
  std::memmove(call.scratch->in, call.scratch->in + call.in_begin, kept);
  call.in_begin = 0;
  call.in_end = kept;
  const ssize_t n = receive(call.scratch->in + kept, std::min(call.ask, kScratchInBytes - kept));
  if (n > 0) {
    call.in_end += static_cast<size_t>(n);
    return MANGO_STATUS_OK;
  }
  if (n == 0) return MANGO_STATUS_TLS_TRUNCATED;
  return error_ ? status_of_errno(error_) : MANGO_STATUS_AGAIN;
}

// A short recv emptied the kernel's queue, so a second one would only say EAGAIN; a blocking caller asks all
// the same, unless it has something to return with.
ssize_t TlsWire::receive(void* to, size_t len) noexcept {
  if (eof_) return 0;
  if (call_ && (call_->delivered || (call_->drained && socket_.nonblocking))) return -1;
  if (call_ && !flush_call()) return -1;  // the peer may wait for it
  const ssize_t n = carrier_recv(socket_, to, len);
  if (n > 0 && call_) call_->drained = static_cast<size_t>(n) < len;
  if (n == 0) eof_ = true;
  if (n < 0 && errno != EAGAIN) error_ = errno;
  return n;
}

bool TlsWire::complete_record_waits() const noexcept {
  const bool from_held = in_.size() != 0;
  const size_t there = from_held ? in_.size() : call_->in_end - call_->in_begin;
  if (there < SSL3_RT_HEADER_LENGTH) return false;
  const uint8_t* head = from_held ? in_.data() : call_->scratch->in + call_->in_begin;
  return there >= SSL3_RT_HEADER_LENGTH + (size_t{head[3]} << 8 | head[4]);
}

// --- sending
// ------------------------------------------------------------------------------------------------

std::span<uint8_t> TlsWire::output() noexcept {
  return std::span(call_->scratch->out).subspan(call_->out_size);
}

void TlsWire::produced(size_t count) noexcept {
  call_->out_size += count;
}

bool TlsWire::put(const void* from, size_t len) noexcept {
  if (call_->last_record || len > output().size()) return transmit(from, len);
  std::memcpy(output().data(), from, len);
  produced(len);
  return true;
}

ssize_t TlsWire::put_direct(const void* from, size_t len) noexcept {
  const iovec parts[2] = {{const_cast<void*>(from), len}, {nullptr, 0}};
  size_t sent = 0;
  return send_all(parts, &sent) ? static_cast<ssize_t>(sent) : -1;
}

bool TlsWire::flush_call() noexcept {
  return call_->out_size == 0 || transmit(nullptr, 0);
}

// Sends the scratch and then `more`; what the kernel does not take is held. False after an error.
bool TlsWire::transmit(const void* more, size_t more_len) noexcept {
  const iovec parts[2] = {{call_->scratch->out, call_->out_size}, {const_cast<void*>(more), more_len}};
  call_->out_size = 0;
  size_t sent = 0;
  if (out_.size() == 0 && !send_all(parts, &sent)) return false;
  for (const iovec& part : parts) {
    const size_t skipped = std::min(sent, part.iov_len);
    sent -= skipped;
    if (!out_.append(static_cast<const char*>(part.iov_base) + skipped, part.iov_len - skipped)) {
      error_ = ENOMEM;
      return false;
    }
  }
  return true;
}

// One system call when the kernel takes everything or the socket does not block; a blocking socket goes on
// until all has been taken (a signal, or SO_SNDTIMEO, may have cut a call short).
bool TlsWire::send_all(const iovec* parts, size_t* sent) noexcept {
  const bool wait = !socket_.nonblocking && !never_wait_;
  const int flags = never_wait_ ? MSG_DONTWAIT : 0;
  const size_t total = parts[0].iov_len + parts[1].iov_len;
  while (*sent < total) {
    iovec rest[2] = {parts[0], parts[1]};
    size_t skip = *sent;
    for (iovec& part : rest) {
      const size_t skipped = std::min(skip, part.iov_len);
      part.iov_base = static_cast<char*>(part.iov_base) + skipped;
      part.iov_len -= skipped;
      skip -= skipped;
    }
    const bool one = rest[0].iov_len == 0 || rest[1].iov_len == 0;
    const iovec& only = rest[0].iov_len ? rest[0] : rest[1];
    const ssize_t n = one ? carrier_send(socket_, only.iov_base, only.iov_len, flags)
                          : carrier_send_iov(socket_, rest, 2, flags);
    if (n < 0 && errno != EAGAIN) error_ = errno;
    if (n < 0) return error_ == 0;
    *sent += static_cast<size_t>(n);
    if (!wait) return true;
  }
  return true;
}

mango_status_e TlsWire::flush_held() noexcept {
  if (out_.size() == 0) return MANGO_STATUS_OK;
  const iovec parts[2] = {{const_cast<uint8_t*>(out_.data()), out_.size()}, {nullptr, 0}};
  size_t sent = 0;
  const bool ok = send_all(parts, &sent);
  if (sent) out_.consume(sent);
  if (!ok) return status_of_errno(error_);
  return out_.size() ? MANGO_STATUS_AGAIN : MANGO_STATUS_OK;
}

void TlsWire::wait_writable() const noexcept {
  pollfd watched{socket_.descriptor(), POLLOUT, 0};
  (void)poll(&watched, 1, -1);
}

}  // namespace mango::kernel
