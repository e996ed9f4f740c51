// SPDX-License-Identifier: Apache-2.0
// The seam between protocol versions and the proxy: codecs turn bytes into the events of exchanges and back.
//
// A codec does no I/O: received bytes go in, events come out; what it writes goes into its Sink. The proxy
// knows sessions, exchanges and this header, never a version. HTTP/1.1 has one stream at a time, HTTP/2 many,
// plain TCP one for its whole life.
//
// Flow control is the same in all directions: whoever takes content answers how much it took, and says later
// that it takes the rest. A tunnel (an accepted upgrade, an extended CONNECT, plain TCP) is content in both
// directions; its half-closes are the ends of request and response.
#pragma once

#include "http/forwarding.h"
#include "http/h1_parser.h"
#include "http/local_response.h"
#include "http/message.h"

namespace mango::http {

using StreamId = uint32_t;  // HTTP/1.1: 1, 2, 3, ... in the order of the requests

// One exchange on a connection as its codec knows it; the codec owns it. `user` is whatever the taker of the
// events hangs on it, null at first.
struct Stream {
  StreamId id = 0;
  void* user = nullptr;
};

// Where a codec's bytes go: a connection. Lives as long as the codec.
class Sink {
 public:
  // Takes all; false if the connection is of no use any more.
  [[nodiscard]] virtual bool put(std::string_view bytes) = 0;
  // Takes what it can; answers how much. Less than all: the codec's writable() will be called.
  [[nodiscard]] virtual size_t offer(std::string_view bytes) = 0;
  // Whether so much waits for the peer that only what must be said should be put. When that changes, the
  // codec's writable() is called.
  [[nodiscard]] virtual bool congested() noexcept = 0;
  // Nothing follows: FIN after what is queued (the half-close of a tunnel).
  virtual void finish() = 0;

 protected:
  ~Sink() = default;
};

// Memory for the one head being parsed; shared by all codecs of a worker.
struct Heads {
  RequestHead request;
  ResponseHead response;
};

// Why a stream is given up while its connection goes on (RFC 9113 section 7).
enum class StreamError : uint8_t {
  none,       // NO_ERROR: the response is whole, the rest of the request is not wanted
  protocol,   // PROTOCOL_ERROR
  internal,   // INTERNAL_ERROR: the response cannot be completed
  refused,    // REFUSED_STREAM: nothing of it was processed; it may be sent again
  cancelled,  // CANCEL: the other side lost interest
  calm,       // ENHANCE_YOUR_CALM
};

// What a client's bytes mean.
class ServerEvents {
 public:
  // The head lives as long as the call. `framing` tells whether on_request_data can follow.
  virtual void on_request(Stream& stream, RequestHead& head) = 0;
  // Answers how much was taken. The rest is offered again after resume().
  [[nodiscard]] virtual size_t on_request_data(Stream& stream, std::string_view content) = 0;
  virtual void on_request_end(Stream& stream, std::string_view trailers) = 0;
  // send_data() takes more again.
  virtual void on_response_writable(Stream& stream) = 0;
  // The stream is over before its exchange was: the client gave it up, or broke a rule of the protocol that
  // costs it this stream only (`reason` is then a word for logs, else ""). The stream is gone after the call.
  virtual void on_stream_lost(Stream& stream, StreamError error, const char* reason) = 0;
  // The head of a new stream cannot be served (its path is refused, it has too many fields). True: it was
  // answered with send_local() and the stream finished; false: the codec answers with the bare status.
  [[nodiscard]] virtual bool on_request_refused(Stream&, const Refusal&) { return false; }
  // A stream was malformed, and reset before it became a request.
  virtual void on_malformed_request(const char* /*reason*/) {}
  // The client broke the protocol; the codec takes no further bytes.
  virtual void on_protocol_error(const Refusal& refusal) = 0;

 protected:
  ~ServerEvents() = default;
};

class ServerCodec {
 public:
  virtual ~ServerCodec() = default;

  // Answers how many bytes were used. The rest must be offered again, with more behind it. A codec of many
  // streams uses all.
  [[nodiscard]] virtual size_t receive(std::span<char> bytes, ServerEvents& events) = 0;
  // The client's bytes ended: true if that is how a tunnel's request direction ends, and was told so.
  [[nodiscard]] virtual bool receive_end(ServerEvents& events) = 0;
  // The sink takes more again.
  virtual void writable(ServerEvents& events) = 0;
  // Content of that stream that was not taken can be offered again. False: the codec holds none itself, the
  // connection's input has to be resumed.
  [[nodiscard]] virtual bool resume(Stream& stream, ServerEvents& events) = 0;

  // The response: any number of interim heads, a head, content, an end. A head with status 101 opens the
  // tunnel that the request asked for. False: the connection is of no use any more.
  [[nodiscard]] virtual bool send_head(Stream& stream, const ResponseHead& head, ResponseForwarding how) = 0;
  [[nodiscard]] virtual size_t send_data(Stream& stream, std::string_view content) = 0;
  [[nodiscard]] virtual bool send_end(Stream& stream, std::string_view trailers) = 0;
  // A whole response of our own.
  [[nodiscard]] virtual bool send_local(Stream& stream, LocalResponse response) = 0;
  // The answer to what was no request (a head that never came, or none at all); false if there is none in
  // this version.
  [[nodiscard]] virtual bool send_refusal(LocalResponse response) = 0;
  // Gives one stream up and goes on with the others; false where only the connection can be given up.
  [[nodiscard]] virtual bool reset(Stream& stream, StreamError error) = 0;
  // The exchange is over, whole or not: no event follows for this stream, which is gone after the call. With
  // one stream at a time the next request may begin.
  virtual void finish(Stream& stream) = 0;

  // Tells the client that the connection takes no new requests. `final`: from this moment; else those already
  // on their way still count (RFC 9113 section 6.8). HTTP/1.1 says so in its next response.
  virtual void announce_close(StreamError error, bool final) = 0;
  // Whether the connection may carry another request; false once closing was announced.
  [[nodiscard]] virtual bool persistent() const noexcept = 0;
  // No request is being read or answered.
  [[nodiscard]] virtual bool idle() const noexcept = 0;
  // A request head has begun and is not complete.
  [[nodiscard]] virtual bool reading_head() const noexcept = 0;
  // Many streams at once: a trouble of one need not end the others.
  [[nodiscard]] virtual bool multiplexed() const noexcept = 0;
  // Gives up what the client has not taken of finished streams for longer than that. Called now and then.
  virtual void expire(uint32_t /*limit_ms*/) noexcept {}
  // The connection is given up: no event follows and nothing is written. Allowed within events.
  virtual void close() noexcept {}
};

// What an upstream's bytes mean.
class ClientEvents {
 public:
  virtual void on_interim(Stream& stream, ResponseHead& head) = 0;
  // Status 101 means: the tunnel that was asked for is open, whatever the version's way of saying it.
  virtual void on_response(Stream& stream, ResponseHead& head) = 0;
  [[nodiscard]] virtual size_t on_response_data(Stream& stream, std::string_view content) = 0;
  virtual void on_response_end(Stream& stream, std::string_view trailers) = 0;
  // send_data() takes more again.
  virtual void on_request_writable(Stream& stream) = 0;
  // The upstream broke the rules within this stream. The stream is gone after the call; the connection too
  // where it carries one stream at a time.
  virtual void on_response_error(Stream& stream, const Refusal& refusal) = 0;
  // The upstream gave the stream up; `refused` promises that nothing of it was processed (also after GOAWAY).
  // The stream is gone after the call.
  virtual void on_stream_lost(Stream& stream, StreamError error) = 0;
  // The upstream broke the protocol of the connection; the codec takes no further bytes.
  virtual void on_connection_error(const Refusal& refusal) = 0;
  // More streams can be started than before, or none any more: see capacity().
  virtual void on_capacity_changed() = 0;

 protected:
  ~ClientEvents() = default;
};

// A request to an upstream. Its head is HTTP/1.1 text, which is how heads are kept for a retry before anybody
// knows what the connection will speak; a request for a tunnel has Connection and Upgrade in it.
struct RequestStart {
  std::string_view head;
  Method method = Method::other;
  Framing framing = Framing::none;
  bool upgrade = false;  // asks for a tunnel
  bool secure = false;   // the connection is under TLS
};

class ClientCodec {
 public:
  virtual ~ClientCodec() = default;

  // Sends a request's head; content and an end follow unless framing is none. Null: not possible (see
  // capacity(), and tunnels()); nothing was sent.
  [[nodiscard]] virtual Stream* start(const RequestStart& request) = 0;
  [[nodiscard]] virtual size_t send_data(Stream& stream, std::string_view content) = 0;
  [[nodiscard]] virtual bool send_end(Stream& stream, std::string_view trailers) = 0;
  // The exchange is over, cleanly or not: no event follows for this stream, which is gone after the call.
  // False: the connection has to go, for it can carry nothing else.
  [[nodiscard]] virtual bool finish(Stream& stream) = 0;

  [[nodiscard]] virtual size_t receive(std::span<char> bytes, ClientEvents& events) = 0;
  // The upstream's bytes ended; true if that is a proper end of the response (RFC 9112 section 6.3, rule 8),
  // or of a tunnel's direction.
  [[nodiscard]] virtual bool receive_end(ClientEvents& events) = 0;
  virtual void writable(ClientEvents& events) = 0;
  // See ServerCodec.
  [[nodiscard]] virtual bool resume(Stream& stream, ClientEvents& events) = 0;

  // How many requests may be started now; 0 for good once the connection can carry no other one.
  [[nodiscard]] virtual size_t capacity() const noexcept = 0;
  // Whether capacity() will ever be more than 0 again.
  [[nodiscard]] virtual bool reusable() const noexcept = 0;
  // Whether a tunnel may be asked for (RFC 8441: the peer must have said so).
  [[nodiscard]] virtual bool tunnels() const noexcept = 0;
  // Whether the peer said all that capacity() and tunnels() depend on; on_capacity_changed() tells when.
  [[nodiscard]] virtual bool settled() const noexcept = 0;
  [[nodiscard]] virtual bool multiplexed() const noexcept = 0;
  // The connection is given up: no event follows and nothing is written. Allowed within events.
  virtual void close() noexcept {}
};

}  // namespace mango::http
