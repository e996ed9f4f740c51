// SPDX-License-Identifier: Apache-2.0
// The ciphertext side of a TLS session: one OpenSSL BIO, for both directions, over a socket's descriptor.
//
// During a mango call a TlsCall lends it the thread's scratch memory. Reading: one recv fills the scratch
// with as many records as are there, and OpenSSL is fed from it. Writing: records gather in the scratch and
// leave with one send, the last one straight from OpenSSL's buffer. What is left over at the end of the call
// is held in right-sized allocations. OpenSSL's own read-ahead was rejected: it moves the rest of its buffer
// for every record and pins that buffer.
//
// Without a TlsCall (the owner of the SSL calls OpenSSL itself) the same BIO works with a system call per
// operation.
#pragma once

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "mango/held_bytes.h"
#include "mango/socket.h"

namespace mango::kernel {

constexpr size_t kTlsRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;
constexpr size_t kTlsSendBytes = 4 * kTlsRecordBytes;       // plaintext taken by one send
constexpr size_t kScratchInBytes = 66 * 1024;               // four records and their headers
constexpr size_t kScratchOutBytes = kTlsSendBytes + 16384;  // room for the overhead of the smallest fragments
constexpr size_t kHeldOutLimit = 256 * 1024;  // a peer may not make us queue more answers than this

struct TlsScratch;

// One call's use of the thread's scratch. Nested use (a callback of OpenSSL that calls another session) gets
// scratch of its own.
class TlsCall {
 public:
  explicit TlsCall(size_t ask) noexcept;
  ~TlsCall();
  TlsCall(const TlsCall&) = delete;
  TlsCall& operator=(const TlsCall&) = delete;

  TlsScratch* scratch;  // null when memory is out
  size_t ask;           // how much one recv asks for
  size_t in_begin = 0;
  size_t in_end = 0;
  size_t out_size = 0;
  bool drained = false;      // the last recv got less than it asked for: no need to ask again
  bool delivered = false;    // the caller has bytes: another recv could block, and is not worth a call
  bool last_record = false;  // the next write ends the call's output
};

class TlsBio {
 public:
  explicit TlsBio(Socket& socket) noexcept : socket_(socket) {}
  ~TlsBio();
  TlsBio(const TlsBio&) = delete;
  TlsBio& operator=(const TlsBio&) = delete;

  [[nodiscard]] bool attach(SSL* ssl) noexcept;
  // Null when nothing is attached, also after the SSL was freed or given other BIOs.
  [[nodiscard]] SSL* ssl() const noexcept { return ssl_; }

  void begin(TlsCall& call) noexcept { call_ = &call; }
  // Sends what the call gathered and holds what it left over.
  void end() noexcept;

  // Sends held ciphertext: OK when none is left, AGAIN when the kernel did not take all, else the error.
  [[nodiscard]] mango_status_e flush_held() noexcept;
  void wait_writable() const noexcept;

  [[nodiscard]] bool complete_record_waits() const noexcept;
  [[nodiscard]] size_t held_in() const noexcept { return in_.size(); }
  [[nodiscard]] size_t held_out() const noexcept { return out_.size(); }
  [[nodiscard]] bool at_eof() const noexcept { return eof_; }
  [[nodiscard]] int error() const noexcept { return error_; }  // errno of the last failed system call, or 0
  void set_never_wait() noexcept { never_wait_ = true; }  // for closing: even a blocking socket must not wait

  // Called by OpenSSL through the BIO.
  int read(BIO* bio, char* to, int len) noexcept;
  int write(BIO* bio, const char* from, int len) noexcept;
  long flush(BIO* bio) noexcept;
  void bio_freed() noexcept;

 private:
  [[nodiscard]] int take(BIO* bio, char* to, size_t len) noexcept;
  [[nodiscard]] ssize_t receive(BIO* bio, void* to, size_t len) noexcept;
  [[nodiscard]] int send_direct(BIO* bio, const char* from, size_t len) noexcept;
  [[nodiscard]] bool transmit(const void* more, size_t more_len) noexcept;
  [[nodiscard]] bool send_all(const iovec* parts, size_t* sent) noexcept;

  Socket& socket_;
  SSL* ssl_ = nullptr;
  BIO* bio_ = nullptr;  // owned by ssl_
  TlsCall* call_ = nullptr;
  HeldBytes in_;   // received, not yet given to OpenSSL
  HeldBytes out_;  // written by OpenSSL, not yet taken by the kernel
  int error_ = 0;
  bool eof_ = false;
  bool never_wait_ = false;
};

}  // namespace mango::kernel
