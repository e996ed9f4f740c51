// SPDX-License-Identifier: Apache-2.0
#include "shim/device_engine.h"

#include <sys/un.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>

#include "device/link.h"
#include "mango/counters.h"
#include "shim/log.h"
#include "shim/real.h"
#include "shim/table.h"

namespace mango::shim {
namespace {

constexpr size_t kNameBytes = sizeof(sockaddr_un::sun_path);

// The abstract name of the device's end of a session's pair; empty when `fd` is no session of the device.
std::string_view session_name(int fd, uint32_t device, char (&room)[kNameBytes]) noexcept {
  sockaddr_un peer{};
  socklen_t length = sizeof(peer);
  if (real().getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) != 0 ||
      peer.sun_family != AF_UNIX) {
    return {};
  }
  if (length <= offsetof(sockaddr_un, sun_path) + 1 || peer.sun_path[0] != 0) return {};
  const size_t size = length - offsetof(sockaddr_un, sun_path) - 1;
  memcpy(room, peer.sun_path + 1, size);
  const std::string_view name(room, size);
  if (!name.starts_with(device::kSessionNamePrefix)) return {};
  // PID.DEVICE.ID
  const size_t first = name.find('.', strlen(device::kSessionNamePrefix));
  const bool ours = first != name.npos && strtoul(room + first + 1, nullptr, 10) == device;
  return ours ? name : std::string_view();
}

}  // namespace

int fail_call() noexcept {
  if (errno == device::kDeviceReset || errno == device::kIpcUnavailable) errno = ENETDOWN;
  return -1;
}

ssize_t fail_data() noexcept {
  if (errno == device::kDeviceReset) errno = ECONNRESET;
  return fail_call();
}

Engine& device_engine(const char* ipc, const char* device) noexcept {
  static auto* made = new DeviceEngine(ipc, device);  // never destroyed: threads may outlive main
  return *made;
}

DeviceEngine::DeviceEngine(const char* ipc, const char* device) noexcept
    : ipc_(ipc), device_(static_cast<uint32_t>(strtoul(device, nullptr, 10))) {}

// A device that does not answer is asked again by the next call: it may have been started meanwhile.
device::Client* DeviceEngine::client() noexcept {
  if (device::Client* made = client_.load(std::memory_order_acquire)) return made;
  const std::lock_guard lock(lock_);
  if (device::Client* made = client_.load(std::memory_order_acquire)) return made;
  ipc::Failure failure;
  if (!control_) control_ = ipc::open_client(ipc_, failure);
  std::unique_ptr<device::Client> made = control_ ? device::Client::make(*control_, device_) : nullptr;
  if (made) failure.status = made->connect();
  if (made && failure.status == MANGO_STATUS_OK) {
    log_line("device %u at %s answers", device_, ipc_.c_str());
    client_.store(made.get(), std::memory_order_release);
    return made.release();
  }
  if (!complained_.exchange(true)) {
    const char* why =
        failure.message.empty() ? mango_status_message(failure.status) : failure.message.c_str();
    complain("device %u at %s: %s", device_, ipc_.c_str(), why);
  }
  errno = ENETDOWN;
  return nullptr;
}

device::Session* DeviceEngine::session_of(Offloaded& offloaded, int fd) noexcept {
  if (device::Session* known = offloaded.session.load(std::memory_order_acquire)) return known;
  const Bypass bypass;
  device::Client* device = client();
  if (!device) return nullptr;
  const std::lock_guard lock(lock_);
  if (device::Session* known = offloaded.session.load(std::memory_order_acquire)) return known;
  device::Session* made = device->attach(fd);
  if (!made) {
    (void)fail_call();
    return nullptr;
  }
  offloaded.session.store(made, std::memory_order_release);
  return made;
}

// The number was closed behind our back, and is another descriptor's by now.
void DeviceEngine::forget_stale(int fd) noexcept {
  Offloaded* stale = table_take(fd);
  if (!stale) return;
  device::Session* session = stale->session.load(std::memory_order_acquire);
  if (session && session->fd() == fd) (void)session->release_fd();
  after_overwrite(*stale, fd, true);
}

int DeviceEngine::enter(device::Session* session, bool nonblocking) noexcept {
  const int fd = session->fd();
  forget_stale(fd);
  Offloaded* made = offloaded_make();
  if (made) {
    made->session.store(session, std::memory_order_relaxed);
    made->nonblocking.store(nonblocking, std::memory_order_relaxed);
    if (table_put(fd, made)) return fd;
    offloaded_leave(*made);
  } else {
    delete session;
  }
  errno = ENOMEM;
  return -1;
}

void DeviceEngine::adopt(int fd) noexcept {
  const Bypass bypass;
  char room[kNameBytes];
  const std::string_view name = session_name(fd, device_, room);
  forget_stale(fd);
  if (name.empty()) return;
  for (int other = 0; other < table_end(); ++other) {
    char other_room[kNameBytes];
    if (!table_has(other) || session_name(other, device_, other_room) != name) continue;
    table_add_name(other, fd);
    return;
  }
  Offloaded* made = offloaded_make();
  if (!made) return;
  made->inherited.store(true, std::memory_order_relaxed);
  made->nonblocking.store((real().fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, std::memory_order_relaxed);
  if (!table_put(fd, made)) offloaded_leave(*made);
}

int DeviceEngine::open(int family, int type) {
  const Bypass bypass;
  device::Client* device = client();
  device::Session* made = device ? device->open(family, type & SOCK_CLOEXEC) : nullptr;
  if (!made) return fail_call();
  kernel::count(kernel::Counter::kOpened);
  const bool nonblocking = (type & SOCK_NONBLOCK) != 0;
  if (nonblocking) made->set_nonblocking(true);
  return enter(made, nonblocking);
}

void DeviceEngine::move_away(Offloaded& offloaded, device::Session& session, int fd) noexcept {
  const std::lock_guard no_receiver(offloaded.receiving);
  const std::lock_guard no_sender(offloaded.sending);
  if (session.fd() != fd) return;
  int to = table_other_name(offloaded, fd);
  if (to < 0) to = real().fcntl(fd, F_DUPFD_CLOEXEC, 0);
  to >= 0 ? session.move_to_fd(to) : static_cast<void>(session.release_fd());
}

// An inherited session that this program never used is only let go: whoever handed it on has it still.
int DeviceEngine::close(Offloaded& offloaded, int fd) noexcept {
  device::Session* session = offloaded.session.load(std::memory_order_acquire);
  const bool last_name = offloaded.descriptors.fetch_sub(1, std::memory_order_acq_rel) == 1;
  const bool in_use = !last_name || offloaded.users.load(std::memory_order_acquire) > 1;
  int result = 0;
  if (session && in_use) move_away(offloaded, *session, fd);
  if (!session || in_use) result = real().close(fd);
  const int error = errno;
  offloaded_leave(offloaded);  // without other users this ends the session, and its descriptor with it
  errno = error;
  return result;
}

void DeviceEngine::before_overwrite(Offloaded& offloaded, int fd) noexcept {
  if (device::Session* session = offloaded.session.load(std::memory_order_acquire)) {
    move_away(offloaded, *session, fd);
  }
}

void DeviceEngine::after_overwrite(Offloaded& offloaded, int fd, bool overwritten) noexcept {
  device::Session* session = offloaded.session.load(std::memory_order_acquire);
  if (overwritten) {
    offloaded.descriptors.fetch_sub(1, std::memory_order_acq_rel);
    offloaded_leave(offloaded);
  } else if (session) {
    const std::lock_guard no_receiver(offloaded.receiving);
    const std::lock_guard no_sender(offloaded.sending);
    const int moved = session->fd();
    session->move_to_fd(fd);
    if (moved != fd && !table_has(moved)) real().close(moved);
  }
}

void DeviceEngine::finish(Offloaded& offloaded) noexcept {
  delete offloaded.session.exchange(nullptr, std::memory_order_acq_rel);
}

void DeviceEngine::forked() noexcept {
  lock_.abandon();
}

void DeviceEngine::process_exits() noexcept {
  if (client_.load(std::memory_order_acquire)) device::mark_all_orderly();
}

}  // namespace mango::shim
