// SPDX-License-Identifier: Apache-2.0
#include "mango/ipc.h"

#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

#include "libmango.h"
#include "mango/context.h"
#include "mango/status.h"

namespace mango::kernel {

namespace {

std::string& last_error() noexcept {
  thread_local std::string message;
  return message;
}

// Between a close that sees no users and the end of the handle none may come. Rare operations: one lock for
// all.
std::mutex& lifecycle() noexcept {
  static auto* mutex = new std::mutex;
  return *mutex;
}

// A handle that is used keeps its channel: a close that comes at the same time waits for the calls under way.
class IpcPin {
 public:
  explicit IpcPin(Handle handle) noexcept {
    Ipc* found = ipcs().find(handle);
    if (!found) return;
    found->calls.fetch_add(1, std::memory_order_seq_cst);
    if (ipcs().find(handle)) {
      ipc_ = found;
    } else {
      found->calls.fetch_sub(1, std::memory_order_release);
    }
  }
  ~IpcPin() {
    if (ipc_) ipc_->calls.fetch_sub(1, std::memory_order_release);
  }
  IpcPin(const IpcPin&) = delete;
  IpcPin& operator=(const IpcPin&) = delete;

  [[nodiscard]] Ipc* get() const noexcept { return ipc_; }

 private:
  Ipc* ipc_ = nullptr;
};

// No exception crosses the C boundary.
template <class Call>
mango_status_e guarded(Call call) noexcept {
  try {
    return call();
  } catch (const std::system_error& error) {
    return error.code().value() > 0 ? status_of_errno(error.code().value()) : MANGO_STATUS_NO_MEMORY;
  } catch (const std::exception&) {
    return MANGO_STATUS_NO_MEMORY;
  }
}

template <class Call>
mango_status_e with_channel(mango_ipc_h handle, Call call) noexcept {
  const IpcPin pin(from_api(handle));
  if (!pin.get()) return MANGO_STATUS_INVALID_HANDLE;
  return guarded([&] { return call(*pin.get()->channel); });
}

mango_status_e open_channel(const char* path, bool owner, mango_ipc_h* ipc) {
  ipc::Failure failure;
  std::unique_ptr<IpcChannel> channel =
      owner ? make_ipc_server(path, failure) : make_ipc_client(path, failure);
  if (!channel) {
    ipc_set_error(std::move(failure.message));
    return failure.status;
  }
  Ipc* made = ipcs().allocate();
  if (!made) return MANGO_STATUS_NO_MEMORY;
  made->channel = std::move(channel);
  *ipc = to_api(ipcs().publish(made));
  return MANGO_STATUS_OK;
}

mango_status_e claim_unused(Handle handle, Ipc*& out) noexcept {
  std::lock_guard lock(lifecycle());
  out = ipcs().find(handle);
  if (!out) return MANGO_STATUS_INVALID_HANDLE;
  if (out->users.load(std::memory_order_acquire) != 0) return MANGO_STATUS_BUSY;
  out = ipcs().claim(handle);
  return out ? MANGO_STATUS_OK : MANGO_STATUS_INVALID_HANDLE;
}

}  // namespace

HandleTable<Ipc, HandleType::kIpc>& ipcs() noexcept {
  static auto* table = new HandleTable<Ipc, HandleType::kIpc>;  // never destroyed: threads may outlive main
  return *table;
}

mango_status_e ipc_acquire(Handle ipc, IpcUse& use) noexcept {
  std::lock_guard lock(lifecycle());
  const IpcPin pin(ipc);
  if (!pin.get()) return MANGO_STATUS_INVALID_HANDLE;
  ipc::ControlClient* control = pin.get()->channel->control();
  if (!control) return MANGO_STATUS_INVALID_ARGUMENT;
  pin.get()->users.fetch_add(1, std::memory_order_relaxed);
  use = {control, pin.get()->channel->index()};
  return MANGO_STATUS_OK;
}

void ipc_release(Handle ipc) noexcept {
  Ipc* found = ipcs().find(ipc);
  if (found) found->users.fetch_sub(1, std::memory_order_release);
}

void ipc_set_error(std::string message) noexcept {
  last_error() = std::move(message);
}

}  // namespace mango::kernel

using namespace mango::kernel;

extern "C" {

mango_status_e mango_ipc_open(const char* path, bool owner, mango_ipc_h* ipc) {
  if (!path || !ipc) return MANGO_STATUS_INVALID_ARGUMENT;
  return guarded([&] { return open_channel(path, owner, ipc); });
}

mango_status_e mango_ipc_close(mango_ipc_h ipc) {
  Ipc* found = nullptr;
  const mango_status_e status = claim_unused(from_api(ipc), found);
  if (status != MANGO_STATUS_OK) return status;
  // No new calls can come. Those under way end soon, and who waits for the end of an owner gets it.
  (void)guarded([&] { return found->channel->shutdown(); });
  while (found->calls.load(std::memory_order_acquire) != 0) std::this_thread::yield();
  found->channel.reset();
  ipcs().recycle(found);
  return MANGO_STATUS_OK;
}

mango_status_e mango_ipc_get_server_path(mango_ipc_h ipc, const char** path) {
  return with_channel(ipc, [&](IpcChannel& channel) {
    if (!path) return MANGO_STATUS_INVALID_ARGUMENT;
    *path = channel.path().c_str();
    return MANGO_STATUS_OK;
  });
}

mango_status_e mango_ipc_get_config(mango_ipc_h ipc, const char* field, char** value) {
  return with_channel(ipc, [&](IpcChannel& channel) {
    if (!field || !value || !mango::ipc::is_text(field)) return MANGO_STATUS_INVALID_ARGUMENT;
    std::string read;
    const mango_status_e status = channel.get_config(field, read);
    if (status != MANGO_STATUS_OK) return status;
    char* copy = strdup(read.c_str());
    if (!copy) return MANGO_STATUS_NO_MEMORY;
    *value = copy;
    return MANGO_STATUS_OK;
  });
}

mango_status_e mango_ipc_set_config(mango_ipc_h ipc, const char* field, const char* value) {
  return with_channel(ipc, [&](IpcChannel& channel) {
    const bool valid = field && value && mango::ipc::is_text(field) && mango::ipc::is_text(value);
    return valid ? channel.set_config(field, value) : MANGO_STATUS_INVALID_ARGUMENT;
  });
}

mango_status_e mango_ipc_set_context(mango_ipc_h ipc, mango_context_h ctx) {
  return with_channel(ipc, [&](IpcChannel& channel) { return channel.set_context(from_api(ctx)); });
}

mango_status_e mango_ipc_set_index(mango_ipc_h ipc, int idx) {
  return with_channel(ipc, [&](IpcChannel& channel) {
    return idx < 0 ? MANGO_STATUS_INVALID_ARGUMENT : channel.set_index(static_cast<uint32_t>(idx));
  });
}

mango_status_e mango_ipc_set_tcp(mango_ipc_h ipc, mango_tcp_h tcp) {
  return with_channel(ipc, [&](IpcChannel& channel) { return channel.set_tcp(from_api(tcp)); });
}

mango_status_e mango_ipc_shutdown(mango_ipc_h ipc) {
  return with_channel(ipc, [](IpcChannel& channel) { return channel.shutdown(); });
}

mango_status_e mango_ipc_wait(mango_ipc_h ipc) {
  return with_channel(ipc, [](IpcChannel& channel) { return channel.wait(); });
}

MANGO_API const char* mango_ipc_error(void) {
  return last_error().c_str();
}

}  // extern "C"
