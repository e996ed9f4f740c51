// SPDX-License-Identifier: Apache-2.0
// The boundary between the control plane and the data plane: any JSON text is refused with a reason or gives
// tables that route. What match() and trace() decide must agree.
#include <cstdlib>
#include <memory>

#include "config/document.h"
#include "proxy/address_set.h"
#include "proxy/explain.h"
#include "proxy/router.h"

namespace {

using namespace mango;

constexpr size_t kMaxInput = 64 * 1024;
constexpr std::string_view kHosts[] = {"shop.example.org", "a.b.EXAMPLE.org.", "other", "[::1]", ""};
constexpr std::string_view kPaths[] = {"/", "/login", "/api/a", "/apix", "/items/42", "*"};

void check_routes(const proxy::Router& router, uint32_t listener, http::RequestHead& head) {
  for (const std::string_view host : kHosts) {
    for (const std::string_view path : kPaths) {
      head.host = host;
      head.path = path;
      std::vector<proxy::Consideration> steps;
      if (router.match(listener, head) != router.trace(listener, head, steps)) std::abort();
    }
  }
}

void check_snapshot(const config::Document& document) {
  std::string error;
  const auto router = proxy::Router::build(document, error);
  if (router == nullptr) {
    if (error.empty()) std::abort();
    return;
  }
  static const auto head = std::make_unique<http::RequestHead>();
  head->clear();
  head->method_name = "GET";
  head->query = "debug=%31&x=y";
  head->has_query = true;
  if (!head->fields.push({"x-env", "canary", http::FieldId::other})) std::abort();
  for (uint32_t listener = 0; listener <= document.listeners.size() && listener < 4; ++listener) {
    check_routes(*router, listener, *head);
  }
  const config::ExplainRequest request{
      "", "GET", "http://shop.example.org/api/x?debug=1", {{"X-Env", "canary"}}};
  if (proxy::explain(document, *router, request).empty()) std::abort();
  for (const config::Policy& policy : document.policies) {
    proxy::AddressSet set;
    size_t culprit = 0;
    if (!set.build(policy.ip_deny, culprit) && culprit >= policy.ip_deny.size()) std::abort();
    (void)set.contains(proxy::Address::v4(0x0a000001));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > kMaxInput) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  config::DecodeError error;
  config::Document document;
  if (config::decode(text, document, error)) {
    check_snapshot(document);
  } else if (error.message.empty()) {
    std::abort();
  }
  std::vector<config::Ban> bans;
  config::SessionSelector selector;
  config::ExplainRequest request;
  (void)config::decode_bans(text, bans, error);
  (void)config::decode_selector(text, selector, error);
  (void)config::decode_explain(text, request, error);
  return 0;
}
