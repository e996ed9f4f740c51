// SPDX-License-Identifier: Apache-2.0
#include "net/stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "net/calls.h"

namespace mango::net {

namespace {

Io classify(mango_status_e status) noexcept {
  switch (static_cast<int>(status)) {
    case MANGO_STATUS_OK:
      return Io::ok;
    case -EAGAIN:
    case -EINPROGRESS:
      return Io::again;
    case -ECONNRESET:
    case -ECONNABORTED:
    case -EPIPE:
      return Io::reset;
    case MANGO_STATUS_TLS:
      return Io::tls;
    case MANGO_STATUS_TLS_TRUNCATED:
      return Io::truncated;
    case MANGO_STATUS_DEVICE_RESET:
    case MANGO_STATUS_IPC_UNAVAILABLE:
      return Io::device;
    default:
      return Io::failed;
  }
}

Transfer classify_local(ssize_t count, bool receiving) noexcept {
  if (count > 0 || (count == 0 && !receiving)) return {Io::ok, static_cast<size_t>(count)};
  if (count == 0) return {Io::eof};
  return {classify(static_cast<mango_status_e>(-errno))};
}

}  // namespace

Stream::Stream(Stream&& other) noexcept
    : engine_(std::exchange(other.engine_, nullptr)),
      socket_(std::exchange(other.socket_, nullptr)),
      fd_(std::exchange(other.fd_, -1)),
      era_(other.era_),
      tls_(std::exchange(other.tls_, false)),
      ssl_(std::move(other.ssl_)) {}

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this == &other) return *this;
  close();
  engine_ = std::exchange(other.engine_, nullptr);
  socket_ = std::exchange(other.socket_, nullptr);
  fd_ = std::exchange(other.fd_, -1);
  era_ = other.era_;
  tls_ = std::exchange(other.tls_, false);
  ssl_ = std::move(other.ssl_);
  return *this;
}

// Tells the engine of a reset, so that it is noticed whoever meets it first.
Io Stream::result(mango_status_e status) noexcept {
  const Io io = classify(status);
  if (io == Io::device) engine_->note_reset(era_);
  return io;
}

Io Stream::connect(Engine& engine, const Endpoint& endpoint) noexcept {
  engine_ = &engine;
  if (endpoint.is_unix()) return connect_local(endpoint);
  if (engine.lost()) return Io::device;  // the attempt would only wait for it
  era_ = engine.era();
  if (engine.socket_create(engine.tcp(), &socket_) != MANGO_STATUS_OK) return Io::failed;
  mango_status_e status = engine.socket_open(socket_, &fd_);
  if (status == MANGO_STATUS_OK) status = engine.socket_set_nonblocking(socket_, true);
  if (status != MANGO_STATUS_OK) {
    const Io io = result(status);
    close();
    return io == Io::device ? io : Io::failed;
  }
  ++calls().connect;
  const auto* address = reinterpret_cast<const sockaddr*>(&endpoint.storage);
  const Io io = result(engine.socket_connect(socket_, address, endpoint.length));
  set_no_delay();
  return io;
}

Io Stream::connect_local(const Endpoint& endpoint) noexcept {
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return Io::failed;
  const auto* address = reinterpret_cast<const sockaddr*>(&endpoint.storage);
  if (::connect(fd_, address, endpoint.length) == 0) return Io::ok;
  // A full backlog gives EAGAIN at once and never becomes writable: that is a failure, not progress.
  return Io::failed;
}

Io Stream::finish_connect() noexcept {
  int error = 0;
  socklen_t length = sizeof error;
  if (socket_ == nullptr) return Io::ok;
  const auto status = engine_->socket_get_option(socket_, SOL_SOCKET, SO_ERROR, &error, &length);
  const Io io = result(status == MANGO_STATUS_OK ? static_cast<mango_status_e>(-error) : status);
  return io == Io::ok || io == Io::device ? io : Io::failed;
}

Io Stream::take_error() noexcept {
  if (socket_ == nullptr) return Io::ok;
  const Io io = finish_connect();
  return io == Io::failed ? Io::reset : io;
}

bool Stream::has_unread() const noexcept {
  if (socket_ == nullptr || engine_->ipc() == nullptr || engine_->socket_get_num_avail == nullptr)
    return false;
  int bytes = 0;
  return engine_->socket_get_num_avail(socket_, &bytes) == MANGO_STATUS_OK && bytes > 0;
}

void Stream::set_no_delay() noexcept {
  const int on = 1;
  if (socket_ != nullptr) (void)engine_->socket_set_option(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Endpoint Stream::local() const noexcept {
  Endpoint endpoint;
  if (socket_ == nullptr) return endpoint;
  endpoint.length = sizeof endpoint.storage;
  auto* address = reinterpret_cast<sockaddr*>(&endpoint.storage);
  if (engine_->socket_get_name(socket_, address, &endpoint.length) != MANGO_STATUS_OK) endpoint = Endpoint();
  return endpoint;
}

bool Stream::start_tls(SslPointer ssl) noexcept {
  if (engine_->socket_set_ssl(socket_, ssl.get()) != MANGO_STATUS_OK) return false;
  ssl_ = std::move(ssl);
  tls_ = true;
  return true;
}

bool Stream::use_tls_keys(const mango_tls_keys_t& keys) noexcept {
  if (engine_ == nullptr || engine_->socket_set_tls_keys == nullptr) return false;
  if (engine_->socket_set_tls_keys(socket_, &keys) != MANGO_STATUS_OK) return false;
  ssl_.reset();
  return true;
}

Transfer Stream::shake_hands() noexcept {
  size_t none = 0;
  const Io io = result(engine_->socket_recv_tls(socket_, nullptr, 0, &none));
  return {io == Io::ok ? Io::again : io};
}

Transfer Stream::recv(std::span<char> room) noexcept {
  if (fd_ < 0) return {Io::failed};
  if (socket_ == nullptr) return classify_local(::recv(fd_, room.data(), room.size(), 0), true);
  ++calls().recv;
  if (handshaking()) return shake_hands();
  size_t received = 0;
  const auto status = tls_ ? engine_->socket_recv_tls(socket_, room.data(), room.size(), &received)
                           : engine_->socket_recv(socket_, room.data(), room.size(), &received);
  const Io io = result(status);
  if (io == Io::ok && received == 0) return {Io::eof};
  return {io, received};
}

Transfer Stream::send(std::string_view bytes) noexcept {
  if (fd_ < 0) return {Io::failed};
  if (socket_ == nullptr) return classify_local(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), false);
  ++calls().send;
  size_t sent = 0;
  const auto status = tls_ ? engine_->socket_send_tls(socket_, bytes.data(), bytes.size(), &sent)
                           : engine_->socket_send(socket_, bytes.data(), bytes.size(), &sent);
  return {result(status), sent};
}

void Stream::shutdown_write() noexcept {
  if (socket_ != nullptr)
    (void)engine_->socket_shutdown(socket_, SHUT_WR);
  else if (fd_ >= 0)
    ::shutdown(fd_, SHUT_WR);
}

void Stream::abort() noexcept {
  if (socket_ == nullptr) return;
  ++calls().abort;
  (void)engine_->socket_abort(socket_);
}

void Stream::reset() noexcept {
  if (socket_ == nullptr) return;
  ++calls().reset;
  (void)engine_->socket_reset(socket_);
}

void Stream::close() noexcept {
  if (socket_ != nullptr) {
    ++calls().close;
    (void)engine_->socket_close(socket_);
    (void)engine_->socket_destroy(socket_);
  } else if (fd_ >= 0) {
    ::close(fd_);
  }
  socket_ = nullptr;
  fd_ = -1;
  tls_ = false;
  ssl_.reset();  // after the close: libmango may still send close_notify through it
}

const char* Stream::tls_error() noexcept {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  switch (ERR_GET_REASON(code)) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
      return "tls_http_on_https_port";
    case SSL_R_NO_SHARED_CIPHER:
      return "tls_no_shared_cipher";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_WRONG_VERSION_NUMBER:
      return "tls_unsupported_protocol";
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return "tls_no_application_protocol";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return "tls_client_certificate_missing";
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return "tls_client_certificate_refused";
    default:
      return "tls_handshake_failed";
  }
}

}  // namespace mango::net
