// SPDX-License-Identifier: Apache-2.0
#include "ipc/iceoryx/runtime.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <thread>

#include "iceoryx_hoofs/internal/relocatable_pointer/base_relative_pointer.hpp"
#include "iceoryx_hoofs/log/logmanager.hpp"
#include "iceoryx_posh/internal/runtime/posh_runtime_impl.hpp"
#include "iceoryx_posh/mepoo/chunk_header.hpp"

namespace mango::ipc {

namespace {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

constexpr auto kMailboxPatience = std::chrono::seconds(2);
constexpr auto kMailboxStep = std::chrono::milliseconds(1);  // nothing tells when a letter is taken out

// Where the daemon listens (iceoryx_platform: IOX_UDS_SOCKET_PATH_PREFIX; iceoryx_posh:
// IPC_CHANNEL_ROUDI_NAME).
std::string daemon_path() {
  return std::string(iox::platform::IOX_UDS_SOCKET_PATH_PREFIX) + iox::roudi::IPC_CHANNEL_ROUDI_NAME;
}

enum class DaemonState { kAbsent, kHung, kThere };

// A socket to the daemon's mailbox; -1 when nobody listens there.
int open_mailbox() noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = daemon_path();
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  if (fd >= 0) ::close(fd);
  return -1;
}

// Puts a letter into the mailbox and waits until it has been taken out.
bool letter_is_read(int mailbox, const std::string& letter, Deadline deadline) noexcept {
  bool sent = false;
  for (; Clock::now() < deadline; std::this_thread::sleep_for(kMailboxStep)) {
    sent = sent || ::send(mailbox, letter.c_str(), letter.size() + 1, MSG_NOSIGNAL) >= 0;
    int unread = 0;
    if (sent && ioctl(mailbox, SIOCOUTQ, &unread) == 0 && unread == 0) return true;
  }
  return false;
}

// Whether the daemon reads its mail, which the library would wait for without end. It is told that a process
// lives that it does not know, which changes nothing; twice, since one that hangs may still take one letter.
DaemonState daemon_state() {
  const int mailbox = open_mailbox();
  if (mailbox < 0) return DaemonState::kAbsent;
  const auto type = static_cast<int>(iox::runtime::IpcMessageType::KEEPALIVE);
  const std::string letter = std::to_string(type) + ",mango-looks-whether-the-daemon-reads,";
  const Deadline deadline = Clock::now() + kMailboxPatience;
  const bool reads = letter_is_read(mailbox, letter, deadline) && letter_is_read(mailbox, letter, deadline);
  ::close(mailbox);
  return reads ? DaemonState::kThere : DaemonState::kHung;
}

// Which daemon it is: one that was started again has another socket.
struct DaemonMark {
  ino_t inode = 0;
  time_t seconds = 0;
  long nanoseconds = 0;
  bool operator==(const DaemonMark&) const = default;
};
DaemonMark daemon_mark() noexcept {
  struct stat status {};
  if (stat(daemon_path().c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
}

class Runtime final : public iox::runtime::PoshRuntimeImpl {
 public:
  using Name = iox::cxx::optional<const iox::RuntimeName_t*>;

  explicit Runtime(Name name) noexcept : PoshRuntimeImpl(name), owner_(getpid()), daemon_(daemon_mark()) {}

  [[nodiscard]] bool is_own() const noexcept { return owner_ == getpid(); }
  [[nodiscard]] bool is_stale() const noexcept { return daemon_ != daemon_mark(); }

  static Runtime* current;

  // The library asks its factory whenever it needs the runtime.
  static void take_over() noexcept { setRuntimeFactory(&Runtime::make); }

 private:
  static PoshRuntime& make(Name name) noexcept;

  const pid_t owner_;
  const DaemonMark daemon_;
};

Runtime* Runtime::current = nullptr;

// At exit, of the process that made it: tells the daemon.
void end_runtime() noexcept {
  if (Runtime::current && Runtime::current->is_own()) delete Runtime::current;
  Runtime::current = nullptr;
}

iox::runtime::PoshRuntime& Runtime::make(Name name) noexcept {
  if (current && (current->is_own() || !name.has_value())) return *current;
  if (current) {
    iox::rp::BaseRelativePointer::unregisterAll();  // the parent's segments; they are mapped anew
  } else {
    std::atexit(end_runtime);
  }
  current = new Runtime(name);
  return *current;
}

// Names may not occur twice while the daemon remembers; process ids do.
iox::RuntimeName_t runtime_name() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  const std::string name =
      "mango-" + std::to_string(getpid()) + '-' + std::to_string(now.tv_sec) + std::to_string(now.tv_nsec);
  return {iox::cxx::TruncateToCapacity, name};
}

std::mutex& runtime_mutex() noexcept {
  static auto* mutex = new std::mutex;
  return *mutex;
}

}  // namespace

bool ensure_runtime(Failure& failure) {
  std::lock_guard lock(runtime_mutex());
  const DaemonState daemon = daemon_state();
  if (daemon != DaemonState::kThere) {
    const char* what = daemon == DaemonState::kHung ? " does not read its messages: start it again"
                                                    : " does not listen: start iox-roudi";
    failure = {MANGO_STATUS_IPC_UNAVAILABLE, "iceoryx's daemon at " + daemon_path() + what};
    return false;
  }
  const Runtime* running = Runtime::current;
  if (running && running->is_own() && running->is_stale()) {
    failure = {MANGO_STATUS_IPC_UNAVAILABLE,
               "iceoryx's daemon was started again; only a new process can use it"};
    return false;
  }
  if (running && running->is_own()) return true;
  iox::log::LogManager::GetLogManager().SetDefaultLogLevel(iox::log::LogLevel::kError,
                                                           iox::log::LogLevelOutput::kHideLogLevel);
  Runtime::take_over();
  iox::runtime::PoshRuntime::initRuntime(runtime_name());
  return true;
}

bool runtime_is_of_this_process() noexcept {
  std::lock_guard lock(runtime_mutex());
  return Runtime::current && Runtime::current->is_own();
}

iox::capro::ServiceDescription service_of(const std::string& name) {
  return {"mango", {iox::cxx::TruncateToCapacity, name}, "control"};
}

uint32_t payload_bytes(std::string_view message) noexcept {
  return kLengthBytes + static_cast<uint32_t>(message.size());
}

void write_payload(void* payload, std::string_view message) noexcept {
  const auto size = static_cast<uint32_t>(message.size());
  std::memcpy(payload, &size, kLengthBytes);
  std::memcpy(static_cast<char*>(payload) + kLengthBytes, message.data(), message.size());
}

bool read_payload(const void* payload, std::string& message) {
  const uint32_t room = iox::mepoo::ChunkHeader::fromUserPayload(payload)->userPayloadSize();
  uint32_t size = 0;
  if (room < kLengthBytes) return false;
  std::memcpy(&size, payload, kLengthBytes);
  if (size > room - kLengthBytes || size > kMaxMessageBytes) return false;
  message.assign(static_cast<const char*>(payload) + kLengthBytes, size);
  return true;
}

}  // namespace mango::ipc
