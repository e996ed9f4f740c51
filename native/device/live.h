// SPDX-License-Identifier: Apache-2.0
// What is alive on the client's side of this process: sessions, so that a normal exit can end them orderly;
// links and clients, so that a forked child drops what it may not share with its parent. Touched when
// something is made or destroyed, never on the data path.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

namespace mango::device {

class Client;
class ClientLink;
class Session;

template <class T>
struct Live {
  T* live_previous = nullptr;
  T* live_next = nullptr;
};

void live_add(Session& session) noexcept;
void live_remove(Session& session) noexcept;
void live_add(ClientLink& link) noexcept;
void live_remove(ClientLink& link) noexcept;
void live_add(Client& client) noexcept;
void live_remove(Client& client) noexcept;

// Guards the lists, and what is too seldom used to have a lock of its own. Held across fork() by the forking
// thread, so that a child finds the lists whole. A leaf: whoever holds it waits for nothing.
std::mutex& live_mutex() noexcept;

// How many forks lie between this process and the one that first used a device.
extern std::atomic<uint32_t> fork_generation;

}  // namespace mango::device
