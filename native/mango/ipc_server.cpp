// SPDX-License-Identifier: Apache-2.0
// A channel this process owns: messages come in through the transport, each goes to the device it names.
#include <cerrno>
#include <charconv>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>

#include "device/server.h"
#include "libmango.h"
#include "mango/context.h"
#include "mango/ipc.h"
#include "mango/status.h"
#include "mango/tcp.h"

namespace mango::kernel {

namespace {

constexpr auto kDeviceTimeout = std::chrono::seconds(5);  // a device answers at once, unless it hangs
constexpr uint32_t kMostDevices = 64;                     // of a channel

// ------------------------------------------------------------------------------- options before set_tcp() --

// A device that has yet to be started is configured by the fields it will have.
struct DeviceOptions {
  device::ServerOptions server;
  bool touched = false;
};

bool read_number(const std::string& text, uint32_t least, uint32_t most, uint32_t& out) noexcept {
  uint32_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end || number < least || number > most) return false;
  out = number;
  return true;
}

bool read_ring_bytes(const std::string& text, uint32_t& out) noexcept {
  uint32_t bytes = 0;
  if (!read_number(text, device::kLeastRingBytes, device::kMostRingBytes, bytes)) return false;
  if ((bytes & (bytes - 1)) != 0) return false;
  out = bytes;
  return true;
}

bool set_text(const std::string& text, std::string& out) {
  if (text.empty()) return false;
  out = text;
  return true;
}

bool set_access(const std::string& text, std::string& out) {
  constexpr std::string_view kGroup = "group:";
  const bool group = text.starts_with(kGroup) && text.size() > kGroup.size();
  return (group || text == "owner" || text == "all") && set_text(text, out);
}

struct OptionField {
  const char* name;
  bool (*set)(device::ServerOptions&, const std::string&);
  std::string (*get)(const device::ServerOptions&);
};

const OptionField kOptionFields[] = {
    {"device.netns", [](device::ServerOptions& o, const std::string& v) { return set_text(v, o.netns); },
     [](const device::ServerOptions& o) { return o.netns; }},
    {"device.link", [](device::ServerOptions& o, const std::string& v) { return set_text(v, o.link_path); },
     [](const device::ServerOptions& o) { return o.link_path; }},
    {"device.access", [](device::ServerOptions& o, const std::string& v) { return set_access(v, o.access); },
     [](const device::ServerOptions& o) { return o.access.empty() ? "owner" : o.access; }},
    {"session.max",
     [](device::ServerOptions& o, const std::string& v) {
       return read_number(v, 1, device::kMaxSessions, o.most_sessions);
     },
     [](const device::ServerOptions& o) { return std::to_string(o.most_sessions); }},
    {"session.rx_buffer_bytes",
     [](device::ServerOptions& o, const std::string& v) { return read_ring_bytes(v, o.rx_ring_bytes); },
     [](const device::ServerOptions& o) { return std::to_string(o.rx_ring_bytes); }},
    {"session.tx_buffer_bytes",
     [](device::ServerOptions& o, const std::string& v) { return read_ring_bytes(v, o.tx_ring_bytes); },
     [](const device::ServerOptions& o) { return std::to_string(o.tx_ring_bytes); }},
};

const OptionField* find_option(const std::string& name) noexcept {
  for (const OptionField& field : kOptionFields) {
    if (name == field.name) return &field;
  }
  return nullptr;
}

std::string option_names() {
  std::string names;
  for (const OptionField& field : kOptionFields) names += std::string(field.name) + " rw\n";
  return names + "device.fields ro\n";
}

// ----------------------------------------------------------------------------------------------- devices --

// A tcp handle that is served. Channels that serve the same one share it; it ends with the last of them.
class Device {
 public:
  Device(Tcp& tcp, uint32_t index) noexcept : tcp_(tcp), index_(index) {}
  ~Device() {
    server_.reset();
    tcp_unuse(tcp_);
  }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  [[nodiscard]] mango_status_e start(device::ServerOptions options) {
    options.index = index_;
    std::string error;
    errno = 0;
    server_ = device::Server::start(options, error);
    if (server_) return MANGO_STATUS_OK;
    const int reason = errno;
    ipc_set_error(std::move(error));
    return reason != 0 ? status_of_errno(reason) : MANGO_STATUS_IO;
  }
  [[nodiscard]] device::Server& server() const noexcept { return *server_; }
  [[nodiscard]] uint32_t index() const noexcept { return index_; }

 private:
  Tcp& tcp_;
  const uint32_t index_;
  std::unique_ptr<device::Server> server_;
};

using DevicePtr = std::shared_ptr<Device>;

// Devices by tcp handle. Entries of those that ended are dropped when somebody looks.
struct Registry {
  std::mutex mutex;
  std::map<Handle, std::weak_ptr<Device>> devices;
};

Registry& registry() {
  static auto* made = new Registry;  // never destroyed: threads may outlive main
  return *made;
}

mango_status_e start_device(Handle handle, uint32_t index, const DeviceOptions& options, DevicePtr& out) {
  Tcp* tcp = tcp_use(handle);
  if (!tcp) return MANGO_STATUS_INVALID_HANDLE;
  auto device = std::make_shared<Device>(*tcp, index);  // gives the tcp handle back from here on
  if (tcp->context.load(std::memory_order_acquire) == kNoHandle) return MANGO_STATUS_INVALID_ARGUMENT;
  device::ServerOptions server = options.server;
  server.on_reset = [handle] { tcp_run_reset_function(handle); };
  const mango_status_e status = device->start(std::move(server));
  if (status == MANGO_STATUS_OK) out = std::move(device);
  return status;
}

// The device of a tcp handle: the one that runs, or a new one.
mango_status_e device_of(Handle tcp, uint32_t index, const DeviceOptions& options, DevicePtr& out) {
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  std::erase_if(all.devices, [](const auto& entry) { return entry.second.expired(); });
  const auto found = all.devices.find(tcp);
  DevicePtr running = found == all.devices.end() ? nullptr : found->second.lock();
  if (running) {
    if (running->index() != index) return MANGO_STATUS_INVALID_ARGUMENT;
    if (options.touched) return MANGO_STATUS_BUSY;  // too late to choose
    out = std::move(running);
    return MANGO_STATUS_OK;
  }
  const mango_status_e status = start_device(tcp, index, options, out);
  if (status == MANGO_STATUS_OK) all.devices[tcp] = out;
  return status;
}

ipc::Response call_device(device::Server& server, const ipc::Request& request) {
  auto answer = std::make_shared<std::promise<ipc::Response>>();
  std::future<ipc::Response> future = answer->get_future();
  server.serve(request, [answer](const ipc::Response& response) { answer->set_value(response); });
  if (future.wait_for(kDeviceTimeout) == std::future_status::ready) return future.get();
  ipc::Response none;
  none.status = MANGO_STATUS_TIMED_OUT;
  return none;
}

// ----------------------------------------------------------------------------------------------- channel --

class IpcServer final : public IpcChannel {
 public:
  ~IpcServer() override;

  [[nodiscard]] bool open(const char* path, ipc::Failure& failure);

  [[nodiscard]] const std::string& path() const noexcept override { return path_; }
  [[nodiscard]] uint32_t index() const noexcept override { return index_; }
  [[nodiscard]] mango_status_e set_index(uint32_t index) override;
  [[nodiscard]] mango_status_e get_config(const std::string& field, std::string& value) override;
  [[nodiscard]] mango_status_e set_config(const std::string& field, const std::string& value) override;
  [[nodiscard]] mango_status_e set_context(Handle context) override;
  [[nodiscard]] mango_status_e set_tcp(Handle tcp) override;
  [[nodiscard]] mango_status_e shutdown() override;
  [[nodiscard]] mango_status_e wait() override;

 private:
  void serve(const ipc::Request& request, const ipc::Answer& answer);
  [[nodiscard]] DevicePtr device(uint32_t index);

  std::string path_;
  uint32_t index_ = 0;
  Handle context_ = kNoHandle;
  std::map<uint32_t, DeviceOptions> options_;  // by index, until the device starts
  std::mutex mutex_;                           // guards what follows
  std::condition_variable changed_;
  bool stopped_ = true;  // until it is open
  std::map<uint32_t, DevicePtr> devices_;
  std::unique_ptr<ipc::ControlServer> transport_;  // null: shutting down
};

bool IpcServer::open(const char* path, ipc::Failure& failure) {
  auto handler = [this](const ipc::Request& request, const ipc::Answer& answer) { serve(request, answer); };
  std::unique_ptr<ipc::ControlServer> made = ipc::open_server(path, handler, failure);
  if (!made) return false;
  path_ = made->path();
  std::lock_guard lock(mutex_);
  transport_ = std::move(made);
  stopped_ = false;
  return true;
}

DevicePtr IpcServer::device(uint32_t index) {
  std::lock_guard lock(mutex_);
  const auto found = devices_.find(index);
  return found == devices_.end() ? nullptr : found->second;
}

// On a thread of the transport. Without a client's token nothing is changed: an empty one is the owner's own.
void IpcServer::serve(const ipc::Request& request, const ipc::Answer& answer) {
  ipc::Response refusal;
  refusal.version = mango_get_version();
  const DevicePtr target = device(request.device);
  const bool reads = request.type == MANGO_IPC_MSG_HEALTH_CHECK || request.type == MANGO_IPC_MSG_GET_CONFIG;
  if (!target) {
    refusal.status = MANGO_STATUS_NOT_FOUND;
  } else if (request.client.empty() && !reads) {
    refusal.status = MANGO_STATUS_ACCESS_DENIED;
  }
  if (refusal.status != MANGO_STATUS_OK) {
    answer(refusal);
    return;
  }
  target->server().serve(request, answer);
}

mango_status_e IpcServer::set_index(uint32_t index) {
  if (index >= kMostDevices) return MANGO_STATUS_INVALID_ARGUMENT;
  index_ = index;
  return MANGO_STATUS_OK;
}

mango_status_e IpcServer::get_config(const std::string& field, std::string& value) {
  if (const DevicePtr running = device(index_)) {
    ipc::Request request;
    request.type = MANGO_IPC_MSG_GET_CONFIG;
    request.device = index_;
    request.field = field;
    ipc::Response response = call_device(running->server(), request);
    if (response.status == MANGO_STATUS_OK) value = std::move(response.value);
    return response.status;
  }
  const OptionField* option = find_option(field);
  if (!option && field != "device.fields") return MANGO_STATUS_NOT_FOUND;
  value = option ? option->get(options_[index_].server) : option_names();
  return MANGO_STATUS_OK;
}

mango_status_e IpcServer::set_config(const std::string& field, const std::string& value) {
  if (const DevicePtr running = device(index_)) {
    ipc::Request request;
    request.type = MANGO_IPC_MSG_SET_CONFIG;
    request.device = index_;
    request.field = field;
    request.value = value;
    return call_device(running->server(), request).status;
  }
  const OptionField* option = find_option(field);
  if (!option) return MANGO_STATUS_NOT_FOUND;
  DeviceOptions& options = options_[index_];
  if (!option->set(options.server, value)) return MANGO_STATUS_INVALID_ARGUMENT;
  options.touched = true;
  return MANGO_STATUS_OK;
}

mango_status_e IpcServer::set_context(Handle handle) {
  Context* context = contexts().find(handle);
  if (!context) return MANGO_STATUS_INVALID_HANDLE;
  if (context_ != kNoHandle) return context_ == handle ? MANGO_STATUS_OK : MANGO_STATUS_BUSY;
  context->users.fetch_add(1, std::memory_order_relaxed);
  context_ = handle;
  return MANGO_STATUS_OK;
}

mango_status_e IpcServer::set_tcp(Handle tcp) {
  if (device(index_)) return MANGO_STATUS_BUSY;
  DevicePtr made;
  const mango_status_e status = device_of(tcp, index_, options_[index_], made);
  if (status != MANGO_STATUS_OK) return status;
  std::lock_guard lock(mutex_);
  devices_[index_] = std::move(made);
  return MANGO_STATUS_OK;
}

mango_status_e IpcServer::shutdown() {
  std::unique_ptr<ipc::ControlServer> ending;
  {
    std::lock_guard lock(mutex_);
    ending = std::move(transport_);
  }
  if (!ending) return wait();  // another thread is at it, or was
  ending.reset();              // without the lock: calls under way need it
  std::lock_guard lock(mutex_);
  stopped_ = true;
  changed_.notify_all();
  return MANGO_STATUS_OK;
}

mango_status_e IpcServer::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopped_; });
  return MANGO_STATUS_OK;
}

IpcServer::~IpcServer() {
  (void)shutdown();
  devices_.clear();
  Context* context = contexts().find(context_);
  if (context) context->users.fetch_sub(1, std::memory_order_release);
}

}  // namespace

std::unique_ptr<IpcChannel> make_ipc_server(const char* path, ipc::Failure& failure) {
  auto channel = std::make_unique<IpcServer>();
  if (!channel->open(path, failure)) return nullptr;
  return channel;
}

}  // namespace mango::kernel
