// SPDX-License-Identifier: Apache-2.0
// What `mango-toed status` prints: all fields of a device, as a table for people or as JSON for programs.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "toed/client.h"

namespace mango::toed {

// One device's readable fields. The order of the list is the device's.
struct DeviceStatus {
  int index = 0;
  std::vector<std::string> order;
  std::map<std::string, std::string> fields;
};

// NOT_FOUND: there is no such device.
[[nodiscard]] mango_status_e read_status(Client& client, int index, DeviceStatus& out);

[[nodiscard]] std::string status_table(const std::vector<DeviceStatus>& devices);
[[nodiscard]] std::string status_json(const std::vector<DeviceStatus>& devices, const std::string& ipc);

}  // namespace mango::toed
