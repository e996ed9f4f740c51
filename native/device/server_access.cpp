// SPDX-License-Identifier: Apache-2.0
#include "device/server_access.h"

#include <fcntl.h>
#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "device/descriptor.h"

namespace mango::device {
namespace {

constexpr char kGroupPrefix[] = "group:";
constexpr size_t kGroupPrefixBytes = sizeof(kGroupPrefix) - 1;
constexpr uint16_t kUsualFirstFreePort = 1024;

bool find_group(const std::string& name, gid_t& gid) {
  std::vector<char> room(64 * 1024);
  group entry{};
  group* found = nullptr;
  if (::getgrnam_r(name.c_str(), &entry, room.data(), room.size(), &found) != 0 || !found) return false;
  gid = found->gr_gid;
  return true;
}

bool has_group(int link, gid_t wanted) {
  std::vector<gid_t> groups(256);
  for (int tries = 0; tries < 2; ++tries) {
    auto length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int result = ::getsockopt(link, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length);
    groups.resize(length / sizeof(gid_t));  // when it was too little: what it takes
    if (result == 0) return std::find(groups.begin(), groups.end(), wanted) != groups.end();
  }
  return false;
}

}  // namespace

bool LinkAccess::parse(const std::string& text) {
  if (text == "owner" || text.empty()) {
    who_ = Who::owner;
    return true;
  }
  if (text == "all") {
    who_ = Who::all;
    return true;
  }
  if (text.compare(0, kGroupPrefixBytes, kGroupPrefix) != 0) return false;
  who_ = Who::group;
  return find_group(text.substr(kGroupPrefixBytes), group_);
}

bool LinkAccess::admits(int link, ucred& peer) const {
  socklen_t length = sizeof(peer);
  if (::getsockopt(link, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  if (peer.uid == 0 || peer.uid == ::geteuid() || who_ == Who::all) return true;
  return who_ == Who::group && (peer.gid == group_ || has_group(link, group_));
}

bool LinkAccess::is_stranger(uid_t uid) noexcept {
  return uid != 0 && uid != ::geteuid();
}

uint16_t first_free_port() noexcept {
  const Descriptor file(::open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_RDONLY | O_CLOEXEC));
  char text[16];
  const ssize_t n = file ? ::read(file.get(), text, sizeof(text)) : -1;
  uint16_t port = kUsualFirstFreePort;
  if (n > 0 && std::from_chars(text, text + n, port).ec != std::errc()) port = kUsualFirstFreePort;
  return port;
}

}  // namespace mango::device
