// SPDX-License-Identifier: Apache-2.0
#include "ipc/grpc/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace mango::ipc {

namespace {

constexpr int kBacklog = 128;
constexpr int kOutOfDescriptorsMs = 100;  // before accepting is tried again

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

AddressList resolve(const Endpoint& endpoint, Failure& failure) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found);
  if (error != 0) {
    failure = {MANGO_STATUS_ADDRESS_NOT_AVAILABLE,
               "cannot resolve " + endpoint.host + ": " + gai_strerror(error)};
  }
  return {error == 0 ? found : nullptr, freeaddrinfo};
}

void set_port(sockaddr* address, uint16_t port) noexcept {
  if (address->sa_family == AF_INET) reinterpret_cast<sockaddr_in*>(address)->sin_port = htons(port);
  if (address->sa_family == AF_INET6) reinterpret_cast<sockaddr_in6*>(address)->sin6_port = htons(port);
}

uint16_t port_of(int fd) noexcept {
  sockaddr_storage bound{};
  socklen_t length = sizeof bound;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) != 0) return 0;
  return ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                           : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
}

// -1 with errno.
int listen_on(const addrinfo& address) noexcept {
  const int fd = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (::bind(fd, address.ai_addr, address.ai_addrlen) == 0 && ::listen(fd, kBacklog) == 0) return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

// A host's second address may be of a family the machine has switched off.
bool may_be_missing(int error) noexcept {
  return error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
}

}  // namespace

bool Listener::bind(Endpoint& endpoint, Failure& failure) {
  const AddressList found = resolve(endpoint, failure);
  if (!found) return false;
  int error = 0;
  for (addrinfo* each = found.get(); each; each = each->ai_next) {
    set_port(each->ai_addr, endpoint.port);
    const int fd = listen_on(*each);
    if (fd < 0) {
      error = errno;
      if (may_be_missing(error)) continue;
      break;
    }
    sockets_.push_back(fd);
    endpoint.port = port_of(fd);
  }
  if (!sockets_.empty() && may_be_missing(error)) error = 0;
  if (error == 0) stop_ = eventfd(0, EFD_CLOEXEC);
  if (error == 0 && stop_ < 0) error = errno;
  if (error == 0) return true;
  failure = {static_cast<mango_status_e>(-error),
             "cannot listen on " + path_of(endpoint) + ": " + strerrordesc_np(error)};
  return false;
}

void Listener::start(Accepted accepted) {
  accepted_ = std::move(accepted);
  thread_ = std::thread([this] { run(); });
}

void Listener::run() {
  std::vector<pollfd> polled{{stop_, POLLIN, 0}};
  for (const int fd : sockets_) polled.push_back({fd, POLLIN, 0});
  for (;;) {
    if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
    if (polled[0].revents) return;
    for (size_t i = 1; i < polled.size(); ++i) {
      if (polled[i].revents) accept_all(polled[i].fd);
    }
  }
}

void Listener::accept_all(int listening) {
  for (;;) {
    const int fd = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      accepted_(fd);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN) return;
    pollfd stop{stop_, POLLIN, 0};  // no descriptors or no memory: others have to give some back first
    ::poll(&stop, 1, kOutOfDescriptorsMs);
    return;
  }
}

Listener::~Listener() {
  if (thread_.joinable()) {
    eventfd_write(stop_, 1);
    thread_.join();
  }
  for (const int fd : sockets_) ::close(fd);
  if (stop_ >= 0) ::close(stop_);
}

}  // namespace mango::ipc
