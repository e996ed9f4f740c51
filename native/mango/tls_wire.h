// SPDX-License-Identifier: Apache-2.0
// The ciphertext side of a TLS session: bytes between a socket's descriptor and whoever makes records of
// them, OpenSSL (tls_bio.h) or we ourselves (record_session.h).
//
// During a mango call a TlsCall lends the thread's scratch memory. Receiving: one recv fills the scratch with
// as many records as are there. Sending: records gather in the scratch and leave with one send. What is left
// over at the end of the call is held in right-sized allocations, so an idle session holds nothing.
#pragma once

#include <openssl/ssl3.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "mango/held_bytes.h"
#include "mango/socket.h"

namespace mango::kernel {

constexpr size_t kTlsRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;
constexpr size_t kTlsSendBytes = 16 * kTlsRecordBytes;      // plaintext taken by one send
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

class TlsWire {
 public:
  explicit TlsWire(Socket& socket) noexcept : socket_(socket) {}
  TlsWire(const TlsWire&) = delete;
  TlsWire& operator=(const TlsWire&) = delete;

  void begin(TlsCall& call) noexcept { call_ = &call; }
  // Sends what the call gathered and holds what it left over.
  void end() noexcept;

  // --- receiving; the negative answer means: would block, unless error() says more ---
  // Copies out what is there, or else receives. 0 is the end of the stream.
  [[nodiscard]] ssize_t take(void* to, size_t len) noexcept;
  // During a call: what is there, in one piece, to be decrypted in place; invalid after fill().
  [[nodiscard]] std::span<uint8_t> input() noexcept;
  void consume(size_t count) noexcept;
  // During a call: receives more behind input(). OK, AGAIN, TLS_TRUNCATED at the end of the stream, or the
  // error.
  [[nodiscard]] mango_status_e fill() noexcept;
  [[nodiscard]] bool complete_record_waits() const noexcept;

  // --- sending ---
  // During a call: free scratch to make records in, and how much of it was used.
  [[nodiscard]] std::span<uint8_t> output() noexcept;
  void produced(size_t count) noexcept;
  // Takes all of it, to be sent now or at the end of the call. False after an error.
  [[nodiscard]] bool put(const void* from, size_t len) noexcept;
  // Without a call: what the kernel takes at once; 0 when it takes nothing.
  [[nodiscard]] ssize_t put_direct(const void* from, size_t len) noexcept;
  // Sends what the call gathered.
  [[nodiscard]] bool flush_call() noexcept;
  // Sends held ciphertext: OK when none is left, AGAIN when the kernel did not take all, else the error.
  [[nodiscard]] mango_status_e flush_held() noexcept;
  void wait_writable() const noexcept;

  [[nodiscard]] bool in_call() const noexcept { return call_ != nullptr; }
  [[nodiscard]] size_t held_in() const noexcept { return in_.size(); }
  [[nodiscard]] size_t held_out() const noexcept { return out_.size(); }
  [[nodiscard]] bool at_eof() const noexcept { return eof_; }
  [[nodiscard]] int error() const noexcept { return error_; }  // errno of the last failed system call, or 0
  void set_never_wait() noexcept { never_wait_ = true; }  // for closing: even a blocking socket must not wait

 private:
  [[nodiscard]] ssize_t receive(void* to, size_t len) noexcept;
  [[nodiscard]] bool transmit(const void* more, size_t more_len) noexcept;
  [[nodiscard]] bool send_all(const iovec* parts, size_t* sent) noexcept;

  Socket& socket_;
  TlsCall* call_ = nullptr;
  HeldBytes in_;   // received, not yet given to the record layer
  HeldBytes out_;  // records that the kernel has not taken yet
  int error_ = 0;
  bool eof_ = false;
  bool never_wait_ = false;
};

}  // namespace mango::kernel
