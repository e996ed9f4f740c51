// SPDX-License-Identifier: Apache-2.0
// The reset of a whole tcp handle. On the kernel engine every socket of the handle is hung up from here,
// while other threads may be using them; on the device its own process does that, and the sessions tell.
//
// The reset function runs in the thread that makes the last call, with nothing locked: it may open and
// listen.
#include <sys/socket.h>

#include <cerrno>
#include <new>
#include <thread>

#include "device/client.h"
#include "device/raw_calls.h"
#include "libmango.h"
#include "mango/socket.h"
#include "mango/tcp.h"

namespace mango::kernel {
namespace {

// The system call as such: ThreadSanitizer takes connect() for the making of a descriptor, and every use of
// it in other threads, which is what a reset is about, for a race.
int disconnect(int fd) noexcept {
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  return device::raw::connect(fd, &nobody, sizeof(nobody)) == 0 ? 0 : errno;
}

}  // namespace

// RST first, so that the peer does not take a FIN for the end. The shutdown wakes everybody who is blocked:
// Linux 6.4 to 6.6 refuse to disconnect before that, and several threads in accept() are woken one by one
// only.
void hang_up(int fd, bool session) noexcept {
  constexpr int kTries = 100;
  int error = session ? 0 : disconnect(fd);
  (void)::shutdown(fd, SHUT_RDWR);
  for (int i = 0; error == EBUSY && i < kTries; ++i) {
    std::this_thread::yield();
    error = disconnect(fd);
  }
}

void tcp_run_reset_function(Handle tcp) noexcept {
  Tcp* found = tcp_use(tcp);
  if (!found) return;
  mango_tcp_reset_fn* function = nullptr;
  void* param = nullptr;
  {
    std::lock_guard lock(found->mutex);
    function = found->reset_function;
    param = found->reset_param;
  }
  if (function) function(to_api(tcp), to_api(found->context.load(std::memory_order_acquire)), param);
  tcp_unuse(*found);
}

}  // namespace mango::kernel

using namespace mango::kernel;

namespace {

// A device's sessions are hung up by the device; they are only told here whose doing it was.
void kill_socket(Socket& socket, Handle tcp, bool on_device) noexcept {
  if (socket.tcp.load(std::memory_order_relaxed) != tcp) return;
  while (socket.held.test_and_set(std::memory_order_acquire)) std::this_thread::yield();
  const int fd = socket.descriptor();
  if (fd >= 0 && socket.tcp.load(std::memory_order_relaxed) == tcp) {
    socket.dead.store(true, std::memory_order_relaxed);  // seen by whoever the system calls below wake
    if (!on_device) hang_up(fd, false);
  }
  socket.held.clear(std::memory_order_release);
}

mango_status_e configure(mango::device::Client& device, mango_ipc_msg_e type, const char* field,
                         const char* value, mango::ipc::Response& response) noexcept try {
  mango::ipc::Request request;
  request.type = type;
  request.field = field;
  request.value = value;
  return device.call(std::move(request), response);
} catch (const std::bad_alloc&) {
  return MANGO_STATUS_NO_MEMORY;
}

mango_status_e begin(Tcp& tcp, Handle handle, bool preserved) noexcept {
  mango::device::Client* device = tcp.device.load(std::memory_order_acquire);
  if (device) {
    mango::ipc::Response response;
    const char* how = preserved ? "preserved" : "all";
    const mango_status_e status = configure(*device, MANGO_IPC_MSG_SET_CONFIG, "device.reset", how, response);
    if (status != MANGO_STATUS_OK && status != MANGO_STATUS_IN_PROGRESS) return status;
  }
  sockets().for_each([=](Socket& socket) { kill_socket(socket, handle, device != nullptr); });
  return MANGO_STATUS_OK;
}

mango_status_e check_done(Tcp& tcp) noexcept {
  mango::device::Client* device = tcp.device.load(std::memory_order_acquire);
  if (!device) return MANGO_STATUS_OK;
  mango::ipc::Response response;
  const mango_status_e status = configure(*device, MANGO_IPC_MSG_GET_CONFIG, "device.state", "", response);
  if (status != MANGO_STATUS_OK) return status;
  return response.value == "resetting" ? MANGO_STATUS_IN_PROGRESS : MANGO_STATUS_OK;
}

// Puts back what mango_tcp_set_address() changed on this handle.
mango_status_e restore_addresses(Tcp& tcp) noexcept {
  std::unique_ptr<SavedAddresses> before;
  {
    std::lock_guard lock(tcp.mutex);
    if (!tcp.preserved) before = std::move(tcp.before);
  }
  if (!before) return MANGO_STATUS_OK;
  const Addresses& saved = before->addresses;
  AddressChange change;
  change.ip = saved.ip;
  if (saved.ip.s_addr) change.subnet = saved.subnet;
  change.mac = saved.mac;
  Netlink netlink;
  return write_addresses(netlink, before->interface, change);
}

// What this call has to do, noted so that calls meanwhile answer IN_PROGRESS; kIdle: nothing.
ResetPhase take_step(Tcp& tcp, bool preserved) noexcept {
  std::lock_guard lock(tcp.mutex);
  if (tcp.phase == ResetPhase::kIdle) {
    tcp.preserved = preserved;
    return tcp.phase = ResetPhase::kKilling;
  }
  if (tcp.phase == ResetPhase::kKilled) return tcp.phase = ResetPhase::kFinishing;
  return ResetPhase::kIdle;
}

void set_phase(Tcp& tcp, ResetPhase phase) noexcept {
  std::lock_guard lock(tcp.mutex);
  tcp.phase = phase;
}

mango_status_e step(Tcp& tcp, Handle handle, bool preserved) noexcept {
  const ResetPhase phase = take_step(tcp, preserved);
  if (phase == ResetPhase::kIdle) return MANGO_STATUS_IN_PROGRESS;
  if (phase == ResetPhase::kKilling) {
    const mango_status_e status = begin(tcp, handle, preserved);
    const bool begun = status == MANGO_STATUS_OK;
    set_phase(tcp, begun ? ResetPhase::kKilled : ResetPhase::kIdle);
    return begun ? MANGO_STATUS_IN_PROGRESS : status;
  }
  const mango_status_e done = check_done(tcp);
  if (done == MANGO_STATUS_IN_PROGRESS) {
    set_phase(tcp, ResetPhase::kKilled);
    return done;
  }
  const mango_status_e status = done == MANGO_STATUS_OK ? restore_addresses(tcp) : done;
  if (done == MANGO_STATUS_OK) tcp_run_reset_function(handle);
  set_phase(tcp, ResetPhase::kIdle);
  return status;
}

bool has_engine(const Tcp& tcp) noexcept {
  return tcp.context.load(std::memory_order_acquire) || tcp.device.load(std::memory_order_acquire);
}

}  // namespace

extern "C" {

mango_status_e mango_tcp_reset(mango_tcp_h tcp, bool preserved) {
  Tcp* found = tcp_use(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  const mango_status_e status =
      has_engine(*found) ? step(*found, from_api(tcp), preserved) : MANGO_STATUS_INVALID_ARGUMENT;
  tcp_unuse(*found);
  return status;
}

mango_status_e mango_tcp_register_reset(mango_tcp_h tcp, mango_tcp_reset_fn* reset, void* param) {
  Tcp* found = tcps().find(from_api(tcp));
  if (!found) return MANGO_STATUS_INVALID_HANDLE;
  std::lock_guard lock(found->mutex);
  found->reset_function = reset;
  found->reset_param = param;
  return MANGO_STATUS_OK;
}

}  // extern "C"
