// SPDX-License-Identifier: Apache-2.0
#include "mango/ready_sets.h"

#include <atomic>
#include <mutex>
#include <new>
#include <unordered_map>

#include "device/client.h"
#include "mango/fd_table.h"
#include "mango/socket.h"

namespace mango::kernel {
namespace {

struct Sets {
  std::atomic<size_t> count{0};
  std::mutex mutex;
  std::unordered_map<int, std::shared_ptr<device::ReadySet>> by_epfd;
};

Sets& sets() noexcept {
  static auto* const table = new Sets;  // never destroyed: threads may outlive main
  return *table;
}

}  // namespace

std::shared_ptr<device::ReadySet> ready_set_of(int epfd) noexcept {
  Sets& table = sets();
  if (table.count.load(std::memory_order_acquire) == 0) return nullptr;
  const std::lock_guard lock(table.mutex);
  const auto found = table.by_epfd.find(epfd);
  return found != table.by_epfd.end() ? found->second : nullptr;
}

std::shared_ptr<device::ReadySet> ready_set_for(Tcp& tcp, int epfd, int op, int fd) noexcept {
  auto set = ready_set_of(epfd);
  if (!set || op != EPOLL_CTL_ADD) return set;
  const Socket* socket = sockets().find(fd_table_get(fd));
  if (!socket || !socket->session || !set->foreign(*socket->session) || !set->empty()) return set;
  set.reset();
  ready_set_drop(epfd);
  ready_set_make(tcp, epfd);
  return ready_set_of(epfd);
}

void ready_set_make(Tcp& tcp, int epfd) noexcept {
  if (ready_set_of(epfd)) return;
  auto set = device::ReadySet::make(*tcp.device.load(std::memory_order_acquire), epfd);
  if (!set) return;
  Sets& table = sets();
  const std::lock_guard lock(table.mutex);
  table.by_epfd[epfd] = std::move(set);
  table.count.store(table.by_epfd.size(), std::memory_order_release);
}

void ready_set_drop(int epfd) noexcept {
  std::shared_ptr<device::ReadySet> gone;  // destroyed without the lock
  Sets& table = sets();
  const std::lock_guard lock(table.mutex);
  const auto found = table.by_epfd.find(epfd);
  if (found == table.by_epfd.end()) return;
  gone = std::move(found->second);
  table.by_epfd.erase(found);
  table.count.store(table.by_epfd.size(), std::memory_order_release);
}

}  // namespace mango::kernel
