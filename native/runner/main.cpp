// SPDX-License-Identifier: Apache-2.0
// The data plane without Node, for sanitizers and profilers: runs a snapshot, takes commands on standard
// input.
//
//   dataplane-runner SNAPSHOT.json [--workers N] [--library PATH] [--ipc ADDRESS] [--access-log PATH]
//
// Prints one JSON line {"listeners": [...]} when it listens. Commands: "reload FILE" applies another snapshot
// and prints its line (or {"error": ...}), "counters" prints the counters, "device" what is known of the
// device, "reset" resets it, "stop" or the end of input drains and exits 0.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>

#include "proxy/data_plane.h"

namespace {

using mango::proxy::DataPlane;
using mango::proxy::DataPlaneError;

bool read_file(const std::string& path, std::string& text) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  text = content.str();
  return file.good() || file.eof();
}

bool apply_file(DataPlane& plane, const std::string& path) {
  std::string snapshot;
  std::string answer;
  DataPlaneError error;
  const bool applied = read_file(path, snapshot) && plane.apply(snapshot, answer, error);
  if (applied)
    std::cout << answer << std::endl;
  else
    std::cout << R"({"error": ")" << error.code << ": " << error.message << "\"}" << std::endl;
  return applied;
}

// Until the sessions are gone, or too long.
void drain(DataPlane& plane) {
  constexpr int kPollMs = 20;
  constexpr int kLongestMs = 10'000;
  plane.drain();
  for (int waited_ms = 0; waited_ms < kLongestMs; waited_ms += kPollMs) {
    if (plane.counters().find(R"("sessions":{"active":0,)") != std::string::npos) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(kPollMs));
  }
  plane.stop();
}

void reset(DataPlane& plane) {
  plane.reset_device(false, [](const DataPlaneError& error) {
    if (*error.code == 0)
      std::cout << R"({"reset": true})" << std::endl;
    else
      std::cout << R"({"error": ")" << error.code << ": " << error.message << "\"}" << std::endl;
  });
}

int run(const std::string& path, mango::proxy::DataPlaneOptions options) {
  DataPlaneError error;
  options.wake = [] {};
  const auto plane = DataPlane::create(std::move(options), error);
  if (!plane) {
    std::cerr << error.code << ": " << error.message << std::endl;
    return 1;
  }
  if (!apply_file(*plane, path)) return 1;
  std::string line;
  while (std::getline(std::cin, line) && line != "stop") {
    if (line.starts_with("reload ")) (void)apply_file(*plane, line.substr(7));
    if (line == "counters") std::cout << plane->counters() << std::endl;
    if (line == "device") std::cout << plane->device() << std::endl;
    if (line == "reset") reset(*plane);
  }
  drain(*plane);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(
        stderr,
        "usage: dataplane-runner SNAPSHOT.json [--workers N] [--library PATH] [--ipc ADDRESS] [--access-log "
        "PATH]\n");
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  mango::proxy::DataPlaneOptions options{.workers = 2};
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--workers") options.workers = std::strtoul(argv[i + 1], nullptr, 10);
    if (name == "--library") options.engine.library = argv[i + 1];
    if (name == "--ipc") options.engine.ipc_address = argv[i + 1];
    if (name == "--access-log") options.access_log_path = argv[i + 1];
  }
  return run(argv[1], std::move(options));
}
