// SPDX-License-Identifier: Apache-2.0
// Fuzzes what a peer may send after its handshake. Input: one byte that picks the suite (with its high bit,
// the reader is a client and may be sent session tickets), then a script of records: KIND, LENGTH (two
// bytes), that many bytes. KIND 'r': the bytes as they are, sealed by nobody; 'u': a KeyUpdate after which
// the client has new keys; else the content type that the bytes are sealed with, under the right key (in
// TLS 1.3 kind 0 leaves type and padding to the bytes). Beyond "no crash" it holds that
//   - what is opened is what was sealed, in order, and nothing else;
//   - the outcome depends neither on the room given nor on how the bytes were split;
//   - a session that has not failed can still say something that the client understands.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "mango/record_layer.h"

namespace {

using namespace mango::kernel;
using Step = RecordLayer::Step;
using Bytes = std::vector<uint8_t>;

constexpr size_t kMostSealed = RecordLayer::kMaxContentBytes + 300;  // beyond what is allowed

#define REQUIRE(condition) require((condition), #condition, __LINE__)

void require(bool condition, const char* text, int line) {
  if (condition) return;
  std::fprintf(stderr, "line %d: property violated: %s\n", line, text);
  std::abort();
}

struct Suite {
  uint16_t version;
  uint16_t id;
};
constexpr Suite kSuites[] = {{0x0304, 0x1301}, {0x0304, 0x1303}, {0x0303, 0xC02F}, {0x0303, 0xCCA8}};

std::unique_ptr<RecordLayer> make(Suite suite, bool server, bool takes_tickets = false) {
  mango_tls_keys_t keys{};
  keys.version = suite.version;
  keys.cipher_suite = suite.id;
  keys.is_client = takes_tickets ? 1 : 0;
  mango_tls_direction_t& down = server ? keys.tx : keys.rx;
  down.secret[0] = down.key[0] = 1;
  auto layer = std::make_unique<RecordLayer>();
  REQUIRE(layer->init(keys) == MANGO_STATUS_OK);
  return layer;
}

struct Sent {
  Bytes wire;
  Bytes content;
  bool known = true;  // `content` is all that may be opened
};

void append(Bytes& to, std::span<const uint8_t> more) {
  to.insert(to.end(), more.begin(), more.end());
}

void send(RecordLayer& client, bool tls13, uint8_t kind, std::span<const uint8_t> text, Sent& sent) {
  if (kind == 'r') return append(sent.wire, text);
  text = text.first(std::min(text.size(), kMostSealed));
  Bytes record(kMostSealed + kRecordOverheadBytes);
  const bool update = kind == 'u' && tls13;
  const size_t size = update ? client.seal_key_update(record.data())
                             : client.seal(static_cast<ContentType>(kind), text, record.data());
  REQUIRE(size != 0);
  append(sent.wire, std::span(record).first(size));
  if (static_cast<ContentType>(kind) == ContentType::application_data) append(sent.content, text);
  if (kind == 0 && tls13) sent.known = false;
}

Sent play(RecordLayer& client, bool tls13, std::span<const uint8_t> script) {
  Sent sent;
  while (script.size() >= 3) {
    const uint8_t kind = script[0];
    const size_t length = std::min<size_t>(size_t{script[1]} << 8 | script[2], script.size() - 3);
    send(client, tls13, kind, script.subspan(3, length), sent);
    script = script.subspan(3 + length);
  }
  return sent;
}

struct Read {
  Bytes content;
  Step last = Step::need_more;
  int alert = 0;
  size_t consumed = 0;
};

// Opens all of `wire`, which comes in pieces, with no more than `room_bytes` of room.
Read read(RecordLayer& server, const Bytes& wire, size_t piece, size_t room_bytes) {
  Read read;
  Bytes arrived;
  Bytes room(room_bytes);
  size_t fed = 0;
  for (;;) {
    const RecordLayer::Opened opened = server.open(std::span(arrived).subspan(read.consumed), room);
    read.consumed += opened.consumed;
    read.last = opened.step;
    REQUIRE(read.consumed <= arrived.size());
    if (opened.step == Step::content) {
      append(read.content, opened.content.first);
      append(read.content, opened.content.rest);
      continue;
    }
    if (opened.step != Step::need_more || fed == wire.size()) break;
    REQUIRE(opened.consumed == 0);
    const size_t more = std::min(piece, wire.size() - fed);
    append(arrived, std::span(wire).subspan(fed, more));
    fed += more;
  }
  read.alert = server.failure().alert;
  return read;
}

void check_answer(RecordLayer& server, RecordLayer& client) {
  Bytes wire(3 * (64 + kRecordOverheadBytes));
  size_t size = server.key_update_due() ? server.seal_key_update(wire.data()) : 0;
  const uint8_t text[] = {'o', 'k'};
  size += server.seal(ContentType::application_data, text, wire.data() + size);
  wire.resize(size);
  const Read answer = read(client, wire, wire.size(), 100);
  REQUIRE(answer.last == Step::need_more && answer.content == Bytes({'o', 'k'}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const Suite suite = kSuites[data[0] % std::size(kSuites)];
  const bool tickets = (data[0] & 0x80) != 0;
  const auto client = make(suite, false);
  const Sent sent = play(*client, suite.version == 0x0304, {data + 1, size - 1});

  const auto server = make(suite, true, tickets);
  const Read whole = read(*server, sent.wire, std::max<size_t>(sent.wire.size(), 1), 1 << 15);
  if (sent.known) {
    REQUIRE(whole.content.size() <= sent.content.size());
    REQUIRE(std::equal(whole.content.begin(), whole.content.end(), sent.content.begin()));
  }
  if (whole.last != Step::failed) check_answer(*server, *client);

  const size_t piece = std::max<size_t>(sent.wire.size() / 40, 1);
  for (const size_t room : {size_t{0}, size_t{1}, size_t{100}}) {
    const auto again = make(suite, true, tickets);
    const Read split = read(*again, sent.wire, piece + room, room);
    REQUIRE(split.content == whole.content && split.last == whole.last && split.alert == whole.alert);
    REQUIRE(split.last == Step::failed || split.consumed == whole.consumed);
  }
  return 0;
}
