// SPDX-License-Identifier: Apache-2.0
#include "shim/offloaded.h"

#include <mutex>
#include <new>

#include "shim/engine.h"
#include "shim/real.h"

namespace mango::shim {
namespace {

constexpr size_t kBlockObjects = 64;

struct Block {
  Offloaded objects[kBlockObjects];
  Block* next = nullptr;
};

constinit Lock pool_lock;
constinit Offloaded* free_objects = nullptr;
constinit Block* blocks = nullptr;

bool grow() noexcept {
  auto* block = new (std::nothrow) Block;
  if (!block) return false;
  block->next = blocks;
  blocks = block;
  for (Offloaded& object : block->objects) {
    object.next_free = free_objects;
    free_objects = &object;
  }
  return true;
}

Offloaded* take_free() noexcept {
  const std::lock_guard lock(pool_lock);
  if (!free_objects && !grow()) return nullptr;
  Offloaded* object = free_objects;
  free_objects = object->next_free;
  return object;
}

void give_back(Offloaded& object) noexcept {
  const std::lock_guard lock(pool_lock);
  object.next_free = free_objects;
  free_objects = &object;
}

}  // namespace

Offloaded* offloaded_make() noexcept {
  const Bypass bypass;
  Offloaded* made = take_free();
  if (!made) return nullptr;
  made->nonblocking.store(false, std::memory_order_relaxed);
  made->send_timeout_ms.store(-1, std::memory_order_relaxed);
  made->socket = nullptr;
  made->session.store(nullptr, std::memory_order_relaxed);
  made->inherited.store(false, std::memory_order_relaxed);
  made->descriptors.store(1, std::memory_order_relaxed);
  made->users.store(1, std::memory_order_release);
  return made;
}

bool offloaded_use(Offloaded& offloaded) noexcept {
  uint32_t users = offloaded.users.load(std::memory_order_relaxed);
  while (users != 0) {
    if (offloaded.users.compare_exchange_weak(users, users + 1, std::memory_order_acq_rel)) return true;
  }
  return false;
}

void offloaded_leave(Offloaded& offloaded) noexcept {
  if (offloaded.users.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  const Bypass bypass;
  engine().finish(offloaded);
  give_back(offloaded);
}

void offloaded_before_fork() noexcept {
  pool_lock.lock();
}

void offloaded_after_fork(bool in_child) noexcept {
  for (Block* block = in_child ? blocks : nullptr; block; block = block->next) {
    for (Offloaded& object : block->objects) {
      object.receiving.abandon();
      object.sending.abandon();
    }
  }
  in_child ? pool_lock.abandon() : pool_lock.unlock();
}

}  // namespace mango::shim
