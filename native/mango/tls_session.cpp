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

// The caller may repeat a send from a buffer that moved, and write_records() wants the records one by one.
bool TlsSession::attach(SSL* ssl) noexcept {
  SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return bio_.attach(ssl);
}

mango_status_e TlsSession::recv(void* buf, size_t len, size_t* received) noexcept {
  if (!ssl()) return MANGO_STATUS_INVALID_ARGUMENT;
  if (failed_ != MANGO_STATUS_OK) return failed_;
  if (bio_.held_out()) (void)bio_.flush_held();  // if that fails for good, receiving says so
  clear_errors();
  TlsCall call(receive_size(len));
  if (!call.scratch) return MANGO_STATUS_NO_MEMORY;
  bio_.begin(call);
  int result = 1;
  const size_t got = len ? read_records(call, static_cast<char*>(buf), len, &result) : 0;
  if (len == 0 && !SSL_is_init_finished(ssl())) result = SSL_do_handshake(ssl());
  bio_.end();
  const mango_status_e status = status_of(result);
  if (got == 0 && status != MANGO_STATUS_OK) return status;
  count(Counter::kTlsBytesIn, got);
  *received = got;
  return MANGO_STATUS_OK;
}

// Stops where nothing is complete without asking OpenSSL, which would allocate its read buffer to find that
// out.
size_t TlsSession::read_records(TlsCall& call, char* to, size_t len, int* result) noexcept {
  size_t got = 0;
  while (got < len) {
    size_t n = 0;
    *result = SSL_read_ex(ssl(), to + got, len - got, &n);
    if (*result != 1) break;
    got += n;
    call.delivered = true;
    if (!SSL_has_pending(ssl()) && !bio_.complete_record_waits()) break;
  }
  return got;
}

mango_status_e TlsSession::send(const void* buf, size_t len, size_t* sent) noexcept {
  if (!ssl()) return MANGO_STATUS_INVALID_ARGUMENT;
  if (failed_ != MANGO_STATUS_OK) return failed_;
  if (len < claimed_) return MANGO_STATUS_INVALID_ARGUMENT;
  if (bio_.held_out()) {
    const mango_status_e status = bio_.flush_held();
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
  bio_.begin(call);
  int result = SSL_is_init_finished(ssl()) ? 1 : SSL_do_handshake(ssl());
  size_t done = 0;
  if (result == 1)
    done = write_records(call, static_cast<const char*>(buf), std::min(len, kTlsSendBytes), &result);
  bio_.end();
  return outcome_of_write(result, done, sent);
}

size_t TlsSession::write_records(TlsCall& call, const char* from, size_t len, int* result) noexcept {
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
mango_status_e TlsSession::outcome_of_write(int result, size_t done, size_t* sent) noexcept {
  const mango_status_e status = status_of(result);
  if (status != MANGO_STATUS_OK && (done == 0 || status != MANGO_STATUS_AGAIN)) return status;
  if (bio_.error()) return failed_ = status_of_errno(bio_.error());
  count(Counter::kTlsBytesOut, done);
  if (done && bio_.held_out()) {
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
  if (SSL_want_write(ssl()) && bio_.held_out() && !bio_.error()) return MANGO_STATUS_AGAIN;
  switch (SSL_get_error(ssl(), result)) {
    case SSL_ERROR_ZERO_RETURN:
      return MANGO_STATUS_OK;
    case SSL_ERROR_SSL:
    case SSL_ERROR_SYSCALL:
      break;
    default:
      return MANGO_STATUS_AGAIN;  // wants the socket, or a callback of the caller wants more time
  }
  if (bio_.error()) {
    failed_ = status_of_errno(bio_.error());
  } else {
    failed_ = bio_.at_eof() ? MANGO_STATUS_TLS_TRUNCATED : MANGO_STATUS_TLS;
  }
  return failed_;
}

mango_status_e TlsSession::send_close_notify() noexcept {
  if (!ssl() || failed_ != MANGO_STATUS_OK || !SSL_is_init_finished(ssl())) return MANGO_STATUS_OK;
  if (const mango_status_e status = bio_.flush_held(); status != MANGO_STATUS_OK) return status;
  if (SSL_get_shutdown(ssl()) & SSL_SENT_SHUTDOWN) return MANGO_STATUS_OK;
  clear_errors();
  TlsCall call(0);
  if (!call.scratch) return MANGO_STATUS_NO_MEMORY;
  bio_.begin(call);
  const int result = SSL_shutdown(ssl());
  bio_.end();
  if (result < 0) ERR_clear_error();
  return bio_.held_out() ? MANGO_STATUS_AGAIN : MANGO_STATUS_OK;
}

void TlsSession::say_goodbye() noexcept {
  bio_.set_never_wait();
  (void)send_close_notify();
}

mango_status_e TlsSession::flush_blocking() noexcept {
  for (;;) {
    const mango_status_e status = bio_.flush_held();
    if (status != MANGO_STATUS_AGAIN) return status;
    bio_.wait_writable();
  }
}

size_t TlsSession::bytes_waiting() const noexcept {
  const int decrypted = ssl() ? SSL_pending(ssl()) : 0;
  return static_cast<size_t>(decrypted) + bio_.held_in();
}

bool TlsSession::holds_bytes() const noexcept {
  return bytes_waiting() != 0 || bio_.held_out() != 0 || (ssl() && SSL_has_pending(ssl()));
}

}  // namespace mango::kernel
