// SPDX-License-Identifier: Apache-2.0
// The bans the control plane decided on: an immutable table, swapped whole into each worker.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "config/document.h"
#include "proxy/address_set.h"

namespace mango::proxy {

class BanTable {
 public:
  [[nodiscard]] static std::shared_ptr<const BanTable> build(std::vector<config::Ban> bans);

  // The ban in force at `now_unix_ms`, or null. Lives as long as the table.
  [[nodiscard]] const config::Ban* client(const Address& address, uint64_t now_unix_ms) const noexcept;
  [[nodiscard]] const config::Ban* sni(std::string_view name, uint64_t now_unix_ms) const noexcept;
  [[nodiscard]] const config::Ban* route(std::string_view name, uint64_t now_unix_ms) const noexcept;
  [[nodiscard]] bool empty() const noexcept { return bans_.empty(); }

 private:
  using ByName = std::map<std::string, const config::Ban*, std::less<>>;
  [[nodiscard]] static const config::Ban* find(const ByName& bans, std::string_view name,
                                               uint64_t now) noexcept;

  std::vector<config::Ban> bans_;
  std::map<Address, const config::Ban*> clients_;
  ByName snis_;
  ByName routes_;
};

}  // namespace mango::proxy
