// SPDX-License-Identifier: Apache-2.0
// What an engine can say of the device below it, and its reset. Most calls are round trips to another
// process, so they are for a thread that may wait: never a worker's, never Node's.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "net/engine.h"

namespace mango::net {

enum class DeviceState : uint8_t {
  ready,
  resetting,  // it says so itself; nothing can be opened yet
  gone,       // its process does not answer
};

// One thread at a time.
class Device {
 public:
  explicit Device(Engine& engine) noexcept : engine_(engine) {}

  // Asks. An engine within this process is always there.
  [[nodiscard]] DeviceState state() noexcept;
  // Starts a reset or goes on with it: IN_PROGRESS until it is over. NOT_SUPPORTED where the engine's library
  // cannot.
  [[nodiscard]] mango_status_e reset(bool preserve) noexcept;
  // Version, addresses, and all the device tells of itself, as name and value. Nothing that is not known.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> facts();

 private:
  [[nodiscard]] mango_status_e read(const char* field, std::string& value) noexcept;
  void add_addresses(std::vector<std::pair<std::string, std::string>>& facts) noexcept;

  Engine& engine_;
};

}  // namespace mango::net
