// SPDX-License-Identifier: Apache-2.0
#include "net/device.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/ether.h>

#include <array>
#include <cstdlib>

namespace mango::net {

mango_status_e Device::read(const char* field, std::string& value) noexcept {
  char* text = nullptr;
  const auto status = engine_.ipc_get_config(engine_.ipc(), field, &text);
  if (status == MANGO_STATUS_OK && text != nullptr) value = text;
  std::free(text);
  return status;
}

DeviceState Device::state() noexcept {
  if (engine_.ipc() == nullptr) return DeviceState::ready;
  std::string state;
  if (read("device.state", state) != MANGO_STATUS_OK) return DeviceState::gone;
  return state == "ready" ? DeviceState::ready : DeviceState::resetting;
}

mango_status_e Device::reset(bool preserve) noexcept {
  if (engine_.tcp_reset == nullptr) return MANGO_STATUS_NOT_SUPPORTED;
  return engine_.tcp_reset(engine_.tcp(), preserve);
}

void Device::add_addresses(std::vector<std::pair<std::string, std::string>>& facts) noexcept {
  if (engine_.tcp_get_address == nullptr) return;
  in_addr ip{};
  in_addr subnet{};
  ether_addr mac{};
  if (engine_.tcp_get_address(engine_.tcp(), &ip, &subnet, &mac) != MANGO_STATUS_OK) return;
  std::array<char, INET_ADDRSTRLEN> text{};
  facts.emplace_back("device.ip", ::inet_ntop(AF_INET, &ip, text.data(), text.size()));
  facts.emplace_back("device.subnet", ::inet_ntop(AF_INET, &subnet, text.data(), text.size()));
  facts.emplace_back("device.mac", ::ether_ntoa_r(&mac, text.data()));
}

std::vector<std::pair<std::string, std::string>> Device::facts() {
  std::vector<std::pair<std::string, std::string>> facts;
  if (engine_.ipc() == nullptr) {
    if (engine_.get_version != nullptr) facts.emplace_back("device.version", engine_.get_version());
    add_addresses(facts);
    return facts;
  }
  std::string list;  // a line each: name, and whether it may be read or written
  if (read("device.fields", list) != MANGO_STATUS_OK) return facts;
  for (size_t begin = 0; begin < list.size();) {
    const size_t end = std::min(list.find('\n', begin), list.size());
    const std::string line = list.substr(begin, end - begin);
    begin = end + 1;
    const size_t space = line.find(' ');
    const std::string name = line.substr(0, space);
    std::string value;
    if (name.empty() || name == "device.fields" || line.ends_with(" wo")) continue;
    const auto status = read(name.c_str(), value);
    if (means_reset(status)) break;
    if (status == MANGO_STATUS_OK) facts.emplace_back(name, value);
  }
  return facts;
}

}  // namespace mango::net
