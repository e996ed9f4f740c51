// SPDX-License-Identifier: Apache-2.0
// The seam between protocol versions and the proxy: codecs turn bytes into the events of exchanges and back.
//
// A codec does no I/O: received bytes go in, events come out; what it writes goes into a Sink. The proxy
// knows sessions, exchanges and this header, never a version. One exchange of a connection is named by its
// stream.
//
// Flow control is the same in all directions: whoever takes content answers how much it took, and takes the
// rest later, when it said so.
#pragma once

#include "http/forwarding.h"
#include "http/h1_parser.h"
#include "http/local_response.h"
#include "http/message.h"

namespace mango::http {

using StreamId = uint32_t;  // HTTP/1.1: 1, 2, 3, ... in the order of the requests

// Where a codec's bytes go: a connection.
class Sink {
 public:
  // Takes all; false if the connection is of no use any more.
  [[nodiscard]] virtual bool put(std::string_view bytes) = 0;
  // Takes what it can; answers how much.
  [[nodiscard]] virtual size_t offer(std::string_view bytes) = 0;

 protected:
  ~Sink() = default;
};

// Memory for the one head being parsed; shared by all codecs of a worker.
struct Heads {
  RequestHead request;
  ResponseHead response;
};

// What a client's bytes mean.
class ServerEvents {
 public:
  // The head lives as long as the call. `has_content` tells whether on_request_data can follow.
  virtual void on_request(StreamId stream, RequestHead& head) = 0;
  // Answers how much was taken; less than all pauses the codec until receive() is called again.
  [[nodiscard]] virtual size_t on_request_data(StreamId stream, std::string_view content) = 0;
  virtual void on_request_end(StreamId stream, std::string_view trailers) = 0;
  // The client broke the protocol; the codec takes no further bytes.
  virtual void on_protocol_error(const Refusal& refusal) = 0;

 protected:
  ~ServerEvents() = default;
};

class ServerCodec {
 public:
  virtual ~ServerCodec() = default;

  // Answers how many bytes were used. The rest must be offered again, with more behind it.
  [[nodiscard]] virtual size_t receive(std::span<char> bytes, ServerEvents& events) = 0;

  // The response: any number of interim heads, a head, content, an end.
  [[nodiscard]] virtual bool send_head(StreamId stream, const ResponseHead& head, ResponseForwarding how,
                                       Sink& sink) = 0;
  [[nodiscard]] virtual size_t send_data(StreamId stream, std::string_view content, Sink& sink) = 0;
  [[nodiscard]] virtual bool send_end(StreamId stream, std::string_view trailers, Sink& sink) = 0;
  // A whole response of our own.
  [[nodiscard]] virtual bool send_local(StreamId stream, LocalResponse response, Sink& sink) = 0;

  // Whether the connection may carry another request after this response; false once closing was announced.
  [[nodiscard]] virtual bool persistent() const noexcept = 0;
  // The response of that stream is over, and so is its request: the next one may begin.
  virtual void finish(StreamId stream) noexcept = 0;
  // No request is being read or answered.
  [[nodiscard]] virtual bool idle() const noexcept = 0;
};

// What an upstream's bytes mean.
class ClientEvents {
 public:
  virtual void on_interim(StreamId stream, ResponseHead& head) = 0;
  virtual void on_response(StreamId stream, ResponseHead& head) = 0;
  [[nodiscard]] virtual size_t on_response_data(StreamId stream, std::string_view content) = 0;
  virtual void on_response_end(StreamId stream, std::string_view trailers) = 0;
  virtual void on_response_error(StreamId stream, const Refusal& refusal) = 0;

 protected:
  ~ClientEvents() = default;
};

class ClientCodec {
 public:
  virtual ~ClientCodec() = default;

  // A request: its serialised HTTP/1.1 head goes out first, then content, then an end.
  virtual void start(StreamId stream, Method method, Framing framing, bool wants_upgrade) noexcept = 0;
  [[nodiscard]] virtual size_t send_data(StreamId stream, std::string_view content, Sink& sink) = 0;
  [[nodiscard]] virtual bool send_end(StreamId stream, std::string_view trailers, Sink& sink) = 0;

  [[nodiscard]] virtual size_t receive(std::span<char> bytes, ClientEvents& events) = 0;
  // The stream's bytes ended; true if that is a proper end of the response (RFC 9112 section 6.3, rule 8).
  [[nodiscard]] virtual bool receive_end(ClientEvents& events) = 0;
  // Whether the connection may carry another request.
  [[nodiscard]] virtual bool reusable() const noexcept = 0;
};

}  // namespace mango::http
