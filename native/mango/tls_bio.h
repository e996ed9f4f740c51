// SPDX-License-Identifier: Apache-2.0
// What OpenSSL sees of a TlsWire: one BIO for both directions.
//
// During a mango call it is fed from the call's scratch and gathers there, the last record leaving straight
// from OpenSSL's buffer. OpenSSL's own read-ahead was rejected: it moves the rest of its buffer for every
// record and pins that buffer. Without a TlsCall (the owner of the SSL calls OpenSSL itself) the same BIO
// works with a system call per operation.
#pragma once

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "mango/tls_wire.h"

namespace mango::kernel {

class TlsBio {
 public:
  explicit TlsBio(TlsWire& wire) noexcept : wire_(wire) {}
  ~TlsBio() { detach(); }
  TlsBio(const TlsBio&) = delete;
  TlsBio& operator=(const TlsBio&) = delete;

  [[nodiscard]] bool attach(SSL* ssl) noexcept;
  // The SSL keeps a BIO that answers with errors.
  void detach() noexcept;
  // Null when nothing is attached, also after the SSL was freed or given other BIOs.
  [[nodiscard]] SSL* ssl() const noexcept { return ssl_; }

  // Called by OpenSSL through the BIO.
  int read(BIO* bio, char* to, int len) noexcept;
  int write(BIO* bio, const char* from, int len) noexcept;
  long flush(BIO* bio) noexcept;
  void bio_freed() noexcept;
  [[nodiscard]] const TlsWire& wire() const noexcept { return wire_; }

 private:
  TlsWire& wire_;
  SSL* ssl_ = nullptr;
  BIO* bio_ = nullptr;  // owned by ssl_
};

}  // namespace mango::kernel
