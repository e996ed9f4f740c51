// SPDX-License-Identifier: Apache-2.0
// What a match asks besides its path: method, header fields, query parameters. Evaluated without allocation.
//
// Of several fields with one name any may satisfy a header match. Of several query parameters with one name
// only the first counts (Gateway API); names and values are compared decoded, "+" being a space.
#pragma once

#include <re2/re2.h>

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/document.h"
#include "http/message.h"

namespace mango::proxy {

// Compiles each distinct pattern once and keeps it.
class PatternCache {
 public:
  // Null if the pattern does not compile or would need too much memory; the reason is in `error`.
  [[nodiscard]] const RE2* get(const std::string& pattern, std::string& error);

 private:
  std::unordered_map<std::string, std::unique_ptr<const RE2>> patterns_;
};

[[nodiscard]] bool matches_fully(const RE2& pattern, std::string_view text) noexcept;

class Condition {
 public:
  // The match and the patterns must outlive the condition.
  [[nodiscard]] bool build(const config::Match& match, PatternCache& patterns, std::string& error);

  [[nodiscard]] bool holds(const http::RequestHead& head) const noexcept;
  // What does not hold, in words: "method", "header x-env", "query debug"; "" if all does.
  [[nodiscard]] std::string refusal(const http::RequestHead& head) const;

 private:
  struct Test {
    const config::NameMatch* match;
    const RE2* pattern;  // null: exact
  };
  [[nodiscard]] bool method_holds(const http::RequestHead& head) const noexcept;
  [[nodiscard]] static bool build(const std::vector<config::NameMatch>& matches, PatternCache& patterns,
                                  std::vector<Test>& out, std::string& error);
  [[nodiscard]] static bool header_holds(const Test& test, const http::RequestHead& head) noexcept;
  [[nodiscard]] static bool query_holds(const Test& test, const http::RequestHead& head) noexcept;

  std::string_view method_;
  std::vector<Test> headers_;
  std::vector<Test> query_;
};

}  // namespace mango::proxy
