// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <charconv>
#include <cstddef>
#include <cstring>

#include "net/stream.h"

namespace mango::net {

namespace {

constexpr std::string_view kUnixPrefix = "unix:";

bool parse_unix(std::string_view path, Endpoint& out) noexcept {
  auto& address = reinterpret_cast<sockaddr_un&>(out.storage);
  if (path.empty() || path.size() >= sizeof address.sun_path) return false;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  out.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return true;
}

bool parse_host(const char* host, Endpoint& out) noexcept {
  auto& v4 = reinterpret_cast<sockaddr_in&>(out.storage);
  if (::inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    out.length = sizeof v4;
    return true;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out.storage);
  if (::inet_pton(AF_INET6, host, &v6.sin6_addr) != 1) return false;
  v6.sin6_family = AF_INET6;
  out.length = sizeof v6;
  return true;
}

}  // namespace

bool Endpoint::parse(std::string_view text, Endpoint& out) noexcept {
  out = Endpoint{};
  if (text.starts_with(kUnixPrefix)) return parse_unix(text.substr(kUnixPrefix.size()), out);
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  char terminated[INET6_ADDRSTRLEN];
  if (host.empty() || host.size() >= sizeof terminated) return false;
  std::memcpy(terminated, host.data(), host.size());
  terminated[host.size()] = '\0';
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
  if (error != std::errc{} || stop != end || !parse_host(terminated, out)) return false;
  out.set_port(port);
  return true;
}

bool Endpoint::operator==(const Endpoint& other) const noexcept {
  return length == other.length && std::memcmp(&storage, &other.storage, length) == 0;
}

void Endpoint::set_port(uint16_t port) noexcept {
  if (storage.ss_family == AF_INET) reinterpret_cast<sockaddr_in&>(storage).sin_port = htons(port);
  if (storage.ss_family == AF_INET6) reinterpret_cast<sockaddr_in6&>(storage).sin6_port = htons(port);
}

uint16_t Endpoint::port() const noexcept {
  if (storage.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
  if (storage.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port);
  return 0;
}

std::string Endpoint::address() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (storage.ss_family == AF_INET)
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(storage).sin_addr, text, sizeof text);
  if (storage.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&v6))  // a dual-stack listener's IPv4 clients
      ::inet_ntop(AF_INET, &v6.s6_addr[12], text, sizeof text);
    else
      ::inet_ntop(AF_INET6, &v6, text, sizeof text);
  }
  if (is_unix()) return reinterpret_cast<const sockaddr_un&>(storage).sun_path;
  return text;
}

std::string Endpoint::to_string() const {
  const std::string host = address();
  if (is_unix()) return std::string(kUnixPrefix) + host;
  const bool bracket = host.find(':') != std::string::npos;
  return (bracket ? "[" + host + "]" : host) + ":" + std::to_string(port());
}

}  // namespace mango::net
