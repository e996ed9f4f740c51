// SPDX-License-Identifier: Apache-2.0
// Fuzzes the HTTP/1.1 readers. Input: one letter (q request, s response, h response to HEAD), one byte that
// says where to split, then what the network brings. Beyond "no crash" it holds that
//   - a decision never depends on how the bytes were split, and `incomplete` changes none of them;
//   - no more is consumed than there is, and every view points into it;
//   - what we would forward reads back as the same message, to its last byte.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>

#include "http/chunk.h"
#include "http/forwarding.h"
#include "http/h1_body.h"
#include "http/h1_parser.h"

namespace {

using namespace mango::http;

constexpr HeadLimits kLimits{.head_bytes = 4096, .fields = 40, .allow_escaped_slashes = false};
constexpr HeadLimits kWideLimits{.head_bytes = 64 * 1024, .fields = 1000, .allow_escaped_slashes = false};
constexpr size_t kBodySplits = 3;

#define REQUIRE(condition) require((condition), #condition, __LINE__)

void require(bool condition, const char* text, int line) {
  if (condition) return;
  std::fprintf(stderr, "line %d: property violated: %s\n", line, text);
  std::abort();
}

bool is_view_into(std::string_view view, std::string_view bytes) {
  if (view.empty() || view == "/" || view == "*") return true;  // may be static
  return !std::less<>()(view.data(), bytes.data()) &&
         !std::less<>()(bytes.data() + bytes.size(), view.data() + view.size());
}

struct Body {
  bool ended = false;
  std::string reason;
  std::string content;
  std::string trailers;
  size_t consumed = 0;
};

// Feeds `bytes` in pieces of at most `piece` new bytes.
Body read_body(Framing framing, uint64_t length, std::string_view bytes, size_t piece) {
  Body body;
  BodyReader reader;
  reader.start(framing, length);
  size_t available = std::min(piece, bytes.size());
  for (;;) {
    const auto step = reader.next(bytes.substr(body.consumed, available - body.consumed), {});
    body.content.append(step.slice);
    body.consumed += step.consumed;
    REQUIRE(body.consumed <= available);
    if (step.step == BodyReader::Step::data) {
      REQUIRE(!step.slice.empty() && is_view_into(step.slice, bytes));
      continue;
    }
    if (step.step != BodyReader::Step::need_more || available == bytes.size()) break;
    available = std::min(available + piece, bytes.size());
  }
  body.ended = reader.ended();
  body.reason = reader.refusal().reason;
  body.trailers = reader.trailers();
  return body;
}

void check_body(Framing framing, uint64_t length, std::string_view bytes, size_t seed) {
  const Body whole = read_body(framing, length, bytes, std::max<size_t>(bytes.size(), 1));
  for (size_t i = 0; i < kBodySplits; ++i) {
    const Body split = read_body(framing, length, bytes, i == 0 ? 1 : 1 + seed % (7 * i));
    REQUIRE(split.ended == whole.ended && split.reason == whole.reason);
    REQUIRE(split.content == whole.content && split.trailers == whole.trailers);
    REQUIRE(!whole.ended || split.consumed == whole.consumed);
  }
  if (!whole.ended || framing != Framing::chunked) return;

  std::array<char, kChunkHeadBytes> memory;
  std::string again;
  if (!whole.content.empty()) {
    again.append(write_chunk_head(memory, whole.content.size())).append(whole.content).append(kChunkEnd);
  }
  again.append(kLastChunkLine).append(whole.trailers).append(kChunkEnd);
  const Body reread = read_body(framing, 0, again, again.size());
  REQUIRE(reread.ended && reread.consumed == again.size());
  REQUIRE(reread.content == whole.content && reread.trailers == whole.trailers);
}

void check_forwarded_request(const RequestHead& head) {
  static auto again = std::make_unique<RequestHead>();
  const RequestForwarding how{.target = head.target,
                              .host = head.authority.empty() ? "fallback.example" : head.authority,
                              .client_address = "192.0.2.1",
                              .proto = "https",
                              .original_host = head.authority,
                              .request_id = "id",
                              .trusted = head.fields.size() % 2 == 0,
                              .upgrade = true,
                              .framing = head.framing,
                              .content_length = head.content_length};
  std::array<char, 32 * 1024> memory;
  HeadWriter out(memory);
  write_request_head(out, head, how);
  REQUIRE(out.ok());
  Refusal refusal;
  const std::string written(out.text());
  REQUIRE(parse_request_head({memory.data(), out.size()}, kWideLimits, *again, refusal) == Parsed::complete);
  REQUIRE(again->head_bytes == written.size() && std::string_view(memory.data(), out.size()) == written);
  REQUIRE(again->method_name == head.method_name && again->target == head.target && again->path == head.path);
  REQUIRE(again->authority == how.host);
  REQUIRE(again->framing == head.framing && again->content_length == head.content_length);
  REQUIRE(again->upgrade == head.upgrade && again->expect_continue == head.expect_continue);
}

void check_request(std::string_view bytes, size_t split) {
  static auto head = std::make_unique<RequestHead>();
  static auto prefix_head = std::make_unique<RequestHead>();
  std::string prefix(bytes.substr(0, split));
  Refusal prefix_refusal;
  const Parsed prefix_parsed = parse_request_head(prefix, kLimits, *prefix_head, prefix_refusal);
  REQUIRE(prefix_parsed != Parsed::incomplete || prefix == bytes.substr(0, split));

  std::string whole(bytes);
  Refusal refusal;
  const Parsed parsed = parse_request_head(whole, kLimits, *head, refusal);
  REQUIRE(prefix_parsed == Parsed::incomplete || prefix_parsed == parsed);
  if (prefix_parsed == Parsed::refused) REQUIRE(std::string_view(prefix_refusal.reason) == refusal.reason);
  if (parsed == Parsed::refused) REQUIRE(refusal.status >= 400 && refusal.reason[0] != 0);
  if (parsed != Parsed::complete) return;

  REQUIRE(head->head_bytes <= whole.size());
  size_t scanned = 0;
  REQUIRE(find_head_end(bytes, &scanned) == head->head_bytes);
  const std::string_view own = std::string_view(whole).substr(0, head->head_bytes);
  for (const auto view : {head->method_name, head->target, head->authority, head->host, head->path,
                          head->query, head->upgrade}) {
    REQUIRE(is_view_into(view, own));
  }
  for (const Field& field : head->fields)
    REQUIRE(is_view_into(field.name, own) && is_view_into(field.value, own));
  check_forwarded_request(*head);
  check_body(head->framing, head->content_length, bytes.substr(head->head_bytes), split);
}

void check_forwarded_response(const ResponseHead& head, Method method) {
  static auto again = std::make_unique<ResponseHead>();
  std::array<char, 32 * 1024> memory;
  HeadWriter out(memory);
  const ResponseForwarding how{.keep_alive = head.keep_alive,
                               .upgrade = true,
                               .framing = head.framing,
                               .content_length = head.content_length,
                               .request_id = "id",
                               .date = "Sun, 06 Nov 1994 08:49:37 GMT"};
  write_response_head(out, head, how);
  REQUIRE(out.ok());
  Refusal refusal;
  REQUIRE(parse_response_head(out.text(), kWideLimits, method, *again, refusal) == Parsed::complete);
  REQUIRE(again->head_bytes == out.size() && again->status == head.status);
  REQUIRE(again->framing == head.framing && again->content_length == head.content_length);
  REQUIRE(again->upgrade == head.upgrade);
  REQUIRE(head.status < 200 || again->keep_alive == head.keep_alive);
}

void check_response(std::string_view bytes, size_t split, Method method) {
  static auto head = std::make_unique<ResponseHead>();
  static auto prefix_head = std::make_unique<ResponseHead>();
  const std::string prefix(bytes.substr(0, split));  // a copy, so that ASan sees a read behind it
  Refusal prefix_refusal;
  const Parsed prefix_parsed = parse_response_head(prefix, kLimits, method, *prefix_head, prefix_refusal);

  Refusal refusal;
  const Parsed parsed = parse_response_head(bytes, kLimits, method, *head, refusal);
  REQUIRE(prefix_parsed == Parsed::incomplete || prefix_parsed == parsed);
  if (prefix_parsed == Parsed::refused) REQUIRE(std::string_view(prefix_refusal.reason) == refusal.reason);
  if (parsed == Parsed::refused) REQUIRE(refusal.status == 502 && refusal.reason[0] != 0);
  if (parsed != Parsed::complete) return;

  REQUIRE(head->head_bytes <= bytes.size());
  const std::string_view own = bytes.substr(0, head->head_bytes);
  REQUIRE(is_view_into(head->reason, own) && is_view_into(head->upgrade, own));
  for (const Field& field : head->fields)
    REQUIRE(is_view_into(field.name, own) && is_view_into(field.value, own));
  check_forwarded_response(*head, method);
  check_body(head->framing, head->content_length, bytes.substr(head->head_bytes), split);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t split = bytes.size() * data[1] / 256;
  switch (data[0]) {
    case 'q':
      check_request(bytes, split);
      break;
    case 's':
      check_response(bytes, split, Method::get);
      break;
    case 'h':
      check_response(bytes, split, Method::head);
      break;
    default:
      return -1;  // keep the corpus to the letters above
  }
  return 0;
}
