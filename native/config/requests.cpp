// SPDX-License-Identifier: Apache-2.0
// The small documents that cross besides the snapshot: bans, session selectors, explain requests.
#include "config/json_reader.h"
#include "config/names.h"
#include "config/text_rules.h"

namespace mango::config {

namespace {

constexpr size_t kMaxBans = 1'000'000;
constexpr size_t kMaxExplainHeaders = 1000;
constexpr TextRule kSelectorText{"a name", 1, kMaxNameBytes, is_printable};
constexpr TextRule kUrl{"an absolute URL", 1, 64 * 1024, is_visible};

bool read_ban(const Node& node, Ban& out) {
  Object o(node);
  return o.open() && o.choice("by", out.by, kBanByNames) && o.text("value", out.value, kName) &&
         o.choice("action", out.action, kActionKindNames) && o.number("status", out.status, 0, 599) &&
         o.number("untilMs", out.until_ms) && o.close();
}

bool read_bans(const Node& root, void* out) {
  return root.list(*static_cast<std::vector<Ban>*>(out), 0, kMaxBans, read_ban);
}

bool maybe_text(Object& o, std::string_view key, std::optional<std::string>& out) {
  return o.maybe(key, [&](const Node& node) { return node.text(out.emplace(), kSelectorText); });
}

template <typename Integer>
bool maybe_number(Object& o, std::string_view key, std::optional<Integer>& out, uint64_t most) {
  return o.maybe(key, [&](const Node& node) { return node.number(out.emplace(), 0, most); });
}

bool read_selector(const Node& root, void* out) {
  auto& selector = *static_cast<SessionSelector*>(out);
  Object o(root);
  return o.open() && maybe_number(o, "id", selector.id, kMaxSafeInteger) &&
         maybe_text(o, "client", selector.client) && maybe_text(o, "sni", selector.sni) &&
         maybe_text(o, "route", selector.route) && maybe_text(o, "upstream", selector.upstream) &&
         maybe_text(o, "listener", selector.listener) &&
         maybe_number(o, "olderThanMs", selector.older_than_ms, kMaxSafeInteger) &&
         maybe_number(o, "limit", selector.limit, UINT32_MAX) && o.close();
}

bool read_explain(const Node& root, void* out) {
  auto& request = *static_cast<ExplainRequest*>(out);
  Object o(root);
  return o.open() &&
         o.maybe("listener", [&](const Node& node) { return node.text(request.listener, kAnyText); }) &&
         o.text("method", request.method, kToken) && o.text("url", request.url, kUrl) &&
         o.list("headers", request.headers, read_field, 0, kMaxExplainHeaders) && o.close();
}

template <typename Item>
bool decode_into(std::string_view json, Item& out, RootReader read, DecodeError& error) {
  Item item;
  if (!read_document(json, &item, read, error)) return false;
  out = std::move(item);
  return true;
}

}  // namespace

bool decode_bans(std::string_view json, std::vector<Ban>& out, DecodeError& error) {
  return decode_into(json, out, read_bans, error);
}

bool decode_selector(std::string_view json, SessionSelector& out, DecodeError& error) {
  return decode_into(json, out, read_selector, error);
}

bool decode_explain(std::string_view json, ExplainRequest& out, DecodeError& error) {
  return decode_into(json, out, read_explain, error);
}

}  // namespace mango::config
