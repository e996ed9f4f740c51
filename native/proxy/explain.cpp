// SPDX-License-Identifier: Apache-2.0
#include "proxy/explain.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "http/h1_parser.h"

namespace mango::proxy {

using nlohmann::json;

namespace {

struct Url {
  std::string_view scheme;
  std::string_view host;
  std::string path;
  std::string_view query;
  bool has_query = false;
};

std::string_view without_port(std::string_view authority) noexcept {
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket))
    return authority;
  return authority.substr(0, colon);
}

bool parse_url(std::string_view text, bool allow_escaped_slashes, Url& out) {
  text = text.substr(0, text.find('#'));
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos) return false;
  out.scheme = text.substr(0, colon);
  if (out.scheme != "http" && out.scheme != "https") return false;
  text.remove_prefix(colon + 3);
  const size_t authority_end = std::min(text.find_first_of("/?"), text.size());
  out.host = without_port(text.substr(0, authority_end));
  text.remove_prefix(authority_end);
  const size_t question = text.find('?');
  out.has_query = question != std::string_view::npos;
  if (out.has_query) out.query = text.substr(question + 1);
  out.path = text.substr(0, question);
  if (out.path.empty()) out.path = "/";
  out.path.resize(http::normalise_path(out.path, allow_escaped_slashes));
  return !out.host.empty() && !out.path.empty();
}

constexpr size_t kNotFound = SIZE_MAX;

size_t find_listener(const config::Document& document, const config::ExplainRequest& request) noexcept {
  const bool https = request.url.starts_with("https:");
  for (size_t i = 0; i < document.listeners.size(); ++i) {
    const config::Listener& listener = document.listeners[i];
    const bool speaks_scheme =
        listener.mode == config::ListenerMode::http && listener.tls.has_value() == https;
    if (request.listener.empty() ? speaks_scheme : listener.name == request.listener) return i;
  }
  return kNotFound;
}

bool fill_head(const config::ExplainRequest& request, const Url& url, http::RequestHead& head) {
  head.method_name = request.method;
  head.authority = url.host;
  head.host = url.host;
  head.path = url.path;
  head.query = url.query;
  head.has_query = url.has_query;
  return std::all_of(request.headers.begin(), request.headers.end(), [&](const auto& header) {
    return head.fields.push({header.first, header.second, http::field_id(header.first)});
  });
}

std::string text(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string failure(const char* message) {
  return text({{"error", message}});
}

json tell_backends(const config::Document& document, const config::Route& route) {
  json out = json::array();
  for (const config::BackendRef& backend : route.backends) {
    out.push_back({{"upstream", document.upstreams[backend.upstream].name}, {"weight", backend.weight}});
  }
  return out;
}

json tell_steps(const config::Document& document, const std::vector<Consideration>& steps) {
  json out = json::array();
  for (const Consideration& step : steps) {
    out.push_back({{"hostname", step.hostname},
                   {"route", document.routes[step.match.route].name},
                   {"match", step.match.match},
                   {"rejected", step.rejected}});
  }
  return out;
}

}  // namespace

std::string explain(const config::Document& document, const Router& router,
                    const config::ExplainRequest& request) {
  const size_t listener = find_listener(document, request);
  if (listener == kNotFound) return failure("no such listener");
  Url url;
  if (!parse_url(request.url, document.listeners[listener].limits.allow_escaped_slashes, url)) {
    return failure("not an http or https URL, or its path is refused");
  }
  const auto head = std::make_unique<http::RequestHead>();
  if (!fill_head(request, url, *head)) return failure("too many headers");
  std::vector<Consideration> steps;
  const RouteMatch* match = router.trace(static_cast<uint32_t>(listener), *head, steps);
  json out{{"listener", document.listeners[listener].name},
           {"host", url.host},
           {"path", url.path},
           {"route", nullptr},
           {"match", nullptr},
           {"redirect", false},
           {"backends", json::array()},
           {"considered", tell_steps(document, steps)}};
  if (match != nullptr) {
    const config::Route& route = document.routes[match->route];
    out["route"] = route.name;
    out["match"] = match->match;
    out["redirect"] = route.redirect.has_value();
    out["backends"] = tell_backends(document, route);
  }
  return text(out);
}

}  // namespace mango::proxy
