// SPDX-License-Identifier: Apache-2.0
// The record protocol of TLS after the handshake, without I/O: ciphertext in; content, events or an error
// out. TLS 1.3 (RFC 8446 sections 4.6.3, 5 and 6) and TLS 1.2 (RFC 5246 sections 6 and 7.2).
//
// What may follow a handshake is little, and everything else is an error: content, alerts, KeyUpdate, and for
// a client session tickets, which are dropped: who wants them keeps the SSL until they have come. Stricter
// than OpenSSL where that costs no client: no renegotiation, no warnings but close_notify and user_canceled,
// and a limit on records that bring nothing.
#pragma once

#include <memory>

#include "mango/record_keys.h"
#include "typedef.h"

namespace mango::kernel {

// Why a session failed: the alert to tell the peer, and OpenSSL's reason code for the caller.
struct RecordFailure {
  int alert = -1;  // SSL_AD_*, or -1: nothing to tell
  int reason = 0;
};

class RecordLayer {
 public:
  static constexpr size_t kMaxContentBytes = 16384;
  // Records in a row that bring no content (empty, KeyUpdate). OpenSSL allows as many empty ones.
  static constexpr uint32_t kMaxIdleRecords = 32;
  // Of a ticket's message. OpenSSL takes as much.
  static constexpr uint32_t kMaxTicketBytes = 64 * 1024;
  // Under one key. AES-GCM is good for 2^24.5 full records (RFC 8446 section 5.5).
  static constexpr uint64_t kMaxRecordsPerKey = uint64_t{1} << 24;

  // NOT_SUPPORTED for a version or cipher suite that is not known here, NO_MEMORY when OpenSSL failed.
  [[nodiscard]] mango_status_e init(const mango_tls_keys_t& keys) noexcept;

  enum class Step : uint8_t {
    need_more,  // no complete record; nothing consumed
    content,    // `first` (in the room given) and then `rest` (in the input); both may be empty
    end,        // close_notify: nothing follows
    failed,     // for good; see failure()
  };
  struct Opened {
    Step step;
    size_t consumed = 0;
    RecordKeys::Plaintext content = {};
  };
  // Opens the record at the front of `in`, decrypting in place what `room` does not hold.
  [[nodiscard]] Opened open(std::span<uint8_t> in, std::span<uint8_t> room) noexcept;
  [[nodiscard]] const RecordFailure& failure() const noexcept { return failure_; }

  // One record each, at most kMaxContentBytes + kRecordOverheadBytes to `out`; 0 when it could not be made.
  [[nodiscard]] size_t seal(ContentType type, std::span<const uint8_t> content, uint8_t* out) noexcept;
  [[nodiscard]] size_t seal_alert(int alert, uint8_t* out) noexcept;
  // The peer asked for our next keys, or ours are worn out: call seal_key_update() before sending more.
  [[nodiscard]] bool key_update_due() const noexcept;
  [[nodiscard]] size_t seal_key_update(uint8_t* out) noexcept;

 private:
  static constexpr size_t kMessageHeaderBytes = 4;
  static constexpr size_t kKeyUpdateBytes = 5;

  [[nodiscard]] bool check_header(const uint8_t* header, size_t body) noexcept;
  [[nodiscard]] bool open_body(const uint8_t* header, std::span<uint8_t> body, std::span<uint8_t> room,
                               ContentType& type, RecordKeys::Plaintext& text) noexcept;
  [[nodiscard]] bool strip_padding(ContentType& type, RecordKeys::Plaintext& text) noexcept;
  [[nodiscard]] Step accept(ContentType type, RecordKeys::Plaintext& text) noexcept;
  [[nodiscard]] Step accept_content(const RecordKeys::Plaintext& text) noexcept;
  [[nodiscard]] Step accept_alert(const RecordKeys::Plaintext& text) noexcept;
  [[nodiscard]] Step accept_handshake(const RecordKeys::Plaintext& text) noexcept;
  [[nodiscard]] bool accept_message_header() noexcept;
  [[nodiscard]] Step accept_key_update() noexcept;
  [[nodiscard]] bool inside_message() const noexcept { return message_size_ != 0 || ticket_left_ != 0; }
  [[nodiscard]] Step count_idle() noexcept;
  bool fail(int alert, int reason) noexcept;

  const RecordSuite* suite_ = nullptr;
  RecordKeys tx_;
  RecordKeys rx_;
  RecordFailure failure_;
  uint32_t idle_records_ = 0;
  uint32_t ticket_left_ = 0;               // of a ticket that is being dropped
  uint8_t message_[kKeyUpdateBytes] = {};  // a KeyUpdate, or a ticket's header, that came in pieces
  uint8_t message_size_ = 0;
  bool key_update_asked_ = false;
  bool client_ = false;
};

}  // namespace mango::kernel
