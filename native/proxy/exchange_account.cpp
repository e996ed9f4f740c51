// SPDX-License-Identifier: Apache-2.0
// What is left of an exchange when it is over: counts, and a line in the access log.
#include <cstring>

#include "proxy/exchange.h"
#include "proxy/json_line.h"
#include "proxy/session.h"

namespace mango::proxy {

void Exchange::account() {
  constexpr uint16_t kClientClosed = 499;  // nginx's number for a client that left before an answer
  if (status_ == 0) status_ = kClientClosed;
  RouteCounters& counters = route_ == kNone ? *view_->no_route : *view_->routes[route_];
  if (route_ != kNone || std::strcmp(reason_, "no_route") == 0) --counters.active;
  if (grpc_) counters.count_grpc(grpc_status_);
  if (bytes_) {
    ++counters.connections;
  } else {
    counters.requests.count(status_);
    counters.seconds.observe_ns(worker_.loop().refresh_now() - started_ns_);
  }
  counters.request_bytes += request_bytes_;
  counters.response_bytes += response_bytes_;
  if (*reason_ != '\0') worker_.counters().rare.count_reason(reason_);
}

// The members of the log line that come from the request, kept because its bytes do not live that long.
void Exchange::note_request(const http::RequestHead& head) {
  constexpr size_t kMaxLoggedBytes = 2048;
  std::string& text = worker_.line();
  text.clear();
  const http::Field* agent = head.fields.find("user-agent");
  JsonLine line(text);
  line.text("method", head.method_name.substr(0, 32))
      .text("host", head.authority.substr(0, 255))
      .text("path", head.path.substr(0, kMaxLoggedBytes));
  if (head.has_query) line.text("query", head.query.substr(0, kMaxLoggedBytes));
  constexpr std::array<std::string_view, 3> kProtocols = {"HTTP/1.0", "HTTP/1.1", "HTTP/2.0"};
  line.text("protocol", kProtocols.at(static_cast<size_t>(head.version)));
  if (agent != nullptr) line.text("userAgent", agent->value.substr(0, 512));
  note_ = worker_.buffers().keep(std::string_view(text).substr(1));
}

void Exchange::note_connection() {
  std::string& text = worker_.line();
  text.clear();
  JsonLine(text).text("protocol", session_->protocol());
  note_ = worker_.buffers().keep(std::string_view(text).substr(1));
}

void Exchange::log() {
  const uint64_t now_ns = worker_.loop().now_ns();
  const auto seconds = [](uint64_t from_ns, uint64_t to_ns) {
    return from_ns == 0 || to_ns < from_ns ? 0.0 : static_cast<double>(to_ns - from_ns) / 1e9;
  };
  std::string& text = worker_.line();
  text.clear();
  JsonLine line(text);
  session_->log_members(line);
  line.text("requestId", {request_id_.data(), request_id_bytes_})
      .members(note_.text())
      .text("route", route_name())
      .text("upstream", upstream_name())
      .text("server", server_ == nullptr ? std::string_view() : std::string_view(server_->key()));
  if (!bytes_) line.number("status", status_);
  if (grpc_ && grpc_status_ >= 0) line.number("grpcStatus", static_cast<uint64_t>(grpc_status_));
  line.number("requestBytes", request_bytes_)
      .number("responseBytes", response_bytes_)
      .real("seconds", seconds(started_ns_, now_ns))
      .real("upstreamSeconds", seconds(sent_ns_, answered_ns_))
      .text("reason", reason_)
      .end();
  text += '\n';
  worker_.log(text);
}

}  // namespace mango::proxy
