// SPDX-License-Identifier: Apache-2.0
// Who may use a device: its own user and root, and whom `device.access` lets in besides. Strangers (neither
// root nor the user of a device that is not root's) gain no rights by it: see Device::bind(), set_config(),
// serve_simple().
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <string>

namespace mango::device {

class LinkAccess {
 public:
  // "owner", "all", "group:NAME". False: no such text, or no such group.
  [[nodiscard]] bool parse(const std::string& text);
  // Whether a client may have this link; `peer`: who it is.
  [[nodiscard]] bool admits(int link, ucred& peer) const;
  [[nodiscard]] bool owner_only() const noexcept { return who_ == Who::owner; }
  [[nodiscard]] static bool is_stranger(uid_t uid) noexcept;

 private:
  enum class Who : uint8_t { owner, all, group };
  Who who_ = Who::owner;
  gid_t group_ = 0;
};

// The first port that everybody may bind in the calling thread's network namespace.
[[nodiscard]] uint16_t first_free_port() noexcept;

}  // namespace mango::device
