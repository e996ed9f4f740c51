// SPDX-License-Identifier: Apache-2.0
// What the libmango tests share: an engine, raw peers over plain system calls, a certificate, and OpenSSL
// peers. All sockets are on loopback, on ports the kernel picks.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "libmango.h"

namespace mango_test {

inline sockaddr_in loopback(uint16_t port = 0) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

inline const sockaddr* as_sockaddr(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

inline void wait_for(int fd, short events) {
  pollfd watched{fd, events, 0};
  ASSERT_GE(poll(&watched, 1, 10'000), 1) << "nothing happened on descriptor " << fd;
}

// A plain blocking TCP client: what the other side of the wire sees.
class RawPeer {
 public:
  explicit RawPeer(uint16_t port, int receive_buffer = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    const sockaddr_in address = loopback(port);
    EXPECT_EQ(0, ::connect(fd_, as_sockaddr(address), sizeof(address)));
  }
  ~RawPeer() { close(); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void send(const std::string& bytes) {
    EXPECT_EQ(static_cast<ssize_t>(bytes.size()), ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }
  // Reads until the end: empty errno means FIN, ECONNRESET means RST.
  int read_to_end(std::string* all = nullptr) {
    char buffer[65536];
    for (;;) {
      const ssize_t n = ::recv(fd_, buffer, sizeof(buffer), 0);
      if (n < 0) return errno;
      if (n == 0) return 0;
      if (all) all->append(buffer, static_cast<size_t>(n));
    }
  }

 private:
  int fd_;
};

// A context, a tcp handle and a listener.
class Engine {
 public:
  Engine() {
    EXPECT_EQ(MANGO_STATUS_OK, mango_context_create(&context));
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_create(&tcp));
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_set_context(tcp, context));
  }
  ~Engine() {
    for (mango_socket_h socket : made_) (void)mango_socket_destroy(socket);
    EXPECT_EQ(MANGO_STATUS_OK, mango_tcp_destroy(tcp));
    EXPECT_EQ(MANGO_STATUS_OK, mango_context_destroy(context));
  }

  mango_socket_h open() {
    mango_socket_h socket = nullptr;
    EXPECT_EQ(MANGO_STATUS_OK, mango_socket_create(tcp, &socket));
    EXPECT_EQ(MANGO_STATUS_OK, mango_socket_open(socket, nullptr));
    return own(socket);
  }

  mango_socket_h listen(bool nonblocking = false) {
    mango_socket_h socket = open();
    const sockaddr_in address = loopback();
    EXPECT_EQ(MANGO_STATUS_OK, mango_socket_bind(socket, as_sockaddr(address), sizeof(address)));
    EXPECT_EQ(MANGO_STATUS_OK, mango_socket_listen(socket, 128));
    EXPECT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(socket, nonblocking));
    return socket;
  }

  mango_socket_h accept(mango_socket_h listener) {
    wait_for(fd_of(listener), POLLIN);
    mango_socket_h socket = nullptr;
    EXPECT_EQ(MANGO_STATUS_OK, mango_socket_accept(listener, nullptr, nullptr, &socket));
    return own(socket);
  }

  // Sockets made here are destroyed with the engine, unless the test did it.
  mango_socket_h own(mango_socket_h socket) {
    made_.push_back(socket);
    return socket;
  }

  static int fd_of(mango_socket_h socket) {
    int fd = -1;
    EXPECT_EQ(MANGO_STATUS_OK, mango_socket_get_fd(socket, &fd));
    return fd;
  }

  static uint16_t port_of(mango_socket_h socket) {
    sockaddr_in address{};
    socklen_t length = sizeof(address);
    EXPECT_EQ(MANGO_STATUS_OK, mango_socket_get_name(socket, reinterpret_cast<sockaddr*>(&address), &length));
    return ntohs(address.sin_port);
  }

  mango_context_h context = nullptr;
  mango_tcp_h tcp = nullptr;

 private:
  std::vector<mango_socket_h> made_;
};

inline mango_counters_t counters() {
  mango_counters_t now{};
  EXPECT_EQ(MANGO_STATUS_OK, mango_get_counters(&now, sizeof(now)));
  return now;
}

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using SslContext = std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, Deleter<SSL_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;

// A server context with a fresh self-signed certificate.
inline SslContext server_context(int version = TLS1_3_VERSION, Key key = Key(EVP_EC_gen("P-256"))) {
  Certificate certificate(X509_new());
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"),
                             -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  SslContext context(SSL_CTX_new(TLS_server_method()));
  EXPECT_EQ(1, SSL_CTX_use_certificate(context.get(), certificate.get()));
  EXPECT_EQ(1, SSL_CTX_use_PrivateKey(context.get(), key.get()));
  SSL_CTX_set_max_proto_version(context.get(), version);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  return context;
}

inline SslContext client_context(int version = TLS1_3_VERSION) {
  SslContext context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_max_proto_version(context.get(), version);
  return context;
}

inline Ssl server_ssl(const SslContext& context) {
  Ssl ssl(SSL_new(context.get()));
  SSL_set_accept_state(ssl.get());
  return ssl;
}

// A blocking OpenSSL client over a raw peer.
inline Ssl client_ssl(const SslContext& context, int fd) {
  Ssl ssl(SSL_new(context.get()));
  SSL_set_fd(ssl.get(), fd);
  SSL_set_connect_state(ssl.get());
  return ssl;
}

// Bytes that tell where a transfer went wrong.
inline std::string pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 31 + i / 251) & 0xFF);
  return bytes;
}

}  // namespace mango_test
