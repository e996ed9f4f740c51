// SPDX-License-Identifier: Apache-2.0
// TLS on a socket: drives the caller's SSL object, or after its keys were handed over our own records, over a
// TlsWire, and turns the outcomes into statuses.
#pragma once

#include <memory>

#include "mango/record_session.h"
#include "mango/tls_bio.h"

namespace mango::kernel {

class TlsSession {
 public:
  explicit TlsSession(Socket& socket) noexcept : wire_(socket) {}

  [[nodiscard]] bool attach(SSL* ssl) noexcept;
  [[nodiscard]] SSL* ssl() const noexcept { return bio_.ssl(); }
  // Goes on without an SSL, which is detached. NOT_SUPPORTED, INVALID_ARGUMENT (the SSL is not ready for it)
  // and NO_MEMORY change nothing.
  [[nodiscard]] mango_status_e use_keys(const mango_tls_keys_t& keys) noexcept;
  // An SSL or keys are there; not after the SSL was freed.
  [[nodiscard]] bool attached() const noexcept { return ssl() || records_; }

  [[nodiscard]] mango_status_e recv(void* buf, size_t len, size_t* received) noexcept;
  // Takes at most kTlsSendBytes.
  [[nodiscard]] mango_status_e send(const void* buf, size_t len, size_t* sent) noexcept;

  // OK when close_notify is out (or there is nobody to tell), AGAIN when the kernel has no room.
  [[nodiscard]] mango_status_e send_close_notify() noexcept;
  // Before closing: close_notify if it can go without waiting.
  void say_goodbye() noexcept;
  // Waits until the kernel has taken all ciphertext.
  [[nodiscard]] mango_status_e flush_blocking() noexcept;

  // An upper bound of the bytes a recv finds without the kernel.
  [[nodiscard]] size_t bytes_waiting() const noexcept;
  [[nodiscard]] bool holds_bytes() const noexcept;

 private:
  [[nodiscard]] size_t recv_records(TlsCall& call, char* to, size_t len, mango_status_e* status) noexcept;
  [[nodiscard]] size_t recv_ssl(TlsCall& call, char* to, size_t len, mango_status_e* status) noexcept;
  [[nodiscard]] size_t send_records(TlsCall& call, const char* from, size_t len,
                                    mango_status_e* status) noexcept;
  [[nodiscard]] size_t send_ssl(TlsCall& call, const char* from, size_t len, mango_status_e* status) noexcept;
  [[nodiscard]] size_t read_ssl(TlsCall& call, char* to, size_t len, int* result) noexcept;
  [[nodiscard]] size_t write_ssl(TlsCall& call, const char* from, size_t len, int* result) noexcept;
  [[nodiscard]] mango_status_e status_of(int result) noexcept;
  [[nodiscard]] mango_status_e outcome_of_send(mango_status_e status, size_t done, size_t* sent) noexcept;
  [[nodiscard]] bool close_notify_due() const noexcept;

  TlsWire wire_;
  TlsBio bio_{wire_};
  std::unique_ptr<RecordSession> records_;
  uint32_t claimed_ =
      0;  // bytes of the caller that are encrypted and held; the repeated call counts them as sent
  mango_status_e failed_ = MANGO_STATUS_OK;  // after a failure every call answers with it
};

}  // namespace mango::kernel
