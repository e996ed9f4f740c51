// SPDX-License-Identifier: Apache-2.0
#include "proxy/condition.h"

#include <algorithm>
#include <array>

#include "http/chars.h"

namespace mango::proxy {

namespace {

constexpr int64_t kPatternBytes = int64_t{1} << 20;  // program and cached states of one pattern
constexpr size_t kMaxDecodedBytes = 4096;            // a longer query value satisfies no regular expression

// Reads a query component octet by octet, decoded; a broken escape stands for itself.
class Decoder {
 public:
  explicit Decoder(std::string_view text) noexcept : text_(text) {}
  [[nodiscard]] bool done() const noexcept { return at_ == text_.size(); }
  [[nodiscard]] char next() noexcept {
    const char c = text_[at_++];
    if (c == '+') return ' ';
    if (c != '%' || text_.size() - at_ < 2) return c;
    const int high = http::hex_value(text_[at_]);
    const int low = http::hex_value(text_[at_ + 1]);
    if (high < 0 || low < 0) return c;
    at_ += 2;
    return static_cast<char>(high * 16 + low);
  }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

bool decodes_to(std::string_view encoded, std::string_view plain) noexcept {
  if (encoded.size() < plain.size()) return false;
  Decoder decoder(encoded);
  for (const char c : plain) {
    if (decoder.done() || decoder.next() != c) return false;
  }
  return decoder.done();
}

bool decoded_matches(const RE2& pattern, std::string_view encoded) noexcept {
  std::array<char, kMaxDecodedBytes> memory;
  size_t used = 0;
  for (Decoder decoder(encoded); !decoder.done();) {
    if (used == memory.size()) return false;
    memory[used++] = decoder.next();
  }
  return matches_fully(pattern, {memory.data(), used});
}

RE2::Options options() {
  RE2::Options options;
  options.set_encoding(RE2::Options::EncodingLatin1);  // octets: what a peer sends need not be UTF-8
  options.set_log_errors(false);
  options.set_max_mem(kPatternBytes);
  return options;
}

}  // namespace

const RE2* PatternCache::get(const std::string& pattern, std::string& error) {
  std::unique_ptr<const RE2>& compiled = patterns_[pattern];
  if (compiled == nullptr) compiled = std::make_unique<const RE2>(pattern, options());
  if (compiled->ok()) return compiled.get();
  error = "regular expression: " + compiled->error();
  return nullptr;
}

bool matches_fully(const RE2& pattern, std::string_view text) noexcept {
  const re2::StringPiece piece(text.data(), text.size());
  return pattern.Match(piece, 0, piece.size(), RE2::ANCHOR_BOTH, nullptr, 0);
}

bool Condition::build(const config::Match& match, PatternCache& patterns, std::string& error) {
  method_ = match.method;
  return build(match.headers, patterns, headers_, error) &&
         build(match.query_params, patterns, query_, error);
}

bool Condition::build(const std::vector<config::NameMatch>& matches, PatternCache& patterns,
                      std::vector<Test>& out, std::string& error) {
  for (const config::NameMatch& match : matches) {
    const RE2* pattern = nullptr;
    if (match.type == config::NameMatchType::regular_expression) {
      pattern = patterns.get(match.value, error);
      if (pattern == nullptr) return false;
    }
    out.push_back({&match, pattern});
  }
  return true;
}

bool Condition::method_holds(const http::RequestHead& head) const noexcept {
  return method_.empty() || method_ == head.method_name;
}

bool Condition::header_holds(const Test& test, const http::RequestHead& head) noexcept {
  for (const http::Field& field : head.fields) {
    if (!http::equals_ignore_case(field.name, test.match->name)) continue;
    if (test.pattern == nullptr ? field.value == test.match->value
                                : matches_fully(*test.pattern, field.value)) {
      return true;
    }
  }
  return false;
}

bool Condition::query_holds(const Test& test, const http::RequestHead& head) noexcept {
  std::string_view rest = head.query;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    if (!decodes_to(pair.substr(0, equals), test.match->name)) continue;
    const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
    return test.pattern == nullptr ? decodes_to(value, test.match->value)
                                   : decoded_matches(*test.pattern, value);
  }
  return false;
}

bool Condition::holds(const http::RequestHead& head) const noexcept {
  const auto header = [&](const Test& test) { return header_holds(test, head); };
  const auto query = [&](const Test& test) { return query_holds(test, head); };
  return method_holds(head) && std::all_of(headers_.begin(), headers_.end(), header) &&
         std::all_of(query_.begin(), query_.end(), query);
}

std::string Condition::refusal(const http::RequestHead& head) const {
  if (!method_holds(head)) return "method";
  for (const Test& test : headers_) {
    if (!header_holds(test, head)) return "header " + test.match->name;
  }
  for (const Test& test : query_) {
    if (!query_holds(test, head)) return "query " + test.match->name;
  }
  return {};
}

}  // namespace mango::proxy
