// SPDX-License-Identifier: Apache-2.0
// TLS records over a TlsWire: what an SSL is to a TlsSession before its keys were handed over. All calls are
// made during a TlsCall.
#pragma once

#include "mango/record_layer.h"
#include "mango/tls_wire.h"

namespace mango::kernel {

class RecordSession {
 public:
  explicit RecordSession(TlsWire& wire) noexcept : wire_(wire) {}

  [[nodiscard]] mango_status_e init(const mango_tls_keys_t& keys) noexcept { return layer_.init(keys); }

  // Decrypts into `room` until it is full or no record is complete. OK with no bytes is the peer's
  // close_notify. `status`: in OK; out also what came after the bytes. After TLS the reason is in the
  // thread's OpenSSL error queue and our alert is in the wire's output.
  [[nodiscard]] size_t read(TlsCall& call, std::span<uint8_t> room, mango_status_e* status) noexcept;
  // Encrypts all of `content` (at most kTlsSendBytes) into the wire's output.
  [[nodiscard]] mango_status_e write(std::span<const uint8_t> content) noexcept;
  void say_close_notify() noexcept;
  [[nodiscard]] bool said_close_notify() const noexcept { return closed_; }

  // Bytes decrypted and not yet asked for.
  [[nodiscard]] size_t held() const noexcept { return plain_.size(); }

 private:
  [[nodiscard]] size_t take_held(std::span<uint8_t> room) noexcept;
  [[nodiscard]] size_t read_record(std::span<uint8_t> room, mango_status_e* status) noexcept;
  [[nodiscard]] mango_status_e fail() noexcept;
  [[nodiscard]] bool answer_key_update() noexcept;

  TlsWire& wire_;
  RecordLayer layer_;
  HeldBytes plain_;      // the end of a record whose beginning filled the caller's room
  bool ended_ = false;   // the peer's close_notify came
  bool closed_ = false;  // ours went
};

}  // namespace mango::kernel
