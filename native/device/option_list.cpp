// SPDX-License-Identifier: Apache-2.0
#include "device/option_list.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace mango::device {
namespace {

enum Access : unsigned char { kRead = 1, kBoth = 3 };

struct Option {
  int level;
  int name;
  Access access;
};

constexpr Option kOptions[] = {
    {SOL_SOCKET, SO_REUSEADDR, kBoth},
    {SOL_SOCKET, SO_REUSEPORT, kBoth},
    {SOL_SOCKET, SO_KEEPALIVE, kBoth},
    {SOL_SOCKET, SO_LINGER, kBoth},
    {SOL_SOCKET, SO_RCVBUF, kBoth},
    {SOL_SOCKET, SO_SNDBUF, kBoth},
    {SOL_SOCKET, SO_RCVLOWAT, kBoth},
    {SOL_SOCKET, SO_PRIORITY, kBoth},
    {SOL_SOCKET, SO_INCOMING_CPU, kBoth},
    {SOL_SOCKET, SO_OOBINLINE, kBoth},
    {SOL_SOCKET, SO_ERROR, kRead},
    {SOL_SOCKET, SO_TYPE, kRead},
    {SOL_SOCKET, SO_DOMAIN, kRead},
    {SOL_SOCKET, SO_PROTOCOL, kRead},
    {SOL_SOCKET, SO_ACCEPTCONN, kRead},
    {SOL_SOCKET, SO_SNDLOWAT, kRead},
    {IPPROTO_TCP, TCP_NODELAY, kBoth},
    {IPPROTO_TCP, TCP_CORK, kBoth},
    {IPPROTO_TCP, TCP_KEEPIDLE, kBoth},
    {IPPROTO_TCP, TCP_KEEPINTVL, kBoth},
    {IPPROTO_TCP, TCP_KEEPCNT, kBoth},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, kBoth},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, kBoth},
    {IPPROTO_TCP, TCP_QUICKACK, kBoth},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, kBoth},
    {IPPROTO_TCP, TCP_MAXSEG, kBoth},
    {IPPROTO_TCP, TCP_CONGESTION, kBoth},
    {IPPROTO_TCP, TCP_FASTOPEN, kBoth},
    {IPPROTO_TCP, TCP_SYNCNT, kBoth},
    {IPPROTO_TCP, TCP_LINGER2, kBoth},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP, kBoth},
    {IPPROTO_TCP, TCP_INFO, kRead},
    {IPPROTO_IP, IP_TOS, kBoth},
    {IPPROTO_IP, IP_TTL, kBoth},
    {IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, kBoth},
    {IPPROTO_IP, IP_MTU_DISCOVER, kBoth},
    {IPPROTO_IP, IP_MTU, kRead},
    {IPPROTO_IPV6, IPV6_V6ONLY, kBoth},
    {IPPROTO_IPV6, IPV6_TCLASS, kBoth},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, kBoth},
};

const Option* find(int level, int name) noexcept {
  for (const Option& option : kOptions)
    if (option.level == level && option.name == name) return &option;
  return nullptr;
}

}  // namespace

bool option_may_be_set(int level, int name) noexcept {
  const Option* option = find(level, name);
  return option && option->access == kBoth;
}

bool option_may_be_read(int level, int name) noexcept {
  return find(level, name) != nullptr;
}

}  // namespace mango::device
