// SPDX-License-Identifier: Apache-2.0
// The access log: workers put lines into bounded rings of their own, one thread writes them to the file. A
// worker never waits: when its ring is full (a slow or full disk) the line is dropped and counted.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "net/calls.h"

namespace mango::proxy {

// A ring of bytes between one writer and one reader.
class ByteRing {
 public:
  explicit ByteRing(size_t bytes) : memory_(new char[bytes]), bytes_(bytes) {}
  // All or nothing.
  [[nodiscard]] bool put(std::string_view text) noexcept;
  // The longest run that can be read at once; drop() what was used.
  [[nodiscard]] std::string_view front() const noexcept;
  void drop(size_t count) noexcept {
    tail_.store(tail_.load(std::memory_order_relaxed) + count, std::memory_order_release);
  }

 private:
  std::unique_ptr<char[]> memory_;
  const size_t bytes_;
  std::atomic<size_t> head_{0};  // bytes ever put
  std::atomic<size_t> tail_{0};  // bytes ever read
};

class AccessLog {
 public:
  // `path`: "" keeps no log, "-" is standard output. Null with a sentence in `error` if the file cannot be
  // opened.
  [[nodiscard]] static std::unique_ptr<AccessLog> open(const std::string& path, size_t workers,
                                                       std::string& error);
  ~AccessLog();

  [[nodiscard]] bool enabled() const noexcept { return !path_.empty(); }
  // From the worker's own thread only. `line` ends with a newline.
  void put(size_t worker, std::string_view line) noexcept;
  // Tells the writer that there is something; once a turn is enough.
  void wake() noexcept;
  // Opens the path anew, for log rotation. Any thread.
  void reopen() noexcept;

  [[nodiscard]] uint64_t written() const noexcept { return written_.load(std::memory_order_relaxed); }
  [[nodiscard]] uint64_t dropped() const noexcept;

 private:
  static constexpr size_t kRingBytes = 1 << 20;
  AccessLog() = default;
  void run();
  void write_all();
  bool write_out(ByteRing& ring);
  [[nodiscard]] bool wait_for_room() const noexcept;
  void open_again();

  std::string path_;
  int file_ = -1;
  bool regular_ = true;  // a file on a disk, which never blocks for long; a pipe or terminal may, for ever
  int wake_ = -1;
  std::vector<std::unique_ptr<ByteRing>> rings_;
  std::vector<std::unique_ptr<net::OwnCounter>> worker_drops_;
  std::atomic<uint64_t> written_{0};
  std::atomic<uint64_t> write_drops_{0};
  std::atomic<bool> reopen_{false};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace mango::proxy
