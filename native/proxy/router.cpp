// SPDX-License-Identifier: Apache-2.0
#include "proxy/router.h"

#include <algorithm>
#include <array>

#include "http/chars.h"
#include "proxy/router_tables.h"

namespace mango::proxy {

namespace {

constexpr size_t kMaxHostBytes = 255;
constexpr size_t kMaxSteps = 1000;  // of a trace: what a person may still read

// The request's host in lower case and without a trailing dot; "" if there is none or it is too long for a
// name.
std::string_view canonical_host(std::string_view host, std::array<char, kMaxHostBytes>& memory) noexcept {
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.size() > memory.size()) return {};
  std::transform(host.begin(), host.end(), memory.begin(), http::to_lower);
  return {memory.data(), host.size()};
}

bool is_prefix_of(std::string_view prefix, std::string_view path) noexcept {
  return path.starts_with(prefix) &&
         (path.size() == prefix.size() || prefix.empty() || path[prefix.size()] == '/');
}

bool path_holds(const CompiledMatch& match, std::string_view path) noexcept {
  if (match.kind == PathKind::exact) return match.path == path;
  return match.kind == PathKind::prefix ? is_prefix_of(match.path, path)
                                        : matches_fully(*match.pattern, path);
}

// The hosts that concern a request, from the most specific to the least.
class HostWalk {
 public:
  HostWalk(const Router::Tables& tables, uint32_t listener, std::string_view host) noexcept
      : tables_(tables) {
    if (listener >= tables.any_host.size()) return;
    std::array<char, kMaxHostBytes> memory;
    const std::string_view name = canonical_host(host, memory);
    less_specific_ = tables.any_host[listener];
    // Right to left: at each dot the hash so far is that of a wildcard's suffix; the last hit is the longest.
    RollingHash hash = host_hash(listener);
    for (size_t i = name.size(); i-- > 0;) {
      hash.add(name[i]);
      if (name[i] != '.' || i == 0) continue;
      const uint32_t found = tables.find_host(listener, name.substr(i), true, hash.value());
      if (found != kNoEntry) less_specific_ = found;
    }
    current_ = name.empty() ? kNoEntry : tables.find_host(listener, name, false, hash.value());
    if (current_ == kNoEntry) advance();
  }
  [[nodiscard]] uint32_t current() const noexcept { return current_; }
  void advance() noexcept {
    current_ = less_specific_;
    if (current_ != kNoEntry) less_specific_ = tables_.hosts[current_].parent;
  }

 private:
  const Router::Tables& tables_;
  uint32_t current_ = kNoEntry;
  uint32_t less_specific_ = kNoEntry;
};

const CompiledMatch* first_holding(const Router::Tables& tables, uint32_t first, uint32_t last,
                                   const http::RequestHead& head) noexcept {
  for (uint32_t i = first; i < last; ++i) {
    const CompiledMatch& match = tables.matches[tables.order[i]];
    if (match.condition.holds(head)) return &match;
  }
  return nullptr;
}

const CompiledMatch* match_exact(const Router::Tables& tables, uint32_t host,
                                 const http::RequestHead& head) noexcept {
  RollingHash hash = path_hash(host, PathKind::exact);
  for (const char c : head.path) hash.add(c);
  const uint32_t group = tables.find_group(host, PathKind::exact, head.path, hash.value());
  if (group == kNoEntry) return nullptr;
  return first_holding(tables, tables.groups[group].first, tables.groups[group].last, head);
}

const CompiledMatch* match_pattern(const Router::Tables& tables, const HostEntry& host,
                                   const http::RequestHead& head) noexcept {
  for (uint32_t i = host.first_pattern; i < host.last_pattern; ++i) {
    const CompiledMatch& match = tables.matches[tables.order[i]];
    if (match.condition.holds(head) && matches_fully(*match.pattern, head.path)) return &match;
  }
  return nullptr;
}

// Looks at each element's end up to the longest prefix there is, so that a long path costs no more.
uint32_t longest_prefix_group(const Router::Tables& tables, uint32_t host, std::string_view path) noexcept {
  RollingHash hash = path_hash(host, PathKind::prefix);
  uint32_t longest = kNoEntry;
  const size_t end = std::min(path.size(), tables.hosts[host].longest_prefix);
  for (size_t length = 0; length <= end; ++length) {
    if (length > 0) hash.add(path[length - 1]);
    if (length != path.size() && length != 0 && path[length] != '/') continue;
    const uint32_t found = tables.find_group(host, PathKind::prefix, path.substr(0, length), hash.value());
    if (found != kNoEntry) longest = found;
  }
  return longest;
}

const CompiledMatch* match_prefix(const Router::Tables& tables, uint32_t host,
                                  const http::RequestHead& head) noexcept {
  for (uint32_t at = longest_prefix_group(tables, host, head.path); at != kNoEntry;
       at = tables.groups[at].parent) {
    const PathGroup& group = tables.groups[at];
    if (const CompiledMatch* match = first_holding(tables, group.first, group.last, head)) return match;
  }
  return nullptr;
}

const CompiledMatch* match_host(const Router::Tables& tables, uint32_t index,
                                const http::RequestHead& head) noexcept {
  const HostEntry& host = tables.hosts[index];
  const CompiledMatch* match = host.has_exact ? match_exact(tables, index, head) : nullptr;
  if (match == nullptr) match = match_pattern(tables, host, head);
  if (match == nullptr && host.has_prefix) match = match_prefix(tables, index, head);
  return match;
}

}  // namespace

uint32_t Router::Tables::find_group(uint32_t host, PathKind kind, std::string_view path,
                                    uint64_t hash) const noexcept {
  return group_index.find(hash, [&](uint32_t at) {
    const PathGroup& group = groups[at];
    return group.host == host && group.kind == kind && group.path == path;
  });
}

uint32_t Router::Tables::find_host(uint32_t listener, std::string_view name, bool wildcard,
                                   uint64_t hash) const noexcept {
  return host_index.find(hash, [&](uint32_t at) {
    const HostEntry& host = hosts[at];
    return host.listener == listener && host.hostname.starts_with("*.") == wildcard &&
           host_key(host.hostname) == name;
  });
}

Router::Router(std::unique_ptr<const Tables> tables) : tables_(std::move(tables)) {}
Router::~Router() = default;

const RouteMatch* Router::match(uint32_t listener, const http::RequestHead& head) const noexcept {
  for (HostWalk walk(*tables_, listener, head.host); walk.current() != kNoEntry; walk.advance()) {
    if (const CompiledMatch* match = match_host(*tables_, walk.current(), head)) return &match->result;
  }
  return nullptr;
}

const RouteMatch* Router::trace(uint32_t listener, const http::RequestHead& head,
                                std::vector<Consideration>& steps) const {
  for (HostWalk walk(*tables_, listener, head.host); walk.current() != kNoEntry; walk.advance()) {
    const HostEntry& host = tables_->hosts[walk.current()];
    for (uint32_t i = host.first; i < host.last; ++i) {
      const CompiledMatch& match = tables_->matches[tables_->order[i]];
      std::string why = path_holds(match, head.path) ? match.condition.refusal(head) : "path";
      const bool taken = why.empty();
      if (taken || steps.size() < kMaxSteps) {
        steps.push_back(
            {std::string(host.hostname.empty() ? "*" : host.hostname), match.result, std::move(why)});
      }
      if (taken) return &match.result;
    }
  }
  return nullptr;
}

}  // namespace mango::proxy
