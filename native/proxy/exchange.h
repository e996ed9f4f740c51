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
#include "proxy/upstream_connection.h"
#include "proxy/worker.h"

namespace mango::proxy {

class Session;

enum class ExchangeState : uint8_t {
  unused,
  routing,     // until a server is chosen
  connecting,  // a connection is being made; nothing was sent
  waiting,     // the request is on its way; no response head yet
  responding,  // the response head went to the client
  tunnel,      // bytes both ways: after a 101, or plain TCP
  finished,
};

class Exchange final : public net::TimerTarget {
 public:
  explicit Exchange(Worker& worker) : worker_(worker), timer_(*this) {}

  // Lets go of everything a finished exchange held; the worker then uses it for another one.
  void recycle();

  // --- from the session ---
  // Routes the request and starts on it. The exchange may be finished when this returns.
  void start(Session& session, http::Stream& stream, http::RequestHead& head);
  // The same for a connection that is not HTTP, routed by the name it asked for ("" = none).
  void start_bytes(Session& session, http::Stream& stream, std::string_view server_name);
  [[nodiscard]] size_t on_request_data(std::string_view content);
  void on_request_end(std::string_view trailers);
  void on_client_writable();
  // The session ends, or the stream did, for the reason given: nothing more is sent to the client.
  void abandon(const char* reason);
  // The client is tarpitted: lets the upstream go and waits for abandon() or answer().
  void hold();
  // The same for one stream of many: after the delay it is answered with the status, or given up if that is
  // 0.
  void hold_for(uint32_t delay_ms, uint16_t status, const char* reason);
  // Answers with a status of our own, if nothing was answered yet; false if it is too late for that.
  [[nodiscard]] bool answer(uint16_t status, const char* reason, std::string_view location = {});

  // When the client will have been too slow with its side of things, and what that is called.
  struct ClientDeadline {
    uint64_t due_ms = UINT64_MAX;
    config::Trigger trigger = config::Trigger::idle;
    const char* reason = "";
    bool rate = false;  // only if rate_too_low()
  };
  [[nodiscard]] ClientDeadline client_deadline(const config::ListenerTimeouts& timeouts) const noexcept;
  // Whether since the last look the client moved fewer bytes than the minimum; starts the next look.
  [[nodiscard]] bool rate_too_low(uint32_t min_bytes_per_second) noexcept;
  // Looks at the client's deadlines again that much later: the policy let one pass.
  void excuse_client(uint32_t delay_ms) noexcept { excused_ms_ = worker_.loop().now_ms() + delay_ms; }

  // --- from the upstream connection ---
  void on_upstream_ready();
  // The connection cannot carry this exchange after all; it let go of it.
  void on_upstream_full();
  void on_upstream_writable();
  void on_upstream_failed(UpstreamFailure failure, bool fresh, const char* reason);
  // It is gone, or lost this exchange's stream.
  void forget_upstream() noexcept;
  void on_upstream_progress() noexcept { progress_ms_ = worker_.loop().now_ms(); }
  void on_upstream_spoke() noexcept {
    answered_ = true;
    on_upstream_progress();
  }
  [[nodiscard]] bool waits_for(const UpstreamConnection& connection) const noexcept {
    return upstream_ == &connection && up_ == nullptr;
  }
  void on_interim(http::ResponseHead& head);
  void on_response(http::ResponseHead& head);
  [[nodiscard]] size_t on_response_data(std::string_view content);
  void on_response_end(std::string_view trailers);
  void on_timer(net::Timer& timer) override;
  // For the PROXY header.
  [[nodiscard]] net::Endpoint client() const;
  [[nodiscard]] net::Endpoint local() const;
  [[nodiscard]] std::string_view unique_id() const noexcept;

  [[nodiscard]] ExchangeState state() const noexcept { return state_; }
  [[nodiscard]] bool response_started() const noexcept { return response_started_; }
  [[nodiscard]] bool request_ended() const noexcept { return request_ended_; }
  // The client's side; null once the codec has lost it.
  [[nodiscard]] http::Stream* stream() noexcept { return stream_; }
  void lose_stream() noexcept { stream_ = nullptr; }
  [[nodiscard]] bool held() const noexcept { return held_; }
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

  size_t slot = 0;           // the worker's: where it keeps this exchange
  size_t upstream_slot = 0;  // the upstream connection's
  Exchange* next_of_session = nullptr;
  Exchange* previous_of_session = nullptr;

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr size_t kRequestHeadBytes = 60 * 1024;
  static constexpr uint8_t kRequestIdBytes = 32;
  static constexpr size_t kWebsocketKeyBytes = 24;  // RFC 6455 section 4.1: 16 bytes in base64
  static constexpr uint8_t kMaxMoves = 3;  // to other connections, by their choice and not as an attempt

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
  [[nodiscard]] bool choose_upstream();
  void send_request();
  void wait_for_room();
  [[nodiscard]] bool retry(UpstreamFailure failure, bool fresh);
  void detach_upstream();
  void fail(config::Trigger trigger, const char* reason);
  void open_tunnel(http::ResponseHead& head);
  void open_bytes_tunnel();
  void enter_tunnel();
  void note_grpc_status(const http::FieldList& fields) noexcept;
  void note_grpc_trailers(std::string_view trailers) noexcept;
  [[nodiscard]] UpstreamUse use() const noexcept;
  void note_grpc(const http::RequestHead& head) noexcept;
  void make_websocket_key() noexcept;
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
  void note_connection();

  Worker& worker_;
  Session* session_ = nullptr;
  std::shared_ptr<WorkerView> view_;
  http::Stream* stream_ = nullptr;  // the client's side; the codec's
  UpstreamConnection* upstream_ = nullptr;
  http::Stream* up_ = nullptr;    // the server's side; null until it is started
  ServerPool* server_ = nullptr;  // the last one tried; alive through view_
  net::Buffer head_;              // the serialised request head, until a response begins
  net::Buffer note_;              // the request's members of the log line
  net::Timer timer_;
  uint64_t started_ns_ = 0;
  uint64_t sent_ns_ = 0;      // the request head to the server
  uint64_t answered_ns_ = 0;  // the response head from the server
  uint64_t progress_ms_ = 0;  // last sign of life from the server, or of the request
  uint64_t moved_ms_ = 0;     // last content from the client, or its leave to send more
  uint64_t stalled_ms_ = 0;   // since when the client takes no content; 0 = it does
  uint64_t excused_ms_ = 0;
  uint64_t rate_mark_ms_ = 0;
  uint64_t rate_mark_bytes_ = 0;
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
  uint32_t grpc_timeout_ms_ = 0;
  int grpc_status_ = -1;  // as the upstream, or we, gave it
  http::Framing framing_ = http::Framing::none;
  http::Method method_ = http::Method::other;
  uint16_t status_ = 0;
  ExchangeState state_ = ExchangeState::unused;
  uint16_t held_status_ = 0;  // what a tarpit ends with
  uint8_t moves_ = 0;
  bool upgrade_ = false;
  bool bytes_ = false;  // plain TCP
  bool grpc_ = false;
  bool held_ = false;            // in a tarpit of its own
  bool answered_ = false;        // the server said something
  bool request_paused_ = false;  // the client waits for us with its content
  bool expects_continue_ = false;
  bool server_active_ = false;  // counted in server_->active
  bool request_ended_ = false;
  bool content_sent_ = false;  // content left the client's side: the request cannot be replayed
  bool response_started_ = false;
  bool upstream_ended_ = false;  // tunnel
  std::array<char, 64> request_id_{};
  uint8_t request_id_bytes_ = 0;
  std::array<char, kWebsocketKeyBytes> websocket_key_{};
};

}  // namespace mango::proxy
