// SPDX-License-Identifier: Apache-2.0
#include "mango/record_session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>

namespace mango::kernel {

static_assert(kTlsSendBytes + 6 * kRecordOverheadBytes <= kScratchOutBytes,
              "one send fits, with a KeyUpdate");
static_assert(RecordLayer::kMaxContentBytes == kTlsRecordBytes);

size_t RecordSession::take_held(std::span<uint8_t> room) noexcept {
  const size_t count = std::min(plain_.size(), room.size());
  if (count == 0) return 0;
  std::memcpy(room.data(), plain_.data(), count);
  plain_.consume(count);
  return count;
}

size_t RecordSession::read(TlsCall& call, std::span<uint8_t> room, mango_status_e* status) noexcept {
  size_t got = take_held(room);
  while (got < room.size() && !ended_ && *status == MANGO_STATUS_OK) {
    call.delivered = got != 0;
    got += read_record(room.subspan(got), status);
  }
  if (!answer_key_update()) *status = MANGO_STATUS_TLS;
  return got;
}

// Opens one record, or receives if none is complete.
size_t RecordSession::read_record(std::span<uint8_t> room, mango_status_e* status) noexcept {
  const RecordLayer::Opened opened = layer_.open(wire_.input(), room);
  wire_.consume(opened.consumed);
  switch (opened.step) {
    case RecordLayer::Step::need_more:
      *status = wire_.fill();
      return 0;
    case RecordLayer::Step::end:
      ended_ = true;
      return 0;
    case RecordLayer::Step::failed:
      *status = fail();
      return 0;
    case RecordLayer::Step::content:
      break;
  }
  const auto& [first, rest] = opened.content;
  if (!plain_.append(rest.data(), rest.size())) *status = MANGO_STATUS_NO_MEMORY;
  return first.size();
}

mango_status_e RecordSession::fail() noexcept {
  const RecordFailure& failure = layer_.failure();
  ERR_raise(ERR_LIB_SSL, failure.reason);
  if (failure.alert >= 0 && !closed_) wire_.produced(layer_.seal_alert(failure.alert, wire_.output().data()));
  closed_ = true;
  return MANGO_STATUS_TLS;
}

// One answer serves all requests that came before it; while the peer does not read, it gets none.
bool RecordSession::answer_key_update() noexcept {
  if (!layer_.key_update_due() || closed_ || wire_.held_out() != 0) return true;
  const size_t size = layer_.seal_key_update(wire_.output().data());
  wire_.produced(size);
  return size != 0;
}

mango_status_e RecordSession::write(std::span<const uint8_t> content) noexcept {
  if (closed_) return MANGO_STATUS_TLS;
  while (!content.empty()) {
    if (!answer_key_update()) return MANGO_STATUS_TLS;
    const auto piece = content.first(std::min(content.size(), RecordLayer::kMaxContentBytes));
    const size_t size = layer_.seal(ContentType::application_data, piece, wire_.output().data());
    if (size == 0) return MANGO_STATUS_TLS;
    wire_.produced(size);
    content = content.subspan(piece.size());
  }
  return MANGO_STATUS_OK;
}

void RecordSession::say_close_notify() noexcept {
  if (closed_) return;
  closed_ = true;
  wire_.produced(layer_.seal_alert(SSL_AD_CLOSE_NOTIFY, wire_.output().data()));
}

}  // namespace mango::kernel
