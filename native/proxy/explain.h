// SPDX-License-Identifier: Apache-2.0
// "Which route would this URL take, and why": a request made from a URL, routed for real, told as JSON.
#pragma once

#include <string>

#include "config/document.h"
#include "proxy/router.h"

namespace mango::proxy {

// JSON: {listener, host, path, route, match, redirect, backends: [{upstream, weight}],
// considered: [{hostname, route, match, rejected}]}; route is null when none matches. Mistakes of the request
// (an unknown listener, a bad URL) give {error}.
[[nodiscard]] std::string explain(const config::Document& document, const Router& router,
                                  const config::ExplainRequest& request);

}  // namespace mango::proxy
