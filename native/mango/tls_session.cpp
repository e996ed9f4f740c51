// SPDX-License-Identifier: Apache-2.0
#include "mango/tls_session.h"

#include <openssl/err.h>

#include <algorithm>

#include "mango/counters.h"

namespace mango::kernel {
namespace {

// Ask the kernel for what the caller has room for: more would be copied aside, and waits as well in the
// kernel's queue. At least one full record, for a caller with little room and for the handshake.
size_t receive_size(size_t len) noexcept {
  constexpr size_t kOneRecord = SSL3_RT_MAX_ENCRYPTED_LENGTH + SSL3_RT_HEADER_LENGTH;
  if (len >= kScratchInBytes) return kScratchInBytes;
  return std::max(kOneRecord, len + len / 64 + 512);
}

// SSL_get_error reads the thread's error queue, which must not hold somebody else's failure.
void clear_errors() noexcept {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

}  // namespace

// --- attaching
// ----------------------------------------------------------------------------------------------

// The caller may repeat a send from a buffer that moved, and write_ssl() wants the records one by one.
bool TlsSession::attach(SSL* ssl) noexcept {
  SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return bio_.attach(ssl);
}

// Ciphertext that the wire holds goes on where the SSL stopped; what is inside the SSL already would be lost.
mango_status_e TlsSession::use_keys(const mango_tls_keys_t& keys) noexcept {
  if (failed_ != MANGO_STATUS_OK) return failed_;
  if (records_ ||
      (ssl() && (!SSL_is_init_finished(ssl()) || SSL_has_pending(ssl()) || SSL_get_shutdown(ssl()))))
    return MANGO_STATUS_INVALID_ARGUMENT;
  std::unique_ptr<RecordSession> made(new (std::nothrow) RecordSession(wire_));
  if (!made) return MANGO_STATUS_NO_MEMORY;
  if (const mango_status_e status = made->init(keys); status != MANGO_STATUS_OK) return status;
  records_ = std::move(made);
  bio_.detach();
  return MANGO_STATUS_OK;
}

// --- receiving
// ----------------------------------------------------------------------------------------------

mango_status_e TlsSession::recv(void* buf, size_t len, size_t* received) noexcept {
  if (!attached()) return MANGO_STATUS_INVALID_ARGUMENT;
  if (failed_ != MANGO_STATUS_OK) return failed_;
  if (wire_.held_out()) (void)wire_.flush_held();  // if that fails for good, receiving says so
  clear_errors();
  TlsCall call(receive_size(len));
  if (!call.scratch) return MANGO_STATUS_NO_MEMORY;
  mango_status_e status = MANGO_STATUS_OK;
  auto* to = static_cast<char*>(buf);
  const size_t got = records_ ? recv_records(call, to, len, &status) : recv_ssl(call, to, len, &status);
  if (got == 0 && status != MANGO_STATUS_OK) return status;
  count(Counter::kTlsBytesIn, got);
  *received = got;
  return MANGO_STATUS_OK;
}

size_t TlsSession::recv_records(TlsCall& call, char* to, size_t len, mango_status_e* status) noexcept {
  wire_.begin(call);
  const size_t got = records_->read(call, {reinterpret_cast<uint8_t*>(to), len}, status);
  wire_.end();
  if (*status != MANGO_STATUS_OK && *status != MANGO_STATUS_AGAIN) failed_ = *status;
  return got;
}

size_t TlsSession::recv_ssl(TlsCall& call, char* to, size_t len, mango_status_e* status) noexcept {
  wire_.begin(call);
  int result = 1;
  const size_t got = len ? read_ssl(call, to, len, &result) : 0;
  if (len == 0 && !SSL_is_init_finished(ssl())) result = SSL_do_handshake(ssl());
  wire_.end();
  *status = status_of(result);
  return got;
}

// Stops where nothing is complete without asking OpenSSL, which would allocate its read buffer to find that
// out.
size_t TlsSession::read_ssl(TlsCall& call, char* to, size_t len, int* result) noexcept {
  size_t got = 0;
  while (got < len) {
    size_t n = 0;
    *result = SSL_read_ex(ssl(), to + got, len - got, &n);
    if (*result != 1) break;
    got += n;
    call.delivered = true;
    if (!SSL_has_pending(ssl()) && !wire_.complete_record_waits()) break;
  }
  return got;
}

// --- sending
// ------------------------------------------------------------------------------------------------

mango_status_e TlsSession::send(const void* buf, size_t len, size_t* sent) noexcept {
  if (!attached()) return MANGO_STATUS_INVALID_ARGUMENT;
  if (failed_ != MANGO_STATUS_OK) return failed_;
  if (len < claimed_) return MANGO_STATUS_INVALID_ARGUMENT;
  if (wire_.held_out()) {
    const mango_status_e status = wire_.flush_held();
    if (status != MANGO_STATUS_OK) return status == MANGO_STATUS_AGAIN ? status : failed_ = status;
  }
  if (claimed_) {
    *sent = claimed_;
    claimed_ = 0;
    return MANGO_STATUS_OK;
  }
  clear_errors();
  TlsCall call(receive_size(0));
  if (!call.scratch) return MANGO_STATUS_NO_MEMORY;
  const auto* from = static_cast<const char*>(buf);
  const size_t most = std::min(len, kTlsSendBytes);
  mango_status_e status = MANGO_STATUS_OK;
  const size_t done =
      records_ ? send_records(call, from, most, &status) : send_ssl(call, from, most, &status);
  return outcome_of_send(status, done, sent);
}

size_t TlsSession::send_records(TlsCall& call, const char* from, size_t len,
                                mango_status_e* status) noexcept {
  wire_.begin(call);
  *status = records_->write({reinterpret_cast<const uint8_t*>(from), len});
  wire_.end();
  if (*status != MANGO_STATUS_OK) failed_ = *status;
  return *status == MANGO_STATUS_OK ? len : 0;
}

size_t TlsSession::send_ssl(TlsCall& call, const char* from, size_t len, mango_status_e* status) noexcept {
  wire_.begin(call);
  int result = SSL_is_init_finished(ssl()) ? 1 : SSL_do_handshake(ssl());
  const size_t done = result == 1 ? write_ssl(call, from, len, &result) : 0;
  wire_.end();
  *status = status_of(result);
  return done;
}

size_t TlsSession::write_ssl(TlsCall& call, const char* from, size_t len, int* result) noexcept {
  size_t done = 0;
  while (done < len) {
    const size_t piece = std::min(len - done, kTlsRecordBytes);
    size_t n = 0;
    call.last_record = done + piece == len;
    *result = SSL_write_ex(ssl(), from + done, piece, &n);
    if (*result != 1) break;
    done += n;
  }
  return done;
}

// Encrypted bytes that the kernel did not take are claimed, not sent: reported once they have left.
mango_status_e TlsSession::outcome_of_send(mango_status_e status, size_t done, size_t* sent) noexcept {
  if (status != MANGO_STATUS_OK && (done == 0 || status != MANGO_STATUS_AGAIN)) return status;
  if (wire_.error()) return failed_ = status_of_errno(wire_.error());
  count(Counter::kTlsBytesOut, done);
  if (done && wire_.held_out()) {
    claimed_ = static_cast<uint32_t>(done);
    return MANGO_STATUS_AGAIN;
  }
  *sent = done;
  return MANGO_STATUS_OK;
}

// The end of the stream (close_notify) is OK; a failure is remembered, for OpenSSL reports it in full only
// once.
mango_status_e TlsSession::status_of(int result) noexcept {
  if (result == 1) return MANGO_STATUS_OK;
  // SSL_get_error looks for the retry flag at the BIO that buffers the handshake, which does not pass on that
  // of a flush (OpenSSL 3.0): the state of SSL_want() is right all the same.
  if (SSL_want_write(ssl()) && wire_.held_out() && !wire_.error()) return MANGO_STATUS_AGAIN;
  switch (SSL_get_error(ssl(), result)) {
    case SSL_ERROR_ZERO_RETURN:
      return MANGO_STATUS_OK;
    case SSL_ERROR_SSL:
    case SSL_ERROR_SYSCALL:
      break;
    default:
      return MANGO_STATUS_AGAIN;  // wants the socket, or a callback of the caller wants more time
  }
  if (wire_.error()) {
    failed_ = status_of_errno(wire_.error());
  } else {
    failed_ = wire_.at_eof() ? MANGO_STATUS_TLS_TRUNCATED : MANGO_STATUS_TLS;
  }
  return failed_;
}

// --- ending
// -------------------------------------------------------------------------------------------------

bool TlsSession::close_notify_due() const noexcept {
  if (records_) return !records_->said_close_notify();
  return !(SSL_get_shutdown(ssl()) & SSL_SENT_SHUTDOWN);
}

mango_status_e TlsSession::send_close_notify() noexcept {
  if (!attached() || failed_ != MANGO_STATUS_OK || (!records_ && !SSL_is_init_finished(ssl())))
    return MANGO_STATUS_OK;
  if (const mango_status_e status = wire_.flush_held(); status != MANGO_STATUS_OK) return status;
  if (!close_notify_due()) return MANGO_STATUS_OK;
  clear_errors();
  TlsCall call(0);
  if (!call.scratch) return MANGO_STATUS_NO_MEMORY;
  wire_.begin(call);
  if (records_) {
    records_->say_close_notify();
  } else if (SSL_shutdown(ssl()) < 0) {
    ERR_clear_error();
  }
  wire_.end();
  return wire_.held_out() ? MANGO_STATUS_AGAIN : MANGO_STATUS_OK;
}

void TlsSession::say_goodbye() noexcept {
  wire_.set_never_wait();
  (void)send_close_notify();
}

mango_status_e TlsSession::flush_blocking() noexcept {
  for (;;) {
    const mango_status_e status = wire_.flush_held();
    if (status != MANGO_STATUS_AGAIN) return status;
    wire_.wait_writable();
  }
}

size_t TlsSession::bytes_waiting() const noexcept {
  const size_t decrypted = records_ ? records_->held() : static_cast<size_t>(ssl() ? SSL_pending(ssl()) : 0);
  return decrypted + wire_.held_in();
}

bool TlsSession::holds_bytes() const noexcept {
  return bytes_waiting() != 0 || wire_.held_out() != 0 || (ssl() && SSL_has_pending(ssl()));
}

}  // namespace mango::kernel
