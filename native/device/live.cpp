// SPDX-License-Identifier: Apache-2.0
#include "device/live.h"

#include <pthread.h>

#include "device/client.h"
#include "device/client_link.h"
#include "device/session.h"

namespace mango::device {

constinit std::atomic<uint32_t> fork_generation{0};

namespace {

constinit std::mutex mutex;
constinit Session* sessions = nullptr;
constinit ClientLink* links = nullptr;
constinit Client* clients = nullptr;

template <class T>
void insert(T*& first, T& object) noexcept {
  const std::lock_guard lock(mutex);
  object.live_previous = nullptr;
  object.live_next = first;
  if (first) first->live_previous = &object;
  first = &object;
}

template <class T>
void erase(T*& first, T& object) noexcept {
  const std::lock_guard lock(mutex);
  (object.live_previous ? object.live_previous->live_next : first) = object.live_next;
  if (object.live_next) object.live_next->live_previous = object.live_previous;
}

void before_fork() noexcept {
  mutex.lock();
}
void after_fork_in_parent() noexcept {
  mutex.unlock();
}

// The child's only thread. Nothing here allocates or waits.
void after_fork_in_child() noexcept {
  fork_generation.fetch_add(1, std::memory_order_relaxed);
  for (ClientLink* link = links; link; link = link->live_next) link->abandon();
  for (Client* client = clients; client; client = client->live_next) client->begin_anew();
  mutex.unlock();
}

}  // namespace

std::mutex& live_mutex() noexcept {
  return mutex;
}

void live_add(Session& session) noexcept {
  insert(sessions, session);
}
void live_remove(Session& session) noexcept {
  erase(sessions, session);
}
void live_add(ClientLink& link) noexcept {
  insert(links, link);
}
void live_remove(ClientLink& link) noexcept {
  erase(links, link);
}

void live_add(Client& client) noexcept {
  static const int watching = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  (void)watching;
  insert(clients, client);
}

void live_remove(Client& client) noexcept {
  erase(clients, client);
}

void mark_all_orderly() noexcept {
  const std::lock_guard lock(mutex);
  for (Session* session = sessions; session; session = session->live_next) session->wish_orderly();
}

}  // namespace mango::device
