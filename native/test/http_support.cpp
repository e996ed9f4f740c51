// SPDX-License-Identifier: Apache-2.0
#include "http_support.h"

namespace mango::http::test {

namespace {

constexpr size_t kSplitBytes = 1500;  // longer messages are not split: the work is quadratic

RequestResult parse_once(std::string_view bytes, const HeadLimits& limits) {
  RequestResult result;
  result.bytes = std::make_shared<std::string>(bytes);
  result.parsed = parse_request_head(*result.bytes, limits, *result.head, result.refusal);
  return result;
}

ResponseResult parse_once(std::string_view bytes, Method method, const HeadLimits& limits) {
  ResponseResult result;
  result.bytes = std::make_shared<std::string>(bytes);
  result.parsed = parse_response_head(*result.bytes, limits, method, *result.head, result.refusal);
  return result;
}

// A prefix may be undecided, or already decided like the whole.
template <typename Result>
void expect_same_decision(const Result& prefix, const Result& whole, std::string_view prefix_bytes) {
  if (prefix.parsed == Parsed::incomplete) {
    EXPECT_EQ(*prefix.bytes, prefix_bytes);
    return;
  }
  EXPECT_EQ(prefix.parsed, whole.parsed) << "after " << prefix_bytes.size() << " bytes";
  EXPECT_STREQ(prefix.refusal.reason, whole.refusal.reason) << "after " << prefix_bytes.size() << " bytes";
  EXPECT_EQ(prefix.refusal.status, whole.refusal.status);
  EXPECT_EQ(prefix.head->head_bytes, whole.head->head_bytes);
}

BodyResult read_in_two(Framing framing, uint64_t length, std::string_view bytes, size_t split,
                       const BodyLimits& limits) {
  BodyResult result;
  BodyReader reader;
  reader.start(framing, length);
  size_t at = 0;
  for (size_t available = split;;) {
    const auto step = reader.next(bytes.substr(at, available - at), limits);
    result.content.append(step.slice);
    at += step.consumed;
    if (step.step == BodyReader::Step::data) continue;
    if (step.step != BodyReader::Step::need_more || available == bytes.size()) break;
    available = bytes.size();
  }
  result.refusal = reader.refusal();
  result.trailers = reader.trailers();
  result.ended = reader.ended();
  result.rest = bytes.substr(at);
  return result;
}

}  // namespace

RequestResult parse_request(std::string_view bytes, const HeadLimits& limits) {
  RequestResult whole = parse_once(bytes, limits);
  for (size_t n = 0; bytes.size() <= kSplitBytes && n < bytes.size(); ++n) {
    expect_same_decision(parse_once(bytes.substr(0, n), limits), whole, bytes.substr(0, n));
  }
  return whole;
}

ResponseResult parse_response(std::string_view bytes, Method method, const HeadLimits& limits) {
  ResponseResult whole = parse_once(bytes, method, limits);
  for (size_t n = 0; bytes.size() <= kSplitBytes && n < bytes.size(); ++n) {
    expect_same_decision(parse_once(bytes.substr(0, n), method, limits), whole, bytes.substr(0, n));
  }
  return whole;
}

BodyResult read_body(Framing framing, uint64_t length, std::string_view bytes, const BodyLimits& limits) {
  const BodyResult whole = read_in_two(framing, length, bytes, bytes.size(), limits);
  for (size_t n = 0; bytes.size() <= kSplitBytes && n < bytes.size(); ++n) {
    const BodyResult split = read_in_two(framing, length, bytes, n, limits);
    EXPECT_EQ(split.ended, whole.ended) << "split at " << n;
    EXPECT_STREQ(split.refusal.reason, whole.refusal.reason) << "split at " << n;
    EXPECT_EQ(split.content, whole.content) << "split at " << n;
    EXPECT_EQ(split.trailers, whole.trailers) << "split at " << n;
    EXPECT_TRUE(!whole.ended || split.rest == whole.rest) << "split at " << n;
  }
  return whole;
}

std::string request_with(std::string_view field_lines, std::string_view start) {
  return std::string(start) + "\r\nHost: example.org\r\n" + std::string(field_lines) + "\r\n";
}

}  // namespace mango::http::test
