// SPDX-License-Identifier: Apache-2.0
#include "toed/client.h"

#include <cstdlib>

namespace mango::toed {

Client::~Client() {
  if (channel_) (void)mango_ipc_close(channel_);
}

Outcome Client::open() {
  const auto status = mango_ipc_open(path_.c_str(), false, &channel_);
  if (status == MANGO_STATUS_OK) return std::nullopt;
  if (status == MANGO_STATUS_INVALID_ARGUMENT)
    return Failure{ExitCode::usage, path_ + " is not an address; --ipc wants HOST:PORT or iceoryx:NAME"};
  if (status == MANGO_STATUS_NOT_SUPPORTED)
    return Failure{ExitCode::missing, "cannot ask " + path_ + ": " + mango_ipc_error()};
  return explain("asking", status);
}

Outcome Client::select(int device) {
  device_ = device;
  const auto status = mango_ipc_set_index(channel_, device);
  if (status == MANGO_STATUS_OK) return std::nullopt;
  return explain("asking", status);
}

mango_status_e Client::get(const std::string& field, std::string& value) {
  char* text = nullptr;
  const auto status = mango_ipc_get_config(channel_, field.c_str(), &text);
  if (status != MANGO_STATUS_OK) return status;
  value = text;
  std::free(text);
  return MANGO_STATUS_OK;
}

mango_status_e Client::set(const std::string& field, const std::string& value) {
  return mango_ipc_set_config(channel_, field.c_str(), value.c_str());
}

Failure Client::explain(const std::string& what, mango_status_e status) {
  const std::string where = "device " + std::to_string(device_) + " of " + path_;
  const ExitCode code = exit_code_of(status);
  // Reading takes the channel alone, changing the device's link as well: if one works and the other does not,
  // the link has turned us away.
  std::string state;
  if (status == MANGO_STATUS_IPC_UNAVAILABLE && channel_ && get("device.state", state) == MANGO_STATUS_OK)
    return {ExitCode::not_permitted,
            what + ": " + where + " does not let this user in; mango-toed's --access says whom it lets in"};
  switch (status) {
    case MANGO_STATUS_IPC_UNAVAILABLE:
      return {code, "no mango-toed answers on " + path_ + ": is it running, and is --ipc its address?"};
    case MANGO_STATUS_NOT_FOUND:
      return {code,
              what + ": " + where +
                  " is not there or has no such field; `mango-toed status` shows devices, `mango-toed get "
                  "device.fields` fields"};
    case MANGO_STATUS_INVALID_ARGUMENT:
      return {code, what + ": " + where + " refuses the value"};
    case MANGO_STATUS_NOT_PERMITTED:
    case MANGO_STATUS_ACCESS_DENIED:
      return {code, what + ": " + where + " does not permit it, or mango-toed itself may not"};
    default:
      return {code, what + " failed on " + where + ": " + mango_status_message(status) + " (" +
                        mango_status_name(status) + ')'};
  }
}

}  // namespace mango::toed
