// SPDX-License-Identifier: Apache-2.0
// A device's configuration fields and figures: one table, which is also what device.fields lists. Values are
// texts; a value that does not fit changes nothing.
#include <unistd.h>

#include <charconv>
#include <span>

#include "device/server_device.h"
#include "libmango.h"

namespace mango::device {
namespace {

bool parse_number(const std::string& text, uint64_t least, uint64_t most, uint32_t& number) noexcept {
  uint64_t parsed = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, parsed);
  if (error != std::errc() || stop != end || parsed < least || parsed > most) return false;
  number = static_cast<uint32_t>(parsed);
  return true;
}

bool parse_ring(const std::string& text, uint32_t& bytes) noexcept {
  uint32_t parsed = 0;
  if (!parse_number(text, kLeastRingBytes, kMostRingBytes, parsed) || (parsed & (parsed - 1)) != 0)
    return false;
  bytes = parsed;
  return true;
}

mango_status_e status_of(bool good) noexcept {
  return good ? MANGO_STATUS_OK : MANGO_STATUS_INVALID_ARGUMENT;
}

enum class Access : uint8_t { ro, wo, rw, address };  // address: rw; the host's, perhaps

const char* name_of(Access access) noexcept {
  if (access == Access::ro) return "ro";
  return access == Access::wo ? "wo" : "rw";
}

}  // namespace

using Status = mango_status_e;

struct Device::Field {
  const char* name;
  Access access;
  std::string (*get)(Device& device);
  Status (*set)(Device& device, const std::string& value);
};

template <uint64_t DeviceCounters::*kCounter>
std::string Device::counter(Device& device) {
  return std::to_string(device.core_.counters.*kCounter);
}

std::span<const Device::Field> Device::fields() {
  using Text = const std::string&;
  static constexpr Field kFields[] = {
      {"device.access", Access::ro,
       [](Device& d) { return d.options_.access.empty() ? std::string("owner") : d.options_.access; },
       nullptr},
      {"device.fields", Access::ro, [](Device&) { return list_fields(); }, nullptr},
      {"device.index", Access::ro, [](Device& d) { return std::to_string(d.core_.device); }, nullptr},
      {"device.interface", Access::address, [](Device& d) { return d.address_->interface(); },
       [](Device& d, Text value) { return d.address_->set_interface(value); }},
      {"device.ip", Access::address, [](Device& d) { return d.address_->ip(); },
       [](Device& d, Text value) { return d.address_->set_ip(value); }},
      {"device.mac", Access::address, [](Device& d) { return d.address_->mac(); },
       [](Device& d, Text value) { return d.address_->set_mac(value); }},
      {"device.subnet", Access::address, [](Device& d) { return d.address_->subnet(); },
       [](Device& d, Text value) { return d.address_->set_subnet(value); }},
      {"device.netns", Access::ro, [](Device& d) { return d.options_.netns; }, nullptr},
      {"device.pid", Access::ro, [](Device&) { return std::to_string(::getpid()); }, nullptr},
      {"device.reset", Access::wo, nullptr, [](Device& d, Text value) { return d.ask_reset(value); }},
      {"device.spin_us", Access::rw, [](Device& d) { return std::to_string(d.core_.settings.spin_us); },
       [](Device& d, Text value) {
         return status_of(parse_number(value, 0, kMostSpinUs, d.core_.settings.spin_us));
       }},
      {"device.state", Access::ro,
       [](Device& d) { return std::string(d.resetting_ ? "resetting" : "ready"); }, nullptr},
      {"device.uptime_seconds", Access::ro,
       [](Device& d) { return std::to_string((monotonic_ms() - d.started_ms_) / 1000); }, nullptr},
      {"device.version", Access::ro, [](Device&) { return std::string(mango_get_version()); }, nullptr},
      {"session.drain_timeout_ms", Access::rw,
       [](Device& d) { return std::to_string(d.core_.settings.drain_timeout_ms); },
       [](Device& d, Text value) {
         return status_of(parse_number(value, 0, kMostDrainTimeoutMs, d.core_.settings.drain_timeout_ms));
       }},
      {"session.max", Access::rw, [](Device& d) { return std::to_string(d.core_.settings.most); },
       [](Device& d, Text value) {
         return status_of(parse_number(value, 1, most_sessions(0), d.core_.settings.most));
       }},
      {"session.rx_buffer_bytes", Access::rw,
       [](Device& d) { return std::to_string(d.core_.settings.rx_bytes); },
       [](Device& d, Text value) { return status_of(parse_ring(value, d.core_.settings.rx_bytes)); }},
      {"session.tx_buffer_bytes", Access::rw,
       [](Device& d) { return std::to_string(d.core_.settings.tx_bytes); },
       [](Device& d, Text value) { return status_of(parse_ring(value, d.core_.settings.tx_bytes)); }},
      {"sessions.open", Access::ro, [](Device& d) { return std::to_string(d.sessions_.size()); }, nullptr},
      {"clients.open", Access::ro, [](Device& d) { return std::to_string(d.clients_.size()); }, nullptr},
      {"counters.accepted", Access::ro, counter<&DeviceCounters::accepted>, nullptr},
      {"counters.connected", Access::ro, counter<&DeviceCounters::connected>, nullptr},
      {"counters.failed", Access::ro, counter<&DeviceCounters::failed>, nullptr},
      {"counters.aborted", Access::ro, counter<&DeviceCounters::aborted>, nullptr},
      {"counters.reset", Access::ro, counter<&DeviceCounters::reset>, nullptr},
      {"counters.closed", Access::ro, counter<&DeviceCounters::closed>, nullptr},
      {"counters.rx_bytes", Access::ro, counter<&DeviceCounters::rx_bytes>, nullptr},
      {"counters.tx_bytes", Access::ro, counter<&DeviceCounters::tx_bytes>, nullptr},
      {"counters.hostile", Access::ro, counter<&DeviceCounters::hostile>, nullptr},
      {"counters.doorbells", Access::ro, counter<&DeviceCounters::doorbells>, nullptr},
      {"counters.link_requests", Access::ro, counter<&DeviceCounters::link_requests>, nullptr},
      {"counters.messages", Access::ro, counter<&DeviceCounters::messages>, nullptr},
      {"counters.wakeups", Access::ro, counter<&DeviceCounters::wakeups>, nullptr},
  };
  return kFields;
}

const Device::Field* Device::find_field(const std::string& name) {
  for (const Field& field : fields())
    if (name == field.name) return &field;
  return nullptr;
}

std::string Device::list_fields() {
  std::string list;
  for (const Field& field : fields())
    list.append(field.name).append(" ").append(name_of(field.access)).append("\n");
  return list;
}

Status Device::get_config(const std::string& name, std::string& value) {
  const Field* field = find_field(name);
  if (!field) return MANGO_STATUS_NOT_FOUND;
  if (!field->get) return MANGO_STATUS_NOT_PERMITTED;
  value = field->get(*this);
  return MANGO_STATUS_OK;
}

// Without a namespace of its own a device's address is the host's, which clients have no business with.
Status Device::set_config(const std::string& name, const std::string& value, bool by_owner) {
  const Field* field = find_field(name);
  if (!field) return MANGO_STATUS_NOT_FOUND;
  if (field->access == Access::address && !by_owner && options_.netns.empty())
    return MANGO_STATUS_NOT_PERMITTED;
  return field->set ? field->set(*this, value) : MANGO_STATUS_NOT_PERMITTED;
}

// The answer goes out first; sessions end in the device's next turn.
Status Device::ask_reset(const std::string& how) {
  if (how != "all" && how != "preserved") return MANGO_STATUS_INVALID_ARGUMENT;
  resetting_ = true;
  forget_address_ |= how == "all";
  return MANGO_STATUS_OK;
}

}  // namespace mango::device
