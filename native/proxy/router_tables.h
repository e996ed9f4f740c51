// SPDX-License-Identifier: Apache-2.0
// The router's tables, shared by its builder and its lookups. Internal to the router.
//
// All candidates of all hosts stand in one array, grouped by host and inside a host in order of preference:
// exact paths, regular expressions, prefixes from long to short. Hosts and groups point into it; three hash
// indexes find them. Less specific alternatives hang on parent links, so that one forward pass over a path
// (or one backward pass over a host) finds the most specific entry and the links lead to all others.
#pragma once

#include <string_view>
#include <vector>

#include "proxy/condition.h"
#include "proxy/hash_index.h"
#include "proxy/router.h"

namespace mango::proxy {

inline constexpr uint32_t kNoEntry = HashIndex::kNone;

// In order of preference.
enum class PathKind : uint8_t { exact, pattern, prefix };

// One match of one route, compiled; shared by all hosts and listeners of the route.
struct CompiledMatch {
  RouteMatch result;
  const config::Match* match = nullptr;
  PathKind kind = PathKind::prefix;
  std::string_view path;         // for prefixes without the trailing slash: "" is the root
  const RE2* pattern = nullptr;  // for PathKind::pattern
  Condition condition;
};

// Candidates of one host that have the same exact path or the same prefix.
struct PathGroup {
  uint32_t host = 0;
  PathKind kind = PathKind::exact;
  std::string_view path;
  uint32_t first = 0;
  uint32_t last = 0;           // one past
  uint32_t parent = kNoEntry;  // of a prefix: the next shorter one
};

struct HostEntry {
  uint32_t listener = 0;
  std::string_view hostname;  // as configured; "" = any
  uint32_t first = 0;
  uint32_t last = 0;
  uint32_t first_pattern = 0;
  uint32_t last_pattern = 0;
  size_t longest_prefix = 0;
  bool has_exact = false;
  bool has_prefix = false;
  uint32_t parent = kNoEntry;  // of a wildcard: the next less specific host, at last the one for any
};

struct Router::Tables {
  const config::Document* document = nullptr;
  PatternCache patterns;
  std::vector<CompiledMatch> matches;
  std::vector<uint32_t> order;  // indexes into matches
  std::vector<PathGroup> groups;
  std::vector<HostEntry> hosts;
  std::vector<uint32_t> any_host;  // by listener
  HashIndex host_index;            // exact names and wildcards, hashed from the right end
  HashIndex group_index;

  [[nodiscard]] uint32_t find_group(uint32_t host, PathKind kind, std::string_view path,
                                    uint64_t hash) const noexcept;
  [[nodiscard]] uint32_t find_host(uint32_t listener, std::string_view hostname, bool wildcard,
                                   uint64_t hash) const noexcept;
};

inline RollingHash path_hash(uint32_t host, PathKind kind) noexcept {
  return RollingHash(uint64_t{host} << 8 | static_cast<uint64_t>(kind));
}
inline RollingHash host_hash(uint32_t listener) noexcept {
  return RollingHash(listener);
}

// The part of a wildcard that is looked up: ".example.org" of "*.example.org".
inline std::string_view host_key(std::string_view hostname) noexcept {
  return hostname.starts_with("*.") ? hostname.substr(1) : hostname;
}

}  // namespace mango::proxy
