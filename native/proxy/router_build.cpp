// SPDX-License-Identifier: Apache-2.0
// Builds the router's tables: compile each match once, spread it over hosts and listeners, sort, group,
// index.
#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "proxy/router_tables.h"

namespace mango::proxy {

namespace {

// Listeners times hostnames times matches; a bound on what a document can make us build.
constexpr size_t kMaxCandidates = 4'000'000;

struct Candidate {
  uint32_t host;
  uint32_t match;
};

std::string_view prefix_key(std::string_view value) noexcept {
  if (value.ends_with('/')) value.remove_suffix(1);
  return value;
}

// Smaller is preferred; Gateway API's order, with the path in front. Longer patterns and prefixes go first.
auto preference(const CompiledMatch& match) noexcept {
  const size_t length = match.match->path.type == config::PathMatchType::regular_expression
                            ? match.match->path.value.size()
                            : match.path.size();
  return std::tuple(match.kind, -static_cast<int64_t>(length), match.path, match.match->method.empty(),
                    -static_cast<int64_t>(match.match->headers.size()),
                    -static_cast<int64_t>(match.match->query_params.size()), match.result.route,
                    match.result.match);
}

class RouterBuilder {
 public:
  RouterBuilder(const config::Document& document, std::string& error)
      : document_(document), error_(error), tables_(std::make_unique<Router::Tables>()) {}

  [[nodiscard]] std::unique_ptr<const Router::Tables> build() {
    tables_->document = &document_;
    tables_->any_host.assign(document_.listeners.size(), kNoEntry);
    host_numbers_.resize(document_.listeners.size());
    for (uint32_t route = 0; route < document_.routes.size(); ++route) {
      if (!add_route(route)) return nullptr;
    }
    sort();
    group();
    index_hosts();
    index_groups();
    return std::move(tables_);
  }

 private:
  [[nodiscard]] bool fail(const config::Route& route, const std::string& message) {
    error_ = "route " + route.name + ": " + message;
    return false;
  }

  [[nodiscard]] bool add_route(uint32_t index) {
    const config::Route& route = document_.routes[index];
    const size_t spread =
        route.listeners.size() * std::max<size_t>(route.hostnames.size(), 1) * route.matches.size();
    if (spread > kMaxCandidates || candidates_.size() + spread > kMaxCandidates) {
      return fail(route, "too many listeners, hostnames and matches");
    }
    const auto first = static_cast<uint32_t>(tables_->matches.size());
    for (uint32_t match = 0; match < route.matches.size(); ++match) {
      if (!compile(route, index, match)) return false;
    }
    const auto last = static_cast<uint32_t>(tables_->matches.size());
    for (const uint32_t listener : route.listeners) {
      if (route.hostnames.empty()) place(listener, {}, first, last);
      for (const std::string& hostname : route.hostnames) place(listener, hostname, first, last);
    }
    return true;
  }

  [[nodiscard]] bool compile(const config::Route& route, uint32_t route_index, uint32_t match_index) {
    const config::Match& match = route.matches[match_index];
    CompiledMatch& out = tables_->matches.emplace_back();
    out.result = {route_index, match_index, 0};
    out.match = &match;
    std::string message;
    if (!out.condition.build(match, tables_->patterns, message)) return fail(route, message);
    switch (match.path.type) {
      case config::PathMatchType::exact:
        out.kind = PathKind::exact;
        out.path = match.path.value;
        return true;
      case config::PathMatchType::path_prefix:
        out.kind = PathKind::prefix;
        out.path = prefix_key(match.path.value);
        out.result.prefix_length = static_cast<uint32_t>(out.path.size());
        return true;
      case config::PathMatchType::regular_expression:
        break;
    }
    out.kind = PathKind::pattern;
    out.pattern = tables_->patterns.get(match.path.value, message);
    return out.pattern != nullptr || fail(route, message);
  }

  void place(uint32_t listener, std::string_view hostname, uint32_t first, uint32_t last) {
    const uint32_t host = host_number(listener, hostname);
    for (uint32_t match = first; match < last; ++match) candidates_.push_back({host, match});
  }

  uint32_t host_number(uint32_t listener, std::string_view hostname) {
    const auto [place, fresh] =
        host_numbers_[listener].try_emplace(hostname, static_cast<uint32_t>(tables_->hosts.size()));
    if (!fresh) return place->second;
    tables_->hosts.push_back({.listener = listener, .hostname = hostname});
    if (hostname.empty()) tables_->any_host[listener] = place->second;
    return place->second;
  }

  // Ranks first, so that the many comparisons of the large sort are of numbers.
  void sort() {
    std::vector<uint32_t> by_preference(tables_->matches.size());
    for (uint32_t i = 0; i < by_preference.size(); ++i) by_preference[i] = i;
    std::sort(by_preference.begin(), by_preference.end(), [&](uint32_t a, uint32_t b) {
      return preference(tables_->matches[a]) < preference(tables_->matches[b]);
    });
    std::vector<uint32_t> rank(by_preference.size());
    for (uint32_t i = 0; i < by_preference.size(); ++i) rank[by_preference[i]] = i;
    std::sort(candidates_.begin(), candidates_.end(), [&](const Candidate& a, const Candidate& b) {
      return std::pair(a.host, rank[a.match]) < std::pair(b.host, rank[b.match]);
    });
    tables_->order.reserve(candidates_.size());
    for (const Candidate& candidate : candidates_) tables_->order.push_back(candidate.match);
  }

  void group() {
    for (uint32_t i = 0; i < candidates_.size(); ++i) {
      const uint32_t number = candidates_[i].host;
      HostEntry& host = tables_->hosts[number];
      const CompiledMatch& match = tables_->matches[candidates_[i].match];
      if (host.last == 0) host.first = i;
      host.last = i + 1;
      if (match.kind == PathKind::pattern) {
        if (host.last_pattern == 0) host.first_pattern = i;
        host.last_pattern = i + 1;
      } else {
        extend_group(number, match, i);
      }
    }
  }

  void extend_group(uint32_t number, const CompiledMatch& match, uint32_t at) {
    auto& groups = tables_->groups;
    HostEntry& host = tables_->hosts[number];
    host.has_exact |= match.kind == PathKind::exact;
    host.has_prefix |= match.kind == PathKind::prefix;
    if (match.kind == PathKind::prefix)
      host.longest_prefix = std::max(host.longest_prefix, match.path.size());
    if (groups.empty() || groups.back().host != number || groups.back().kind != match.kind ||
        groups.back().path != match.path) {
      groups.push_back({.host = number, .kind = match.kind, .path = match.path, .first = at});
    }
    groups.back().last = at + 1;
  }

  void index_hosts() {
    auto& hosts = tables_->hosts;
    tables_->host_index.reserve(hosts.size());
    for (uint32_t i = 0; i < hosts.size(); ++i) {
      if (hosts[i].hostname.empty()) continue;
      const std::string_view key = host_key(hosts[i].hostname);
      RollingHash hash = host_hash(hosts[i].listener);
      for (size_t at = key.size(); at-- > 0;) hash.add(key[at]);
      tables_->host_index.insert(hash.value(), i);
    }
    for (HostEntry& host : hosts) {
      if (host.hostname.starts_with("*.")) host.parent = less_specific(host);
    }
  }

  uint32_t less_specific(const HostEntry& host) const {
    const std::string_view key = host_key(host.hostname);
    uint32_t found = tables_->any_host[host.listener];
    RollingHash hash = host_hash(host.listener);
    for (size_t at = key.size(); at-- > 1;) {
      hash.add(key[at]);
      if (key[at] != '.') continue;
      const uint32_t wider = tables_->find_host(host.listener, key.substr(at), true, hash.value());
      if (wider != kNoEntry) found = wider;
    }
    return found;
  }

  void index_groups() {
    auto& groups = tables_->groups;
    tables_->group_index.reserve(groups.size());
    for (uint32_t i = 0; i < groups.size(); ++i) {
      RollingHash hash = path_hash(groups[i].host, groups[i].kind);
      for (const char c : groups[i].path) hash.add(c);
      tables_->group_index.insert(hash.value(), i);
    }
    for (PathGroup& group : groups) {
      if (group.kind == PathKind::prefix) group.parent = shorter_prefix(group);
    }
  }

  uint32_t shorter_prefix(const PathGroup& group) const {
    RollingHash hash = path_hash(group.host, PathKind::prefix);
    uint32_t found = kNoEntry;
    for (size_t length = 0; length < group.path.size(); ++length) {
      if (length > 0) hash.add(group.path[length - 1]);
      if (length != 0 && group.path[length] != '/') continue;
      const uint32_t wider =
          tables_->find_group(group.host, PathKind::prefix, group.path.substr(0, length), hash.value());
      if (wider != kNoEntry) found = wider;
    }
    return found;
  }

  const config::Document& document_;
  std::string& error_;
  std::unique_ptr<Router::Tables> tables_;
  std::vector<std::unordered_map<std::string_view, uint32_t>> host_numbers_;  // by listener
  std::vector<Candidate> candidates_;
};

}  // namespace

std::unique_ptr<const Router> Router::build(const config::Document& document, std::string& error) {
  std::unique_ptr<const Tables> tables = RouterBuilder(document, error).build();
  if (tables == nullptr) return nullptr;
  return std::unique_ptr<const Router>(new Router(std::move(tables)));
}

}  // namespace mango::proxy
