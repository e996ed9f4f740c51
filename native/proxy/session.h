// SPDX-License-Identifier: Apache-2.0
// A session: one downstream connection from accept to its end, and what its policy makes of it.
//
// The session owns the transport and the codec and enforces the listener's timeouts; requests are exchanges,
// one at a time or many, as the codec has it. Every trigger (a timeout, an error, a limit) goes through
// apply(), which looks the action up, counts it, tells the control plane, and carries it out. An idle session
// holds no buffers.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/address_set.h"
#include "proxy/codec_connection.h"
#include "proxy/json_line.h"
#include "proxy/listener.h"
#include "proxy/proxy_header.h"
#include "proxy/worker.h"
#include "tls/client_hello.h"

namespace mango::proxy {

class Exchange;

enum class SessionState : uint8_t {
  handshake,  // a PROXY header, TLS, or a ClientHello to route by is awaited
  idle,       // between requests
  reading,    // a request head has begun
  exchange,   // requests are being answered, or content drained
  tunnel,
  closing,  // FIN is on its way; what still comes in is dropped
  tarpit,   // held without an answer
  aborted,  // RST was sent; the engine's session is kept until the turn ends
  closed,
};
[[nodiscard]] std::string_view to_string(SessionState state) noexcept;

class Session final : public CodecConnection, public net::TimerTarget, public http::ServerEvents {
 public:
  Session(Worker& worker, std::shared_ptr<Listener> listener, uint64_t id, const net::Endpoint& peer);

  // Starts the session on an accepted stream.
  void open(net::Stream stream);

  // --- for exchanges ---
  [[nodiscard]] http::ServerCodec& codec() noexcept { return *codec_; }
  // Another request may follow on this connection.
  [[nodiscard]] bool may_persist() const noexcept { return !close_after_; }
  // What is left of the request's content can be read away after an early answer.
  [[nodiscard]] bool can_drain_request() const noexcept;
  // Bytes came behind the request that could not know its answer. One exchange at a time only.
  [[nodiscard]] bool has_early_bytes() const noexcept {
    return !codec_->multiplexed() && (early_bytes_ || has_kept_input());
  }
  void enter_tunnel();
  // Content that an exchange did not take can be offered to it again.
  void resume_request(Exchange& exchange);
  // The client takes too little: its deadline is to be watched.
  void watch_output() { schedule(); }
  // Gives the client's side of an exchange up, whether or not its response is whole: FIN after what is
  // queued, or where there are others the end of its stream.
  void cut(Exchange& exchange);
  // The tarpit of one exchange is over: the status if there is one, else the end of its stream.
  void release_held(Exchange& exchange, uint16_t status);
  void exchange_finished(Exchange& exchange);

  // --- policy ---
  // Applies the policy's action for a trigger, of the session or of one exchange; false if that is `none`:
  // all goes on. Else the exchange may be over, and more.
  bool apply(config::Trigger trigger, const char* reason, Exchange* exchange = nullptr);
  bool apply_ban(const config::Ban& ban, Exchange* exchange = nullptr);
  // By hand, from the admin API: close, reset or abort.
  void act(config::ActionKind action);
  void drain();
  // The device below was reset: the connection is gone already. The policy has its say, and the session ends.
  void device_was_reset();

  // --- facts ---
  [[nodiscard]] uint64_t id() const noexcept { return id_; }
  [[nodiscard]] const Address& client() const noexcept { return client_; }
  [[nodiscard]] std::string_view client_text() const noexcept { return client_text_; }
  // Of the client as the PROXY header named it, else of the connection.
  [[nodiscard]] net::Endpoint client_endpoint() const;
  [[nodiscard]] net::Endpoint local_endpoint() const;
  // As the PROXY header gave it; "" = none.
  [[nodiscard]] std::string_view unique_id() const noexcept {
    return proxied_ ? std::string_view(proxied_->unique_id) : std::string_view();
  }
  [[nodiscard]] const char* protocol() const noexcept;
  [[nodiscard]] uint16_t client_port() const noexcept { return client_port_; }
  [[nodiscard]] SessionState state() const noexcept { return state_; }
  [[nodiscard]] const Listener& listener() const noexcept { return *listener_; }
  [[nodiscard]] uint32_t listener_index() const noexcept { return listener_->index(); }
  [[nodiscard]] uint16_t listener_port() const noexcept { return listener_->port(); }
  [[nodiscard]] const config::Listener& listener_config() const noexcept {
    return listener_->view()->document().listeners[listener_->index()];
  }
  [[nodiscard]] const ListenerParts& listener_parts() const noexcept {
    return listener_->view()->snapshot->listeners[listener_->index()];
  }
  // Known when the handshake is done, "" before.
  [[nodiscard]] std::string_view sni() const noexcept { return sni_; }
  [[nodiscard]] const char* tls_version() const noexcept { return tls_facts_.version; }
  [[nodiscard]] bool secure() const noexcept { return secure_; }
  [[nodiscard]] bool trusted() const noexcept { return trusted_; }
  [[nodiscard]] bool access_logged() const noexcept;
  [[nodiscard]] uint64_t age_ms() const noexcept { return worker_.loop().now_ms() - opened_ms_; }
  [[nodiscard]] uint64_t idle_ms() const noexcept { return worker_.loop().now_ms() - active_ms_; }
  [[nodiscard]] uint64_t requests() const noexcept { return requests_; }
  // Of the exchange in progress, else of the last one.
  [[nodiscard]] std::string_view route_name() const noexcept;
  [[nodiscard]] std::string_view upstream_name() const noexcept;
  void log_members(JsonLine& line) const;

  // net::Connection
  size_t on_input(std::span<char> bytes) override;
  void on_input_end(net::Io io) override;
  void on_writable() override;
  void on_output_failed(net::Io io) override;
  void on_handshake_done() override;
  void on_no_memory() override;
  // net::TimerTarget
  void on_timer(net::Timer& timer) override;
  // http::ServerEvents
  void on_request(http::Stream& stream, http::RequestHead& head) override;
  size_t on_request_data(http::Stream& stream, std::string_view content) override;
  void on_request_end(http::Stream& stream, std::string_view trailers) override;
  void on_response_writable(http::Stream& stream) override;
  void on_stream_lost(http::Stream& stream, http::StreamError error, const char* reason) override;
  bool on_request_refused(http::Stream& stream, const http::Refusal& refusal) override;
  void on_malformed_request(const char* reason) override;
  void on_protocol_error(const http::Refusal& refusal) override;

 private:
  static constexpr uint64_t kDrainBytes = 64 * 1024;  // of an unread request, to keep the connection
  static constexpr uint64_t kLingerBytes = 256 * 1024;
  static constexpr uint32_t kLingerMs = 2000;
  static constexpr uint32_t kRateCheckMs = 1000;
  static constexpr uint32_t kDrainGraceMs = 1000;

  // What is read before the protocol begins.
  struct Preamble {
    ProxyHeaderReader proxy;
    tls::ClientHelloReader hello;
    bool in_proxy_header = false;
  };

  void set_state(SessionState next) noexcept;

  // --- the beginning: session_begin.cpp ---
  [[nodiscard]] bool admits_client();
  [[nodiscard]] bool find_room();
  void begin_transport();
  [[nodiscard]] net::SslPointer make_ssl();
  void begin_bytes();
  [[nodiscard]] bool choose_codec(std::span<char> bytes);
  void use_http1();
  void use_http2();
  size_t on_preamble(std::span<char> bytes);
  size_t read_proxy_header(std::span<char> bytes);
  size_t read_client_hello(std::span<char> bytes);
  void take_proxy_header();
  void count_handshake(const char* result, const char* group = "");
  void free_ssl();

  [[nodiscard]] size_t receive(std::span<char> bytes);
  void settle();
  void check_last(const config::Policy& policy);
  void announce_close(bool final);
  void end_after_response();
  void carry_out(config::Trigger trigger, const config::Action& action, uint16_t status, const char* reason,
                 Exchange* exchange);
  void respond(uint16_t status, const char* reason, Exchange* exchange);
  void end_stream(Exchange& exchange, http::StreamError error);
  void begin_close();
  void end_now(config::ActionKind action);
  [[nodiscard]] bool may_tarpit();
  void start_tarpit(uint16_t status, uint32_t delay_ms, const char* reason);
  void finish_close();
  void log_refusal(uint16_t status, const char* reason);
  void report(std::string_view trigger, std::string_view policy, config::ActionKind action, uint16_t status,
              const char* reason, const Exchange* exchange);
  void become_idle();
  void link(Exchange& exchange) noexcept;
  void unlink(Exchange& exchange) noexcept;
  // The exchange there is, where there can be only one: a trouble of the session is its trouble.
  [[nodiscard]] Exchange* sole() const noexcept { return multiplexed() ? nullptr : exchanges_; }
  [[nodiscard]] bool multiplexed() const noexcept { return codec_ && codec_->multiplexed(); }

  // Timeouts: one timer, set no later than the next deadline; when it fires the deadline is computed again.
  struct Deadline {
    uint64_t due_ms = UINT64_MAX;
    config::Trigger trigger = config::Trigger::idle;
    const char* reason = "";
  };
  [[nodiscard]] Deadline deadline() const noexcept;
  [[nodiscard]] uint64_t old_at_ms() const noexcept;
  [[nodiscard]] Deadline idle_deadline(const config::ListenerTimeouts& timeouts) const noexcept;
  [[nodiscard]] Deadline exchange_deadline(const config::ListenerTimeouts& timeouts) const noexcept;
  [[nodiscard]] Deadline output_deadline(const config::ListenerTimeouts& timeouts) const noexcept;
  [[nodiscard]] uint32_t look_again_ms(const config::ListenerTimeouts& timeouts) const noexcept;
  void check_exchanges();
  void check_deadline();
  void leave_tarpit();
  void schedule() noexcept;
  [[nodiscard]] bool rate_too_low() noexcept;

  Worker& worker_;
  std::shared_ptr<Listener> listener_;
  std::shared_ptr<const Snapshot>
      handshake_snapshot_;                    // OpenSSL's callbacks use it until the handshake is done
  std::unique_ptr<http::ServerCodec> codec_;  // null until the protocol is known
  std::unique_ptr<Preamble> preamble_;        // while it is read
  std::unique_ptr<ProxyHeader> proxied_;
  Exchange* exchanges_ = nullptr;              // in progress
  const RouteCounters* last_route_ = nullptr;  // of the last exchange; these live as long as the worker
  const ServerPool* last_server_ = nullptr;
  net::Timer timer_;
  const uint64_t id_;
  Address client_;
  std::string client_text_;
  std::string sni_;
  tls::HandshakeFacts tls_facts_;
  std::list<Session*>::iterator self_;  // in one of the worker's lists
  uint64_t opened_ms_;
  uint64_t active_ms_;  // last byte either way
  uint64_t phase_ms_;   // the state began
  uint64_t timer_due_ms_ = UINT64_MAX;
  uint64_t excused_ms_ = 0;       // until then no deadline counts: one passed, and the policy let it
  uint64_t rate_mark_bytes_ = 0;  // for minRate and stalled writers
  uint64_t rate_mark_ms_ = 0;
  uint64_t requests_ = 0;
  uint64_t linger_bytes_ = 0;
  uint64_t drain_ms_ = 0;  // when the client was told that the end is near; 0 = not
  http::Refusal refused_;  // what a protocol error is answered with
  const char* tarpit_reason_ = "";
  uint32_t tarpit_ms_ = 0;
  uint16_t tarpit_status_ = 0;
  uint16_t client_port_;
  config::Trigger last_trigger_ = config::Trigger::drain;  // why no further request is taken
  SessionState state_ = SessionState::handshake;
  bool secure_ = false;
  bool trusted_ = false;
  bool listed_idle_ = false;    // which of them
  bool close_after_ = false;    // no further request on this connection
  bool unanswered_ = false;     // an exchange ended without a whole answer: so must the connection
  bool mute_ = false;           // the client does not speak HTTP: no answer in it
  bool in_codec_ = false;       // the codec is receiving: it is settled afterwards
  bool early_bytes_ = false;    // bytes behind the request came before its response
  bool client_closes_ = false;  // the client said that this request is its last
  bool counted_ = false;        // in the process's number of sessions
  friend class Worker;
};

}  // namespace mango::proxy
