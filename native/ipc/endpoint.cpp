// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>

#include "ipc/transport.h"

namespace mango::ipc {

namespace {

constexpr std::string_view kIceoryxPrefix = "iceoryx:";
constexpr size_t kMostNameBytes = 64;   // iceoryx's identifiers hold 100
constexpr size_t kMostHostBytes = 253;  // RFC 1035, section 2.3.4, without the final dot

bool is_name_octet(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

bool is_name(std::string_view name, size_t most) noexcept {
  return !name.empty() && name.size() <= most && std::all_of(name.begin(), name.end(), is_name_octet);
}

// A link-local address names its interface: "fe80::1%eth0".
bool is_ipv6(const std::string& host) noexcept {
  const size_t zone = host.find('%');
  if (zone != std::string::npos && !is_name(std::string_view(host).substr(zone + 1), IF_NAMESIZE - 1)) {
    return false;
  }
  in6_addr parsed{};
  return inet_pton(AF_INET6, host.substr(0, zone).c_str(), &parsed) == 1;
}

bool parse_port(std::string_view text, uint16_t& port) noexcept {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  return error == std::errc{} && stop == end && !text.empty();
}

bool parse_bracketed(std::string_view path, Endpoint& endpoint) {
  const size_t end = path.find(']');
  if (end == std::string_view::npos) return false;
  endpoint.host = path.substr(1, end - 1);
  const std::string_view rest = path.substr(end + 1);
  if (!is_ipv6(endpoint.host)) return false;
  return rest.empty() || (rest[0] == ':' && parse_port(rest.substr(1), endpoint.port));
}

bool parse_host(std::string_view path, Endpoint& endpoint) {
  const size_t colon = path.find(':');
  endpoint.host = path.substr(0, colon);
  if (colon == std::string_view::npos) return is_name(endpoint.host, kMostHostBytes);
  if (path.find(':', colon + 1) != std::string_view::npos) {
    endpoint.host = path;
    return is_ipv6(endpoint.host);
  }
  return is_name(endpoint.host, kMostHostBytes) && parse_port(path.substr(colon + 1), endpoint.port);
}

}  // namespace

bool parse_path(std::string_view path, Endpoint& endpoint) {
  endpoint = {};
  if (path.starts_with(kIceoryxPrefix)) {
    endpoint.protocol = MANGO_IPC_PROT_ICEORYX;
    endpoint.name = path.substr(kIceoryxPrefix.size());
    return is_name(endpoint.name, kMostNameBytes);
  }
  endpoint.port = kDefaultPort;
  if (path == kIceoryxPrefix.substr(0, kIceoryxPrefix.size() - 1))
    return false;  // no host's name: see path_of()
  if (path.find('\0') != std::string_view::npos) return false;
  return path.starts_with('[') ? parse_bracketed(path, endpoint) : parse_host(path, endpoint);
}

bool parse_path_of(mango_ipc_prot_e protocol, const std::string& path, Endpoint& endpoint, Failure& failure) {
  if (parse_path(path, endpoint) && endpoint.protocol == protocol) return true;
  const char* what = protocol == MANGO_IPC_PROT_ICEORYX ? "name of iceoryx's" : "address of gRPC's";
  failure = {MANGO_STATUS_INVALID_ARGUMENT, '"' + path + "\" is no " + what};
  return false;
}

std::string path_of(const Endpoint& endpoint) {
  if (endpoint.protocol == MANGO_IPC_PROT_ICEORYX) return std::string(kIceoryxPrefix) + endpoint.name;
  const bool brackets = endpoint.host.find(':') != std::string::npos;
  return (brackets ? '[' + endpoint.host + ']' : endpoint.host) + ':' + std::to_string(endpoint.port);
}

}  // namespace mango::ipc
