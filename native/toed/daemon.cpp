// SPDX-License-Identifier: Apache-2.0
// Everything that TCP is, is behind the public API: a context, a tcp handle per device, a channel per address
// that is told of them. What is left to do here is to put the options where they belong and to say what went
// wrong.
#include "toed/daemon.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "libmango.h"
#include "toed/log.h"
#include "toed/namespace.h"
#include "toed/notify.h"
#include "toed/signals.h"

namespace mango::toed {

namespace {

using std::string;

// For mango_tcp_register_reset().
struct ResetNote {
  const Log* log;
  size_t device;
};

void log_reset(mango_tcp_h, mango_context_h, void* param) {
  const auto* note = static_cast<const ResetNote*>(param);
  note->log->warning("device " + std::to_string(note->device) + " was reset, its sessions are gone");
}

class Daemon {
 public:
  Daemon(const Arguments& arguments, const Log& log) : arguments_(arguments), log_(log) {}
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  [[nodiscard]] Outcome start();
  [[nodiscard]] Outcome wait();

 private:
  [[nodiscard]] Outcome make_namespaces();
  [[nodiscard]] Outcome open_channels();
  [[nodiscard]] Outcome make_devices();
  [[nodiscard]] Outcome add_device(mango_ipc_h channel, size_t index);
  [[nodiscard]] Outcome configure(mango_ipc_h channel, const char* option, const char* field,
                                  const string& value);
  [[nodiscard]] Outcome configure_running(mango_ipc_h channel, const DeviceOptions& options);
  [[nodiscard]] Outcome write_pid_file();
  void announce() const;
  void warn_if_public(const string& path) const;

  const Arguments& arguments_;
  const Log& log_;
  std::vector<std::unique_ptr<VethNamespace>> namespaces_;
  mango_context_h context_ = nullptr;
  std::vector<mango_ipc_h> channels_;
  std::vector<mango_tcp_h> devices_;
  std::vector<std::unique_ptr<ResetNote>> notes_;
  bool wrote_pid_file_ = false;
};

string joined(const std::vector<string>& parts, const char* last) {
  string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += i + 1 == parts.size() ? last : ", ";
    text += parts[i];
  }
  return text;
}

string explained(mango_status_e status) {
  return string(mango_status_message(status)) + " (" + mango_status_name(status) + ')';
}

// Opening a channel and starting a device leave a sentence that knows more than the status.
string details_of(mango_status_e status) {
  const string sentence = mango_ipc_error();
  return sentence.empty() ? explained(status) : sentence;
}

string path_of(mango_ipc_h channel) {
  const char* path = nullptr;
  return mango_ipc_get_server_path(channel, &path) == MANGO_STATUS_OK && path ? path : "?";
}

// A session costs the device three descriptors or so, and the limit that shells start with is for programs
// with few.
void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

Failure cannot_open(const string& path, mango_status_e status) {
  const string what = "cannot serve " + path + ": ";
  switch (status) {
    case MANGO_STATUS_ADDRESS_IN_USE:
      return {ExitCode::address,
              what + "the address is in use; stop the mango-toed that has it or choose another --ipc"};
    case MANGO_STATUS_ADDRESS_NOT_AVAILABLE:
      return {ExitCode::address, what + "it is no address of this machine; choose another --ipc"};
    case MANGO_STATUS_NOT_SUPPORTED:
      return {ExitCode::missing, what + details_of(status)};
    case MANGO_STATUS_INVALID_ARGUMENT:
      return {ExitCode::usage, what + "not an address; --ipc wants HOST:PORT or iceoryx:NAME"};
    case MANGO_STATUS_NOT_PERMITTED:
    case MANGO_STATUS_ACCESS_DENIED:
      return {ExitCode::not_permitted, what + "not permitted; choose a port above 1023, or run as root"};
    case MANGO_STATUS_IPC_UNAVAILABLE:  // iceoryx's own daemon
      return {ExitCode::failed, what + details_of(status)};
    default:
      return {exit_code_of(status), what + details_of(status)};
  }
}

Failure cannot_start(size_t index, const DeviceOptions& options, mango_status_e status) {
  const string what = "cannot start device " + std::to_string(index) + ": ";
  if (options.netns.empty()) return {exit_code_of(status), what + details_of(status)};
  if (status == MANGO_STATUS_NOT_FOUND)
    return {ExitCode::not_found, what + "there is no network namespace " + options.netns +
                                     "; make it (`ip netns add " + options.netns + "`), or use --veth"};
  if (status == MANGO_STATUS_NOT_PERMITTED || status == MANGO_STATUS_ACCESS_DENIED)
    return {ExitCode::not_permitted, what + "entering namespace " + options.netns +
                                         " needs CAP_SYS_ADMIN; run as root, or without --netns"};
  return {exit_code_of(status), what + "in namespace " + options.netns + ": " + details_of(status)};
}

Outcome Daemon::start() {
  raise_descriptor_limit();
  if (auto failure = make_namespaces()) return failure;
  if (const auto status = mango_context_create(&context_); status != MANGO_STATUS_OK)
    return Failure{exit_code_of(status), "cannot make a context: " + explained(status)};
  if (auto failure = open_channels()) return failure;
  if (auto failure = make_devices()) return failure;
  if (auto failure = write_pid_file()) return failure;
  // Copies: the thread of signals may use them at any time, and a handle that is gone is only refused.
  on_stop([channels = channels_] {
    for (const mango_ipc_h channel : channels) (void)mango_ipc_shutdown(channel);
  });
  announce();
  return std::nullopt;
}

Outcome Daemon::wait() {
  Outcome outcome;
  for (const mango_ipc_h channel : channels_) {
    const auto status = mango_ipc_wait(channel);
    if (status != MANGO_STATUS_OK && !outcome)
      outcome = Failure{ExitCode::failed, "channel " + path_of(channel) + " ended: " + explained(status)};
  }
  notify_manager("STOPPING=1");
  return outcome;
}

Daemon::~Daemon() {
  for (const mango_ipc_h channel : channels_) (void)mango_ipc_close(channel);
  for (const mango_tcp_h device : devices_) (void)mango_tcp_destroy(device);
  if (context_) (void)mango_context_destroy(context_);
  if (wrote_pid_file_) ::unlink(arguments_.pid_file.c_str());
}

Outcome Daemon::make_namespaces() {
  for (const DeviceOptions& device : arguments_.devices) {
    if (!device.veth) continue;
    namespaces_.push_back(std::make_unique<VethNamespace>(*device.veth, device.mac));
    if (auto failure = namespaces_.back()->make(log_)) return failure;
  }
  return std::nullopt;
}

Outcome Daemon::open_channels() {
  for (const string& path : arguments_.ipc) {
    mango_ipc_h channel = nullptr;
    auto status = mango_ipc_open(path.c_str(), true, &channel);
    if (status != MANGO_STATUS_OK) return cannot_open(path, status);
    channels_.push_back(channel);
    status = mango_ipc_set_context(channel, context_);
    if (status != MANGO_STATUS_OK) return cannot_open(path, status);
    warn_if_public(path);
  }
  return std::nullopt;
}

Outcome Daemon::make_devices() {
  for (size_t index = 0; index < arguments_.devices.size(); ++index) {
    mango_tcp_h device = nullptr;
    auto status = mango_tcp_create(&device);
    if (status == MANGO_STATUS_OK) {
      devices_.push_back(device);
      status = mango_tcp_set_context(device, context_);
    }
    if (status == MANGO_STATUS_OK) {
      notes_.push_back(std::make_unique<ResetNote>(ResetNote{&log_, index}));
      status = mango_tcp_register_reset(device, log_reset, notes_.back().get());
    }
    if (status != MANGO_STATUS_OK) return cannot_start(index, arguments_.devices[index], status);
    for (const mango_ipc_h channel : channels_)
      if (auto failure = add_device(channel, index)) return failure;
  }
  return std::nullopt;
}

// The first channel makes the device, the others offer the same one.
Outcome Daemon::add_device(mango_ipc_h channel, size_t index) {
  const DeviceOptions& options = arguments_.devices[index];
  const bool first = channel == channels_.front();
  auto status = mango_ipc_set_index(channel, static_cast<int>(index));
  if (status != MANGO_STATUS_OK) return cannot_start(index, options, status);
  const std::tuple<const char*, const char*, const string&> before[] = {
      {options.veth ? "--veth" : "--netns", "device.netns", options.netns},
      {"--access", "device.access", arguments_.access},
      {"--max-sessions", "session.max", arguments_.max_sessions},
      {"--rx-buffer", "session.rx_buffer_bytes", arguments_.rx_buffer_bytes},
      {"--tx-buffer", "session.tx_buffer_bytes", arguments_.tx_buffer_bytes}};
  for (const auto& [option, field, value] : before)
    if (first)
      if (auto failure = configure(channel, option, field, value)) return failure;
  status = mango_ipc_set_tcp(channel, devices_[index]);
  if (status != MANGO_STATUS_OK) return cannot_start(index, options, status);
  return first ? configure_running(channel, options) : std::nullopt;
}

Outcome Daemon::configure_running(mango_ipc_h channel, const DeviceOptions& options) {
  if (auto failure = configure(channel, "--spin", "device.spin_us", arguments_.spin_us)) return failure;
  if (options.veth) return std::nullopt;  // has its addresses already
  if (auto failure = configure(channel, "--mac", "device.mac", options.mac)) return failure;
  if (options.address.empty()) return std::nullopt;
  return configure(channel, "--ip", "device.ip", options.address + '/' + std::to_string(options.prefix));
}

Outcome Daemon::configure(mango_ipc_h channel, const char* option, const char* field, const string& value) {
  if (value.empty()) return std::nullopt;
  const auto status = mango_ipc_set_config(channel, field, value.c_str());
  if (status == MANGO_STATUS_OK) return std::nullopt;
  const string what = string(option) + ' ' + value + ": ";
  if (status == MANGO_STATUS_NOT_PERMITTED || status == MANGO_STATUS_ACCESS_DENIED)
    return Failure{ExitCode::not_permitted,
                   what + "changing it needs CAP_NET_ADMIN; run as root, or without " + option};
  if (status == MANGO_STATUS_NOT_FOUND)
    return Failure{
        ExitCode::not_found,
        what + "there is nothing of the kind to set; has the device's namespace an interface besides lo?"};
  return Failure{exit_code_of(status), what + explained(status)};
}

Outcome Daemon::write_pid_file() {
  if (arguments_.pid_file.empty()) return std::nullopt;
  const string text = std::to_string(::getpid()) + '\n';
  const int fd = ::open(arguments_.pid_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  const bool written = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int error = errno;
  if (fd >= 0) ::close(fd);
  wrote_pid_file_ = fd >= 0;
  if (written) return std::nullopt;
  return Failure{error == EACCES ? ExitCode::not_permitted : ExitCode::failed,
                 "cannot write " + arguments_.pid_file + ": " + std::strerror(error)};
}

void Daemon::announce() const {
  std::vector<string> paths;
  for (const mango_ipc_h channel : channels_) paths.push_back(path_of(channel));
  const size_t count = devices_.size();
  const string ready = "ready on " + joined(paths, " and ") + ", " + std::to_string(count) +
                       (count == 1 ? " device" : " devices");
  log_.announce(ready);
  notify_manager("READY=1\nSTATUS=" + ready);
}

// Changing anything takes the device's link, which is local; reading does not.
void Daemon::warn_if_public(const string& path) const {
  for (const char* local : {"localhost:", "127.", "[::1]:", "::1:", "iceoryx:"})
    if (path.starts_with(local)) return;
  log_.warning(
      path +
      " may be reached from other machines, which can then read the devices' configuration and counters");
}

}  // namespace

ExitCode run_devices(const Arguments& arguments) {
  block_signals();
  const Log log(arguments.log);
  watch_signals(log);
  Daemon daemon(arguments, log);
  Outcome outcome = daemon.start();
  if (!outcome) outcome = daemon.wait();
  if (!outcome) return ExitCode::ok;
  log.error(outcome->sentence);
  return outcome->code;
}

}  // namespace mango::toed
