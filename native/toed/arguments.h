// SPDX-License-Identifier: Apache-2.0
// The command line of mango-toed, as plain values. Everything that can be judged without asking the system is
// judged here, so that a typing error costs no half-made namespace.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "toed/failure.h"

namespace mango::toed {

constexpr char kDefaultIpc[] = "localhost:32847";  // the reference's port
constexpr int kMaxDevices = 64;

enum class Command { run, status, get, set, reset, health, version, help };
enum class LogFormat { text, json };

// A namespace to be made, with one end of a veth pair in it.
struct VethOptions {
  std::string name;  // of the namespace
  std::string address;
  int prefix = 0;
  std::string gateway;  // empty: the other end gets no address, and there is no default route
};

struct DeviceOptions {
  std::string netns;  // empty: this process's own
  std::optional<VethOptions> veth;
  std::string address;
  int prefix = 0;
  std::string mac;
};

struct Arguments {
  Command command = Command::run;
  std::vector<std::string> ipc;  // never empty

  // run
  std::vector<DeviceOptions> devices;  // never empty
  std::string rx_buffer_bytes;         // decimal numbers; empty: the device's default
  std::string tx_buffer_bytes;
  std::string max_sessions;
  std::string spin_us;
  std::string access;  // empty: the device's default, "owner"
  LogFormat log = LogFormat::text;
  std::string pid_file;

  // the others
  std::optional<int> device;  // nothing: 0, or all of them (status, health)
  bool json = false;
  bool preserve = false;
  std::vector<std::string> words;  // get: the fields; set: the field and its value
};

// argv without the program's name.
[[nodiscard]] Outcome parse_arguments(const std::vector<std::string>& argv, Arguments& out);

// What --help prints, for all commands.
[[nodiscard]] std::string help_text();

}  // namespace mango::toed
