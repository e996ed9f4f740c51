// SPDX-License-Identifier: Apache-2.0
#include "shim/run_device.h"

#include <cstdlib>

#include "ipc/transport.h"
#include "libmango.h"

namespace mango::shim {
namespace {

constexpr int kPatienceMs = 3000;

}  // namespace

bool device_answers(const std::string& ipc, const std::string& device, std::string& sentence) {
  ipc::Failure failure;
  const std::unique_ptr<ipc::ControlClient> control = ipc::open_client(ipc, failure);
  ipc::Response response;
  if (control) {
    ipc::Request request;
    request.device = static_cast<uint32_t>(strtoul(device.c_str(), nullptr, 10));
    failure.status = control->call(request, response, kPatienceMs);
    if (failure.status == MANGO_STATUS_OK) failure.status = response.status;
  }
  if (failure.status == MANGO_STATUS_OK) return true;
  const std::string why = failure.message.empty() ? mango_status_message(failure.status) : failure.message;
  sentence = "device " + device + " at " + ipc + ": " + why;
  return false;
}

}  // namespace mango::shim
