// SPDX-License-Identifier: Apache-2.0
#include "proxy/access_log.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace mango::proxy {

namespace {

constexpr mode_t kLogMode = 0640;

int open_log(const std::string& path) noexcept {
  if (path == "-") return ::dup(STDOUT_FILENO);
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kLogMode);
}

bool is_regular(int file) noexcept {
  struct stat status {};
  return ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

bool ByteRing::put(std::string_view text) noexcept {
  const size_t head = head_.load(std::memory_order_relaxed);
  if (text.size() > bytes_ - (head - tail_.load(std::memory_order_acquire))) return false;
  const size_t at = head % bytes_;
  const size_t first = std::min(text.size(), bytes_ - at);
  std::memcpy(memory_.get() + at, text.data(), first);
  std::memcpy(memory_.get(), text.data() + first, text.size() - first);
  head_.store(head + text.size(), std::memory_order_release);
  return true;
}

std::string_view ByteRing::front() const noexcept {
  const size_t tail = tail_.load(std::memory_order_relaxed);
  const size_t count = head_.load(std::memory_order_acquire) - tail;
  const size_t at = tail % bytes_;
  return {memory_.get() + at, std::min(count, bytes_ - at)};
}

std::unique_ptr<AccessLog> AccessLog::open(const std::string& path, size_t workers, std::string& error) {
  std::unique_ptr<AccessLog> log(new AccessLog());
  if (path.empty()) return log;
  log->path_ = path;
  log->file_ = open_log(path);
  if (log->file_ < 0) {
    error = "cannot open the access log " + path + ": " + std::strerror(errno);
    return nullptr;
  }
  log->regular_ = is_regular(log->file_);
  log->wake_ = ::eventfd(0, EFD_CLOEXEC);
  for (size_t i = 0; i < workers; ++i) {
    log->rings_.push_back(std::make_unique<ByteRing>(kRingBytes));
    log->worker_drops_.push_back(std::make_unique<net::OwnCounter>());
  }
  log->thread_ = std::thread([self = log.get()] { self->run(); });
  return log;
}

AccessLog::~AccessLog() {
  if (thread_.joinable()) {
    stopping_.store(true, std::memory_order_release);
    wake();
    thread_.join();
  }
  if (file_ >= 0) ::close(file_);
  if (wake_ >= 0) ::close(wake_);
}

void AccessLog::put(size_t worker, std::string_view line) noexcept {
  if (!rings_[worker]->put(line)) ++*worker_drops_[worker];
}

void AccessLog::wake() noexcept {
  const uint64_t one = 1;
  (void)!::write(wake_, &one, sizeof one);
}

void AccessLog::reopen() noexcept {
  if (!enabled()) return;
  reopen_.store(true, std::memory_order_release);
  wake();
}

uint64_t AccessLog::dropped() const noexcept {
  uint64_t sum = write_drops_.load(std::memory_order_relaxed);
  for (const auto& drops : worker_drops_) sum += drops->read();
  return sum;
}

void AccessLog::run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    uint64_t wakeups = 0;
    (void)!::read(wake_, &wakeups, sizeof wakeups);
    if (reopen_.exchange(false, std::memory_order_acq_rel)) open_again();
    write_all();
  }
  write_all();  // what came between the last round and the wish to stop
}

void AccessLog::write_all() {
  for (const auto& ring : rings_)
    while (write_out(*ring)) {
    }
}

// Writes one run of a ring; true if there may be more. What the disk refuses is dropped and counted by lines,
// so that the log goes on by itself when there is room again.
bool AccessLog::write_out(ByteRing& ring) {
  std::string_view text = ring.front();
  if (text.empty()) return false;
  if (!regular_) {
    if (!wait_for_room()) return false;
    text = text.substr(0, PIPE_BUF);  // what poll() promises room for
  }
  const ssize_t count = ::write(file_, text.data(), text.size());
  if (count < 0 && errno == EINTR) return true;
  const std::string_view done = count > 0 ? text.substr(0, static_cast<size_t>(count)) : text;
  const auto lines = static_cast<uint64_t>(std::count(done.begin(), done.end(), '\n'));
  (count > 0 ? written_ : write_drops_).fetch_add(lines, std::memory_order_relaxed);
  ring.drop(done.size());
  return true;
}

// False once the log is to stop: a reader that does not read must not keep the process.
bool AccessLog::wait_for_room() const noexcept {
  constexpr int kLookMs = 200;  // for the wish to stop
  pollfd room{.fd = file_, .events = POLLOUT, .revents = 0};
  while (::poll(&room, 1, kLookMs) == 0)
    if (stopping_.load(std::memory_order_acquire)) return false;
  return true;
}

void AccessLog::open_again() {
  const int fresh = open_log(path_);
  if (fresh < 0) return;  // keep the old file rather than lose the log
  ::close(file_);
  file_ = fresh;
  regular_ = is_regular(file_);
}

}  // namespace mango::proxy
