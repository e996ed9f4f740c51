// SPDX-License-Identifier: Apache-2.0
// iceoryx's runtime in this process, and the daemon it needs (RouDi). The library ends the process when the
// daemon is not there; we look first, and say so instead. Nothing guards against a daemon that goes away at
// that moment.
//
// fork(): a runtime has a thread and a registration of its process, so a child's copy is dead. The library
// keeps one runtime for good and would, when the child exits, wait for the thread that is not there; ours
// makes another for the child when it first asks, and leaves the parent's alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "iceoryx_posh/capro/service_description.hpp"
#include "ipc/transport.h"

namespace mango::ipc {

// This process has a runtime now, or `failure` says why not. Thread-safe.
[[nodiscard]] bool ensure_runtime(Failure& failure);

// Which process's runtime ports belong to.
[[nodiscard]] bool runtime_is_of_this_process() noexcept;

[[nodiscard]] iox::capro::ServiceDescription service_of(const std::string& name);

// A payload: the message's length in the machine's order, then the message.
constexpr uint32_t kLengthBytes = sizeof(uint32_t);
constexpr uint32_t kPayloadAlignment = alignof(uint32_t);
[[nodiscard]] uint32_t payload_bytes(std::string_view message) noexcept;
void write_payload(void* payload, std::string_view message) noexcept;
// A copy, so that the other side cannot change it while it is read. False when the length is a lie.
[[nodiscard]] bool read_payload(const void* payload, std::string& message);

}  // namespace mango::ipc
