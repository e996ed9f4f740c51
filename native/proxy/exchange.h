// SPDX-License-Identifier: Apache-2.0
// An exchange: one request and its response, whatever the protocol version. Routes it, finds it a server,
// carries content both ways with backpressure, retries where that is safe, and accounts for it in counters
// and log.
//
// Exchanges are pooled by the worker: on a warm path none is allocated.
#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "http/codec.h"
#include "net/buffer_pool.h"
#include "net/timer_wheel.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

namespace mango::proxy {

class Session;

enum class ExchangeState : uint8_t {
  unused,
  routing,     // until a server is chosen
  connecting,  // a connection is being made; nothing was sent
  waiting,     // the request is on its way; no response head yet
  responding,  // the response head went to the client
  tunnel,      // after 101: bytes both ways
  finished,
};

class Exchange final : public http::ClientEvents, public net::TimerTarget {
 public:
  explicit Exchange(Worker& worker) : worker_(worker), timer_(*this) {}

  // Lets go of everything a finished exchange held; the worker then uses it for another one.
  void recycle();

  // --- from the session ---
  // Routes the request and starts on it. The exchange may be finished when this returns.
  void start(Session& session, http::StreamId stream, http::RequestHead& head);
  [[nodiscard]] size_t on_request_data(std::string_view content);
  void on_request_end(std::string_view trailers);
  void on_client_writable();
  void on_client_ended();  // tunnel: the client sent FIN
  [[nodiscard]] size_t on_tunnel_data(std::string_view bytes);
  // The session ends, for the reason given: nothing more is sent to the client.
  void abandon(const char* reason);
  // The client is tarpitted: lets the upstream go and waits for abandon() or answer().
  void hold();
  // Answers with a status of our own, if nothing was answered yet; false if it is too late for that.
  [[nodiscard]] bool answer(uint16_t status, const char* reason, std::string_view location = {});

  // --- from the upstream connection ---
  void on_upstream_ready();
  void on_upstream_writable();
  void on_upstream_ended();
  void on_upstream_failed(UpstreamFailure failure, bool answered, bool fresh);
  void on_upstream_progress() noexcept { progress_ms_ = worker_.loop().now_ms(); }
  void on_interim(http::StreamId stream, http::ResponseHead& head) override;
  void on_response(http::StreamId stream, http::ResponseHead& head) override;
  size_t on_response_data(http::StreamId stream, std::string_view content) override;
  void on_response_end(http::StreamId stream, std::string_view trailers) override;
  void on_response_error(http::StreamId stream, const http::Refusal& refusal) override;
  void on_timer(net::Timer& timer) override;

  [[nodiscard]] ExchangeState state() const noexcept { return state_; }
  [[nodiscard]] bool tunnelling() const noexcept { return state_ == ExchangeState::tunnel; }
  [[nodiscard]] bool response_started() const noexcept { return response_started_; }
  [[nodiscard]] bool request_ended() const noexcept { return request_ended_; }
  // Whether what is left of the request's content is so little that reading it away beats a new connection.
  [[nodiscard]] bool drainable(uint64_t limit_bytes) const noexcept;
  // The policy in force: the route's, else the listener's.
  [[nodiscard]] uint32_t policy() const noexcept { return policy_; }
  [[nodiscard]] const WorkerView& view() const noexcept { return *view_; }
  [[nodiscard]] std::string_view route_name() const noexcept;
  [[nodiscard]] std::string_view upstream_name() const noexcept;
  [[nodiscard]] const RouteCounters* route_counters() const noexcept {
    return route_ == kNone ? view_->no_route : view_->routes[route_];
  }
  [[nodiscard]] const ServerPool* server() const noexcept { return server_; }
  void set_reason(const char* reason) noexcept { reason_ = reason; }

  size_t slot = 0;  // the worker's: where it keeps this exchange

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr size_t kRequestHeadBytes = 60 * 1024;

  void set_state(ExchangeState next) noexcept;
  [[nodiscard]] bool admit(http::RequestHead& head);
  [[nodiscard]] bool route(http::RequestHead& head);
  [[nodiscard]] bool check_policy();
  void redirect(const http::RequestHead& head);
  void prepare(http::RequestHead& head);
  [[nodiscard]] bool serialise(const http::RequestHead& head);
  void choose_request_id(const http::RequestHead& head);
  void dispatch();
  [[nodiscard]] ServerPool* choose_server();
  [[nodiscard]] Candidate candidate(size_t index, bool skip_tried) noexcept;
  void send_request();
  [[nodiscard]] bool may_retry(bool fresh) const noexcept;
  void detach_upstream(bool reusable);
  void fail(config::Trigger trigger, const char* reason);
  void open_tunnel(http::ResponseHead& head);
  struct Deadline {
    uint64_t due_ms = UINT64_MAX;
    const char* reason = "";
  };
  [[nodiscard]] Deadline deadline() const noexcept;
  void set_deadline() noexcept;
  void finish();
  void account();
  void log();
  void note_request(const http::RequestHead& head);

  Worker& worker_;
  Session* session_ = nullptr;
  std::shared_ptr<WorkerView> view_;
  UpstreamConnection* upstream_ = nullptr;
  ServerPool* server_ = nullptr;  // the last one tried; alive through view_
  net::Buffer head_;              // the serialised request head, until a response begins
  net::Buffer note_;              // the request's members of the log line
  net::Timer timer_;
  uint64_t started_ns_ = 0;
  uint64_t sent_ns_ = 0;      // the request head to the server
  uint64_t answered_ns_ = 0;  // the response head from the server
  uint64_t progress_ms_ = 0;  // last sign of life from the server, or of the request
  uint64_t request_bytes_ = 0;
  uint64_t response_bytes_ = 0;
  uint64_t content_length_ = 0;
  uint64_t tried_ = 0;  // bit per server index
  const char* reason_ = "";
  RouteMatch match_;
  uint32_t route_ = kNone;
  uint32_t upstream_index_ = kNone;
  uint32_t policy_ = 0;
  uint32_t attempts_ = 0;
  http::StreamId stream_ = 0;
  http::Framing framing_ = http::Framing::none;
  http::Method method_ = http::Method::other;
  uint16_t status_ = 0;
  ExchangeState state_ = ExchangeState::unused;
  bool upgrade_ = false;
  bool expects_continue_ = false;
  bool server_active_ = false;  // counted in server_->active
  bool request_ended_ = false;
  bool content_sent_ = false;  // content left the client's side: the request cannot be replayed
  bool response_started_ = false;
  bool client_ended_ = false;    // tunnel
  bool upstream_ended_ = false;  // tunnel
  std::array<char, 64> request_id_{};
  uint8_t request_id_bytes_ = 0;
};

}  // namespace mango::proxy
