// SPDX-License-Identifier: Apache-2.0
#include "proxy/bans.h"

namespace mango::proxy {

std::shared_ptr<const BanTable> BanTable::build(std::vector<config::Ban> bans) {
  auto table = std::make_shared<BanTable>();
  table->bans_ = std::move(bans);
  for (const config::Ban& ban : table->bans_) {
    Address address;
    if (ban.by == config::BanBy::sni)
      table->snis_[ban.value] = &ban;
    else if (ban.by == config::BanBy::route)
      table->routes_[ban.value] = &ban;
    else if (Address::parse(ban.value, address))
      table->clients_[address] = &ban;
  }
  return table;
}

const config::Ban* BanTable::client(const Address& address, uint64_t now_unix_ms) const noexcept {
  const auto found = clients_.find(address);
  return found != clients_.end() && found->second->until_ms > now_unix_ms ? found->second : nullptr;
}

const config::Ban* BanTable::find(const ByName& bans, std::string_view name, uint64_t now) noexcept {
  const auto found = bans.find(name);
  return found != bans.end() && found->second->until_ms > now ? found->second : nullptr;
}

const config::Ban* BanTable::sni(std::string_view name, uint64_t now_unix_ms) const noexcept {
  return find(snis_, name, now_unix_ms);
}

const config::Ban* BanTable::route(std::string_view name, uint64_t now_unix_ms) const noexcept {
  return find(routes_, name, now_unix_ms);
}

}  // namespace mango::proxy
