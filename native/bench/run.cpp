// SPDX-License-Identifier: Apache-2.0
#include "bench/run.h"

#include <arpa/inet.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "bench/samples.h"

namespace mango::bench {
namespace {

constexpr int64_t kWarmUpNs = kSecondNs / 2;
constexpr size_t kMostPerSecond =
    500'000;  // operations that are recorded; one of 2 us has no system call in it
constexpr int kLongestSeconds = 600;
constexpr int kExitUsage = 2;

[[noreturn]] void usage(const char* program) {
  std::fprintf(stderr,
               "usage: %s ENGINE ADDRESS:PORT SECONDS\n"
               "  ENGINE   sockets, kernel, or the IPC path of a device (HOST:PORT or iceoryx:NAME)\n",
               program);
  std::exit(kExitUsage);
}

bool parse_peer(const std::string& text, sockaddr_in& peer) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return false;
  const int port = std::atoi(text.c_str() + colon + 1);
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<uint16_t>(port));
  return port > 0 && port <= UINT16_MAX &&
         inet_pton(AF_INET, text.substr(0, colon).c_str(), &peer.sin_addr) == 1;
}

}  // namespace

void die(const char* what, const char* why) {
  std::fprintf(stderr, "%s: %s\n", what, why);
  std::exit(EXIT_FAILURE);
}

std::unique_ptr<Engine> make_engine(const std::string& name) {
  if (name == "sockets") return make_plain_engine();
  return make_library_engine(name == "kernel" ? "" : name);
}

Run parse_run(int argc, char** argv) {
  sockaddr_in peer{};
  if (argc != 4 || !parse_peer(argv[2], peer)) usage(argv[0]);
  const int seconds = std::atoi(argv[3]);
  if (seconds < 1 || seconds > kLongestSeconds) usage(argv[0]);
  return {make_engine(argv[1]), peer, seconds * kSecondNs};
}

void measure(const Run& run, const std::function<void()>& operation) {
  Samples samples(kMostPerSecond * static_cast<size_t>(run.length_ns / kSecondNs));
  size_t warm_up = 0;
  for (const int64_t end = now_ns() + kWarmUpNs; now_ns() < end; ++warm_up) operation();

  const int64_t cpu_before = process_cpu_ns();
  const int64_t start = now_ns();
  const int64_t deadline = start + run.length_ns;
  int64_t before = start;
  while (before < deadline) {
    operation();
    const int64_t after = now_ns();
    if (!samples.record(after - before)) break;
    before = after;
  }
  const double elapsed_s = static_cast<double>(before - start) / static_cast<double>(kSecondNs);
  const double cpu_us = static_cast<double>(process_cpu_ns() - cpu_before) / 1000;

  const auto count = static_cast<double>(samples.count());
  std::printf("{\"operations\": %zu, \"operationsWithWarmUp\": %zu, \"perSecond\": %.1f, ", samples.count(),
              warm_up + samples.count(), count / elapsed_s);
  std::printf("\"p50Us\": %.2f, \"p99Us\": %.2f, \"p999Us\": %.2f, \"cpuUs\": %.3f}\n",
              samples.percentile_us(50), samples.percentile_us(99), samples.percentile_us(99.9),
              cpu_us / count);
}

}  // namespace mango::bench
