// SPDX-License-Identifier: Apache-2.0
#include "toed/questions.h"

#include <chrono>
#include <cstdio>
#include <thread>

#include "toed/client.h"
#include "toed/status.h"

namespace mango::toed {

namespace {

using std::string;

constexpr auto kResetPatience = std::chrono::seconds(10);
constexpr auto kResetPause = std::chrono::milliseconds(10);

void print(const string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

// Visits the device asked for, or all there are. `visit` answers NOT_FOUND where there is none.
template <class Visit>
Outcome for_each_device(Client& client, const Arguments& arguments, const string& what, Visit visit) {
  const int first = arguments.device.value_or(0);
  const int last = arguments.device.value_or(kMaxDevices - 1);
  for (int index = first; index <= last; ++index) {
    if (auto failure = client.select(index)) return failure;
    const mango_status_e status = visit(index);
    if (status == MANGO_STATUS_NOT_FOUND && index > first) break;
    if (status != MANGO_STATUS_OK) return client.explain(what, status);
  }
  return std::nullopt;
}

Outcome show_status(Client& client, const Arguments& arguments) {
  std::vector<DeviceStatus> devices;
  const auto visit = [&](int index) {
    DeviceStatus device;
    const auto status = read_status(client, index, device);
    if (status == MANGO_STATUS_OK) devices.push_back(std::move(device));
    return status;
  };
  if (auto failure = for_each_device(client, arguments, "status", visit)) return failure;
  print(arguments.json ? status_json(devices, arguments.ipc[0]) : status_table(devices));
  return std::nullopt;
}

Outcome check_health(Client& client, const Arguments& arguments) {
  int devices = 0;
  Outcome unready;
  const auto visit = [&](int index) {
    string state;
    const auto status = client.get("device.state", state);
    if (status != MANGO_STATUS_OK) return status;
    ++devices;
    if (state != "ready" && !unready)
      unready = Failure{ExitCode::failed, "device " + std::to_string(index) + " is " + state};
    return status;
  };
  if (auto failure = for_each_device(client, arguments, "health", visit)) return failure;
  if (unready) return unready;
  print("ready, " + std::to_string(devices) + (devices == 1 ? " device\n" : " devices\n"));
  return std::nullopt;
}

Outcome get_fields(Client& client, const Arguments& arguments) {
  for (const string& field : arguments.words) {
    string value;
    const auto status = client.get(field, value);
    if (status != MANGO_STATUS_OK) return client.explain("get " + field, status);
    print(value + (value.ends_with('\n') ? "" : "\n"));
  }
  return std::nullopt;
}

Outcome set_field(Client& client, const Arguments& arguments) {
  const auto status = client.set(arguments.words[0], arguments.words[1]);
  if (status == MANGO_STATUS_OK) return std::nullopt;
  return client.explain("set " + arguments.words[0], status);
}

// A reset is asked for, and over when the device says so.
Outcome reset_device(Client& client, const Arguments& arguments) {
  auto status = client.set("device.reset", arguments.preserve ? "preserved" : "all");
  if (status != MANGO_STATUS_OK && status != MANGO_STATUS_IN_PROGRESS) return client.explain("reset", status);
  const auto end = std::chrono::steady_clock::now() + kResetPatience;
  for (string state;;) {
    status = client.get("device.state", state);
    if (status != MANGO_STATUS_OK) return client.explain("reset", status);
    if (state == "ready") return std::nullopt;
    if (std::chrono::steady_clock::now() > end)
      return Failure{ExitCode::failed,
                     "the device is still " + state + "; `mango-toed status` tells when it is ready"};
    std::this_thread::sleep_for(kResetPause);
  }
}

Outcome ask_one(Client& client, const Arguments& arguments) {
  if (auto failure = client.select(arguments.device.value_or(0))) return failure;
  if (arguments.command == Command::get) return get_fields(client, arguments);
  if (arguments.command == Command::set) return set_field(client, arguments);
  return reset_device(client, arguments);
}

}  // namespace

Outcome ask(const Arguments& arguments) {
  Client client(arguments.ipc[0]);
  Outcome outcome = client.open();
  if (!outcome) {
    if (arguments.command == Command::status) return show_status(client, arguments);
    if (arguments.command != Command::health) return ask_one(client, arguments);
    outcome = check_health(client, arguments);
  }
  // Probes know two answers.
  if (outcome && arguments.command == Command::health) outcome->code = ExitCode::failed;
  return outcome;
}

}  // namespace mango::toed
