// SPDX-License-Identifier: Apache-2.0
// A channel to another process's devices.
#include <atomic>

#include "device/client.h"
#include "mango/ipc.h"

namespace mango::kernel {

namespace {

constexpr int kOpenTimeoutMs = 2000;
constexpr int kCallTimeoutMs = 5000;

class IpcClient final : public IpcChannel {
 public:
  IpcClient(std::string path, std::unique_ptr<ipc::ControlClient> control)
      : path_(std::move(path)), control_(std::move(control)) {}

  [[nodiscard]] const std::string& path() const noexcept override { return path_; }
  [[nodiscard]] ipc::ControlClient* control() noexcept override { return control_.get(); }
  [[nodiscard]] uint32_t index() const noexcept override { return index_.load(std::memory_order_relaxed); }

  // Tcp handles that run on the channel keep the index they began with.
  [[nodiscard]] mango_status_e set_index(uint32_t index) override {
    index_.store(index, std::memory_order_relaxed);
    return MANGO_STATUS_OK;
  }
  [[nodiscard]] mango_status_e get_config(const std::string& field, std::string& value) override;
  [[nodiscard]] mango_status_e set_config(const std::string& field, const std::string& value) override;

 private:
  const std::string path_;
  const std::unique_ptr<ipc::ControlClient> control_;
  std::atomic<uint32_t> index_{0};
};

mango_status_e IpcClient::get_config(const std::string& field, std::string& value) {
  ipc::Request request;
  request.type = MANGO_IPC_MSG_GET_CONFIG;
  request.device = index();
  request.field = field;
  ipc::Response response;
  const mango_status_e status = control_->call(request, response, kCallTimeoutMs);
  if (status != MANGO_STATUS_OK) return status;
  if (response.status == MANGO_STATUS_OK) value = std::move(response.value);
  return response.status;
}

// Who changes a device shows that it is on the device's machine: with the token of the link, fetched for
// this.
mango_status_e IpcClient::set_config(const std::string& field, const std::string& value) {
  ipc::Request request;
  request.type = MANGO_IPC_MSG_SET_CONFIG;
  request.device = index();
  request.field = field;
  request.value = value;
  if (ipc::encode(request).size() + ipc::kMaxClientBytes + 2 > ipc::kMaxMessageBytes) {
    return MANGO_STATUS_INVALID_ARGUMENT;
  }
  const std::unique_ptr<device::Client> client = device::Client::make(*control_, index());
  if (!client) return MANGO_STATUS_NO_MEMORY;
  mango_status_e status = client->connect();
  if (status != MANGO_STATUS_OK) return status;
  ipc::Response response;
  status = client->call(std::move(request), response);
  return status != MANGO_STATUS_OK ? status : response.status;
}

}  // namespace

std::unique_ptr<IpcChannel> make_ipc_client(const char* path, ipc::Failure& failure) {
  std::unique_ptr<ipc::ControlClient> control = ipc::open_client(path, failure);
  if (!control) return nullptr;
  ipc::Response response;  // its status is the device's affair: the process is there
  const mango_status_e status = control->call(ipc::Request{}, response, kOpenTimeoutMs);
  if (status == MANGO_STATUS_OK) return std::make_unique<IpcClient>(path, std::move(control));
  failure = {status, "no device's process answers at " + std::string(path)};
  return nullptr;
}

}  // namespace mango::kernel
