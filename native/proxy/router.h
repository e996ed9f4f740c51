// SPDX-License-Identifier: Apache-2.0
// Which route takes a request: an immutable index over the document's routes, built once per snapshot.
//
// Order of preference as in Gateway API: the most specific hostname first (exact, then the longest wildcard,
// then any); inside it an exact path, then a regular expression (where Envoy Gateway puts it, long before
// short), then the longest path prefix, then a match with a method, the most header matches, the most query
// parameter matches, and at last the order of the routes. If nothing inside a hostname matches, the next less
// specific hostname is tried.
//
// Cost: one hash lookup per label of the host, one for the exact path, one per "/" of the path for prefixes;
// only regular expressions are tried one by one. match() allocates nothing of its own (RE2 fills a bounded
// cache).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "http/message.h"

namespace mango::proxy {

struct RouteMatch {
  uint32_t route = 0;          // index into Document::routes
  uint32_t match = 0;          // index into that route's matches
  uint32_t prefix_length = 0;  // bytes of the path that PathPrefix matched, without a trailing slash; else 0
};

// A match that was looked at, and why it was not taken ("" = taken): "method", "header X-Env", "path", ...
struct Consideration {
  std::string hostname;  // "*" = any
  RouteMatch match;
  std::string rejected;
};

class Router {
 public:
  // The document must outlive the router: routes, patterns and names are not copied. Null on failure, with
  // the route's name and the mistake (a regular expression that does not compile) in `error`.
  [[nodiscard]] static std::unique_ptr<const Router> build(const config::Document& document,
                                                           std::string& error);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // The route for a request on a listener, or null. Safe from any number of threads; the answer lives as long
  // as the router.
  [[nodiscard]] const RouteMatch* match(uint32_t listener, const http::RequestHead& head) const noexcept;

  // The same decision, told step by step in order of preference. Every match of each hostname met is listed.
  [[nodiscard]] const RouteMatch* trace(uint32_t listener, const http::RequestHead& head,
                                        std::vector<Consideration>& steps) const;

  struct Tables;  // internal: router_tables.h

 private:
  explicit Router(std::unique_ptr<const Tables> tables);

  std::unique_ptr<const Tables> tables_;
};

}  // namespace mango::proxy
