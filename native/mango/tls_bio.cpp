// SPDX-License-Identifier: Apache-2.0
#include "mango/tls_bio.h"

#include <poll.h>

#include <algorithm>
#include <memory>
#include <new>

#include "mango/sys.h"

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

TlsBio* bio_owner(BIO* bio) noexcept {
  return static_cast<TlsBio*>(BIO_get_data(bio));
}

int on_read(BIO* bio, char* to, int len) {
  TlsBio* owner = bio_owner(bio);
  BIO_clear_retry_flags(bio);
  return owner && len > 0 ? owner->read(bio, to, len) : -1;
}

int on_write(BIO* bio, const char* from, int len) {
  TlsBio* owner = bio_owner(bio);
  BIO_clear_retry_flags(bio);
  return owner && len > 0 ? owner->write(bio, from, len) : -1;
}

long on_ctrl(BIO* bio, int command, long, void*) {
  TlsBio* owner = bio_owner(bio);
  if (!owner) return 0;
  switch (command) {
    case BIO_CTRL_FLUSH:
      BIO_clear_retry_flags(bio);
      return owner->flush(bio);
    case BIO_CTRL_PENDING:
      return static_cast<long>(owner->held_in());
    case BIO_CTRL_WPENDING:
      return static_cast<long>(owner->held_out());
    case BIO_CTRL_EOF:
      return owner->at_eof();
    default:
      return 0;
  }
}

int on_destroy(BIO* bio) {
  if (TlsBio* owner = bio_owner(bio)) owner->bio_freed();
  return 1;
}

// One method for the process, never freed: SSL objects may outlive static destructors.
BIO_METHOD* bio_method() noexcept {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "mango socket");
    if (!made) return made;
    BIO_meth_set_read(made, on_read);
    BIO_meth_set_write(made, on_write);
    BIO_meth_set_ctrl(made, on_ctrl);
    BIO_meth_set_destroy(made, on_destroy);
    return made;
  }();
  return method;
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

TlsBio::~TlsBio() {
  if (bio_) BIO_set_data(bio_, nullptr);  // the SSL keeps a BIO that answers with errors
}

bool TlsBio::attach(SSL* ssl) noexcept {
  BIO_METHOD* method = bio_method();
  BIO* bio = method ? BIO_new(method) : nullptr;
  if (!bio) return false;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  bio_ = bio;
  ssl_ = ssl;
  return true;
}

void TlsBio::bio_freed() noexcept {
  bio_ = nullptr;
  ssl_ = nullptr;
}

void TlsBio::end() noexcept {
  TlsCall& call = *call_;
  if (call.out_size && !transmit(nullptr, 0))
    call.out_size = 0;  // the error is kept; the next call reports it
  const size_t rest = call.in_end - call.in_begin;
  if (rest && !in_.append(call.scratch->in + call.in_begin, rest)) error_ = ENOMEM;
  call_ = nullptr;
}

int TlsBio::take(BIO* bio, char* to, size_t len) noexcept {
  if (const size_t held = in_.size()) {
    const size_t n = std::min(held, len);
    std::memcpy(to, in_.data(), n);
    in_.consume(n);
    return static_cast<int>(n);
  }
  if (!call_) return static_cast<int>(receive(bio, to, len));
  TlsCall& call = *call_;
  if (call.in_begin == call.in_end) {
    const ssize_t n = receive(bio, call.scratch->in, call.ask);
    if (n <= 0) return static_cast<int>(n);
    call.in_begin = 0;
    call.in_end = static_cast<size_t>(n);
  }
  const size_t n = std::min(len, call.in_end - call.in_begin);
  std::memcpy(to, call.scratch->in + call.in_begin, n);
  call.in_begin += n;
  return static_cast<int>(n);
}

// A short recv emptied the kernel's queue, so a second one would only say EAGAIN; a blocking caller asks all
// the same, unless it has something to return with.
ssize_t TlsBio::receive(BIO* bio, void* to, size_t len) noexcept {
  if (eof_) return 0;
  const bool may_skip = call_ && (call_->delivered || (call_->drained && socket_.nonblocking));
  if (!may_skip && call_ && call_->out_size && !transmit(nullptr, 0)) return -1;  // the peer may wait for it
  const ssize_t n = may_skip ? -1 : sys_recv(socket_.descriptor(), to, len);
  if (n > 0) {
    if (call_) call_->drained = static_cast<size_t>(n) < len;
    return n;
  }
  if (n == 0) {
    eof_ = true;
    return 0;
  }
  if (may_skip || errno == EAGAIN) {
    BIO_set_retry_read(bio);
  } else {
    error_ = errno;
  }
  return -1;
}

int TlsBio::read(BIO* bio, char* to, int len) noexcept {
  return take(bio, to, static_cast<size_t>(len));
}

int TlsBio::write(BIO* bio, const char* from, int len) noexcept {
  const auto count = static_cast<size_t>(len);
  if (out_.size() > kHeldOutLimit || (!call_ && out_.size() && flush_held() == MANGO_STATUS_AGAIN)) {
    BIO_set_retry_write(bio);
    return -1;
  }
  if (call_ && !call_->last_record && call_->out_size + count <= kScratchOutBytes) {
    std::memcpy(call_->scratch->out + call_->out_size, from, count);
    call_->out_size += count;
    return len;
  }
  if (!call_) return send_direct(bio, from, count);
  return transmit(from, count) ? len : -1;
}

// For OpenSSL called without us: an ordinary socket BIO, which may take a part.
int TlsBio::send_direct(BIO* bio, const char* from, size_t len) noexcept {
  const iovec parts[2] = {{const_cast<char*>(from), len}, {nullptr, 0}};
  size_t sent = 0;
  if (!send_all(parts, &sent)) return -1;
  if (sent == 0) BIO_set_retry_write(bio);
  return sent ? static_cast<int>(sent) : -1;
}

long TlsBio::flush(BIO* bio) noexcept {
  if (call_ && call_->out_size && !transmit(nullptr, 0)) return -1;
  if (out_.size() == 0) return 1;
  if (flush_held() == MANGO_STATUS_AGAIN) BIO_set_retry_write(bio);
  return out_.size() == 0 ? 1 : -1;
}

// Sends the scratch and then `more`; what the kernel does not take is held. False after an error.
bool TlsBio::transmit(const void* more, size_t more_len) noexcept {
  iovec parts[2] = {{nullptr, 0}, {const_cast<void*>(more), more_len}};
  if (call_) {
    parts[0] = {call_->scratch->out, call_->out_size};
    call_->out_size = 0;
  }
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
bool TlsBio::send_all(const iovec* parts, size_t* sent) noexcept {
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
    const ssize_t n = one ? sys_send(socket_.descriptor(), only.iov_base, only.iov_len, flags)
                          : sys_send_iov(socket_.descriptor(), rest, 2, flags);
    if (n < 0 && errno != EAGAIN) error_ = errno;
    if (n < 0) return error_ == 0;
    *sent += static_cast<size_t>(n);
    if (!wait) return true;
  }
  return true;
}

mango_status_e TlsBio::flush_held() noexcept {
  if (out_.size() == 0) return MANGO_STATUS_OK;
  const iovec parts[2] = {{const_cast<uint8_t*>(out_.data()), out_.size()}, {nullptr, 0}};
  size_t sent = 0;
  const bool ok = send_all(parts, &sent);
  if (sent) out_.consume(sent);
  if (!ok) return status_of_errno(error_);
  return out_.size() ? MANGO_STATUS_AGAIN : MANGO_STATUS_OK;
}

void TlsBio::wait_writable() const noexcept {
  pollfd watched{socket_.descriptor(), POLLOUT, 0};
  (void)poll(&watched, 1, -1);
}

bool TlsBio::complete_record_waits() const noexcept {
  const bool from_held = in_.size() != 0;
  const size_t there = from_held ? in_.size() : call_->in_end - call_->in_begin;
  if (there < SSL3_RT_HEADER_LENGTH) return false;
  const uint8_t* head = from_held ? in_.data() : call_->scratch->in + call_->in_begin;
  return there >= SSL3_RT_HEADER_LENGTH + (size_t{head[3]} << 8 | head[4]);
}

}  // namespace mango::kernel
