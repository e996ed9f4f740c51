// SPDX-License-Identifier: Apache-2.0
#include "mango/record_layer.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>

namespace mango::kernel {
namespace {

constexpr uint8_t kWarning = 1;
constexpr uint8_t kFatal = 2;
constexpr uint8_t kUpdateNotRequested = 0;
constexpr uint8_t kUpdateRequested = 1;
constexpr size_t kTls13MaxExpansion = 256;  // RFC 8446 section 5.2

size_t size_of(const RecordKeys::Plaintext& text) noexcept {
  return text.first.size() + text.rest.size();
}

uint8_t byte_of(const RecordKeys::Plaintext& text, size_t index) noexcept {
  return index < text.first.size() ? text.first[index] : text.rest[index - text.first.size()];
}

}  // namespace

mango_status_e RecordLayer::init(const mango_tls_keys_t& keys) noexcept {
  suite_ = RecordSuite::find(keys.version, keys.cipher_suite);
  if (!suite_) return MANGO_STATUS_NOT_SUPPORTED;
  client_ = keys.is_client != 0;
  if (suite_->is_tls13()) {
    const bool ok = tx_.set_secret(*suite_, keys.tx.secret, keys.tx.sequence) &&
                    rx_.set_secret(*suite_, keys.rx.secret, keys.rx.sequence);
    return ok ? MANGO_STATUS_OK : MANGO_STATUS_NO_MEMORY;
  }
  tx_.set_key(*suite_, keys.tx.key, keys.tx.iv, keys.tx.sequence);
  rx_.set_key(*suite_, keys.rx.key, keys.rx.iv, keys.rx.sequence);
  return MANGO_STATUS_OK;
}

bool RecordLayer::fail(int alert, int reason) noexcept {
  failure_ = {alert, reason};
  return false;
}

// --- receiving
// ----------------------------------------------------------------------------------------------

RecordLayer::Opened RecordLayer::open(std::span<uint8_t> in, std::span<uint8_t> room) noexcept {
  if (in.size() < kRecordHeaderBytes) return {Step::need_more};
  const uint8_t* header = in.data();
  const size_t body = size_t{header[3]} << 8 | header[4];
  if (!check_header(header, body)) return {Step::failed};
  if (in.size() < kRecordHeaderBytes + body) return {Step::need_more};
  Opened opened{Step::failed, kRecordHeaderBytes + body};
  ContentType type{};
  if (open_body(header, in.subspan(kRecordHeaderBytes, body), room, type, opened.content))
    opened.step = accept(type, opened.content);
  return opened;
}

// Judged as soon as the five bytes are there, so that nonsense is not waited for.
bool RecordLayer::check_header(const uint8_t* header, size_t body) noexcept {
  const bool tls13 = suite_->is_tls13();
  const auto type = static_cast<ContentType>(header[0]);
  const bool type_ok = type == ContentType::application_data ||
                       (!tls13 && (type == ContentType::alert || type == ContentType::handshake));
  if (!type_ok) return fail(SSL_AD_UNEXPECTED_MESSAGE, SSL_R_BAD_RECORD_TYPE);
  if (header[1] != 3 || header[2] != 3) return fail(SSL_AD_PROTOCOL_VERSION, SSL_R_WRONG_VERSION_NUMBER);
  const size_t most = kMaxContentBytes + (tls13 ? kTls13MaxExpansion : suite_->expansion());
  if (body > most) return fail(SSL_AD_RECORD_OVERFLOW, SSL_R_ENCRYPTED_LENGTH_TOO_LONG);
  if (body < suite_->expansion()) return fail(SSL_AD_DECODE_ERROR, SSL_R_LENGTH_TOO_SHORT);
  return true;
}

bool RecordLayer::open_body(const uint8_t* header, std::span<uint8_t> body, std::span<uint8_t> room,
                            ContentType& type, RecordKeys::Plaintext& text) noexcept {
  if (!rx_.open(header, body, room, text))
    return fail(SSL_AD_BAD_RECORD_MAC, SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC);
  type = static_cast<ContentType>(header[0]);
  return !suite_->is_tls13() || strip_padding(type, text);
}

// TLSInnerPlaintext: content, its type, zeros; of all these at most 2^14 + 1 bytes (RFC 8446 section 5.4).
bool RecordLayer::strip_padding(ContentType& type, RecordKeys::Plaintext& text) noexcept {
  if (size_of(text) > kMaxContentBytes + 1) return fail(SSL_AD_RECORD_OVERFLOW, SSL_R_DATA_LENGTH_TOO_LONG);
  size_t size = size_of(text);
  while (size > 0 && byte_of(text, size - 1) == 0) --size;
  if (size == 0) return fail(SSL_AD_UNEXPECTED_MESSAGE, SSL_R_BAD_RECORD_TYPE);
  type = static_cast<ContentType>(byte_of(text, --size));
  text.first = text.first.first(std::min(size, text.first.size()));
  text.rest = text.rest.first(size - text.first.size());
  return true;
}

RecordLayer::Step RecordLayer::accept(ContentType type, RecordKeys::Plaintext& text) noexcept {
  if (type == ContentType::application_data && !inside_message()) return accept_content(text);
  const RecordKeys::Plaintext control = text;
  text = {};
  if (type == ContentType::handshake) return accept_handshake(control);
  if (type == ContentType::alert) return accept_alert(control);
  fail(SSL_AD_UNEXPECTED_MESSAGE, SSL_R_UNEXPECTED_RECORD);  // or a message was cut in two by this record
  return Step::failed;
}

RecordLayer::Step RecordLayer::accept_content(const RecordKeys::Plaintext& text) noexcept {
  if (size_of(text) == 0) return count_idle();
  idle_records_ = 0;
  return Step::content;
}

RecordLayer::Step RecordLayer::count_idle() noexcept {
  if (++idle_records_ <= kMaxIdleRecords) return Step::content;
  fail(SSL_AD_UNEXPECTED_MESSAGE, SSL_R_RECORD_TOO_SMALL);
  return Step::failed;
}

// One alert, whole, in a record of its own: true of every peer there is, and demanded by TLS 1.3.
RecordLayer::Step RecordLayer::accept_alert(const RecordKeys::Plaintext& text) noexcept {
  if (size_of(text) != 2 || inside_message()) {
    fail(SSL_AD_UNEXPECTED_MESSAGE, SSL_R_INVALID_ALERT);
    return Step::failed;
  }
  const int alert = byte_of(text, 1);
  if (alert == SSL_AD_CLOSE_NOTIFY) return Step::end;
  if (alert == SSL_AD_USER_CANCELLED) return count_idle();
  fail(-1, SSL_AD_REASON_OFFSET + alert);
  return Step::failed;
}

// In TLS 1.2 a ClientHello or HelloRequest: renegotiation. In TLS 1.3 KeyUpdate, with which the record must
// end, for the next one has other keys (RFC 8446 section 5.1), and to a client tickets.
RecordLayer::Step RecordLayer::accept_handshake(const RecordKeys::Plaintext& text) noexcept {
  const size_t size = size_of(text);
  if (!suite_->is_tls13()) {
    fail(SSL_AD_NO_RENEGOTIATION, SSL_R_NO_RENEGOTIATION);
    return Step::failed;
  }
  bool ok = size != 0;
  for (size_t i = 0; ok && i < size;) {
    if (ticket_left_ != 0) {
      const size_t dropped = std::min<size_t>(ticket_left_, size - i);
      ticket_left_ -= static_cast<uint32_t>(dropped);
      i += dropped;
      continue;
    }
    message_[message_size_++] = byte_of(text, i++);
    if (message_size_ == kKeyUpdateBytes && i == size) return accept_key_update();
    ok = message_size_ < kKeyUpdateBytes && accept_message_header();
  }
  if (ok) return count_idle();
  fail(SSL_AD_UNEXPECTED_MESSAGE, SSL_R_UNEXPECTED_MESSAGE);
  return Step::failed;
}

// Judged byte by byte, so that nothing is waited for in vain.
bool RecordLayer::accept_message_header() noexcept {
  static constexpr uint8_t kKeyUpdate[kMessageHeaderBytes] = {SSL3_MT_KEY_UPDATE, 0, 0, 1};
  const size_t last = message_size_ - 1U;
  if (!client_ || message_[0] != SSL3_MT_NEWSESSION_TICKET) return message_[last] == kKeyUpdate[last];
  if (message_size_ < kMessageHeaderBytes) return true;
  message_size_ = 0;
  ticket_left_ = uint32_t{message_[1]} << 16 | uint32_t{message_[2]} << 8 | message_[3];
  return ticket_left_ <= kMaxTicketBytes;
}

RecordLayer::Step RecordLayer::accept_key_update() noexcept {
  const uint8_t request = message_[kKeyUpdateBytes - 1];
  message_size_ = 0;
  if (request > kUpdateRequested) {
    fail(SSL_AD_ILLEGAL_PARAMETER, SSL_R_BAD_KEY_UPDATE);
    return Step::failed;
  }
  if (!rx_.update()) {
    fail(SSL_AD_INTERNAL_ERROR, ERR_R_INTERNAL_ERROR);
    return Step::failed;
  }
  key_update_asked_ = key_update_asked_ || request == kUpdateRequested;
  return count_idle();
}

// --- sending
// ------------------------------------------------------------------------------------------------

size_t RecordLayer::seal(ContentType type, std::span<const uint8_t> content, uint8_t* out) noexcept {
  return tx_.seal(type, content, out);
}

size_t RecordLayer::seal_alert(int alert, uint8_t* out) noexcept {
  const bool warning = alert == SSL_AD_CLOSE_NOTIFY || alert == SSL_AD_NO_RENEGOTIATION;
  const uint8_t message[] = {warning ? kWarning : kFatal, static_cast<uint8_t>(alert)};
  return seal(ContentType::alert, message, out);
}

bool RecordLayer::key_update_due() const noexcept {
  return key_update_asked_ || (suite_->is_tls13() && tx_.sequence() >= kMaxRecordsPerKey - 1);
}

size_t RecordLayer::seal_key_update(uint8_t* out) noexcept {
  const uint8_t message[kKeyUpdateBytes] = {SSL3_MT_KEY_UPDATE, 0, 0, 1, kUpdateNotRequested};
  const size_t size = seal(ContentType::handshake, message, out);
  key_update_asked_ = false;
  return size && tx_.update() ? size : 0;
}

}  // namespace mango::kernel
