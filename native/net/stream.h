// SPDX-License-Identifier: Apache-2.0
// One byte stream: offloaded TCP, offloaded TCP under TLS, or a Unix socket. Callers never ask which.
//
// TLS records are moved by mango_socket_recv_tls / send_tls on an SSL the stream owns, or after the handshake
// on keys alone where the engine can; the handshake happens inside the first receives. Unix sockets are not
// TCP and so not the engine's business: plain system calls.
#pragma once

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "net/engine.h"

namespace mango::net {

// What became of a transfer. Everything but `ok` and `again` is final for that direction.
enum class Io : uint8_t {
  ok,
  again,      // nothing moved; wait for readiness (see Stream::waits_for_write)
  eof,        // orderly end: FIN, or close_notify under TLS
  truncated,  // FIN without close_notify
  reset,      // the peer, or we, reset the connection
  tls,        // TLS failed; see Stream::tls_error
  device,     // the offload device below was reset, or is gone
  failed,     // any other error
};

struct Transfer {
  Io io;
  size_t bytes = 0;
};

struct SslDeleter {
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};
using SslPointer = std::unique_ptr<SSL, SslDeleter>;

// An address to listen on, connect to or report. Textual forms: "10.0.0.1:80", "[::1]:80", "unix:/path".
struct Endpoint {
  sockaddr_storage storage{};
  socklen_t length = 0;

  [[nodiscard]] static bool parse(std::string_view text, Endpoint& out) noexcept;
  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] std::string address() const;  // without the port; IPv6 without brackets
  [[nodiscard]] uint16_t port() const noexcept;
  void set_port(uint16_t port) noexcept;
  [[nodiscard]] bool is_unix() const noexcept { return storage.ss_family == AF_UNIX; }
  [[nodiscard]] bool operator==(const Endpoint& other) const noexcept;
};

class Stream {
 public:
  Stream() noexcept = default;
  // Takes over an accepted, non-blocking socket of the engine, of the era of the socket that accepted it.
  Stream(Engine& engine, mango_socket_h socket, int fd, uint32_t era) noexcept
      : engine_(&engine), socket_(socket), fd_(fd), era_(era) {}
  Stream(Stream&& other) noexcept;
  Stream& operator=(Stream&& other) noexcept;
  ~Stream() { close(); }

  // Starts a non-blocking connect. `again` means in progress: writable when done, then finish_connect().
  [[nodiscard]] Io connect(Engine& engine, const Endpoint& endpoint) noexcept;
  // The result of a connect in progress: ok, or why not.
  [[nodiscard]] Io finish_connect() noexcept;
  void set_no_delay() noexcept;

  // Attaches TLS; the stream owns the SSL from here on.
  [[nodiscard]] bool start_tls(SslPointer ssl) noexcept;
  // After the handshake: frees the SSL and goes on with its keys. False where the engine cannot; nothing
  // changed.
  bool use_tls_keys(const mango_tls_keys_t& keys) noexcept;
  // Null without TLS, and after use_tls_keys().
  [[nodiscard]] SSL* ssl() const noexcept { return ssl_.get(); }
  [[nodiscard]] bool handshaking() const noexcept { return ssl_ && !SSL_is_init_finished(ssl_.get()); }

  // Receives once. Fewer bytes than there is room for means: nothing more is there now. While handshaking,
  // only goes on with that: `again` when it is over, too, and bytes behind it are for the next call.
  [[nodiscard]] Transfer recv(std::span<char> room) noexcept;
  // Sends once. After `again` the same bytes must be offered again first.
  [[nodiscard]] Transfer send(std::string_view bytes) noexcept;
  // Whether an `again` of recv() waits for the socket to become writable (a TLS handshake may).
  [[nodiscard]] bool waits_for_write() const noexcept { return ssl_ && SSL_want_write(ssl_.get()); }

  void shutdown_write() noexcept;  // FIN (close_notify first) after what was sent
  void abort() noexcept;           // RST now; the fd stays until close()
  void reset() noexcept;           // RST, and the session returns to the engine
  void close() noexcept;           // orderly; idempotent

  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int fd() const noexcept { return fd_; }
  // Whether its device was reset when that era began. A Unix socket has no device.
  [[nodiscard]] bool older_than(uint32_t era) const noexcept { return socket_ != nullptr && era_ != era; }
  // Whether bytes are there that no event has told of yet. Asked only on a device, whose events come in no
  // order of time; elsewhere false.
  [[nodiscard]] bool has_unread() const noexcept;
  // The error that waits for the next call: `reset` or `device`, else `ok`. Takes it.
  [[nodiscard]] Io take_error() noexcept;
  // The address on our side; empty for a Unix socket.
  [[nodiscard]] Endpoint local() const noexcept;
  // Why the last `tls` result on this thread came about, as a stable word; clears OpenSSL's queue.
  [[nodiscard]] static const char* tls_error() noexcept;

 private:
  [[nodiscard]] Io connect_local(const Endpoint& endpoint) noexcept;
  [[nodiscard]] Transfer shake_hands() noexcept;
  [[nodiscard]] Io result(mango_status_e status) noexcept;

  Engine* engine_ = nullptr;
  mango_socket_h socket_ = nullptr;  // null for a Unix socket
  int fd_ = -1;
  uint32_t era_ = 0;
  bool tls_ = false;
  SslPointer ssl_;
};

}  // namespace mango::net
