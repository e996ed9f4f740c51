// SPDX-License-Identifier: Apache-2.0
// A device as its starter holds it: the listening link, the thread, and the door for messages.
#include "device/server.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <future>
#include <new>
#include <thread>

#include "device/server_device.h"

namespace mango::device {
namespace {

constexpr int kLinkBacklog = 128;
constexpr mode_t kOwnersMode = 0600;
constexpr mode_t kOpenMode = 0666;  // who comes is looked at when it comes

bool is_ring_size(uint32_t bytes) noexcept {
  return bytes >= kLeastRingBytes && bytes <= kMostRingBytes && (bytes & (bytes - 1)) == 0;
}

std::string made_up_path(uint32_t index) {
  static std::atomic<uint32_t> serial{0};
  return "@mango-link." + std::to_string(::getpid()) + "." + std::to_string(index) + "." +
         std::to_string(serial.fetch_add(1, std::memory_order_relaxed));
}

// A path's old socket is in the way only if nobody listens there.
void remove_stale(const std::string& path, const sockaddr_un& name, socklen_t length) noexcept {
  struct stat found {};
  if (path[0] == '@' || ::lstat(path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return;
  const Descriptor probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&name), length) != 0 && errno == ECONNREFUSED)
    (void)::unlink(path.c_str());
}

bool listen_link(const std::string& path, mode_t mode, Descriptor& link, std::string& error) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof(name.sun_path)) {
    error = "link " + path + ": the path is too long";
    errno = ENAMETOOLONG;
    return false;
  }
  std::memcpy(name.sun_path, path.data(), path.size());
  const bool abstract = path[0] == '@';
  if (abstract) name.sun_path[0] = '\0';
  const auto length =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
  remove_stale(path, name, length);
  link.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (link && ::bind(link.get(), reinterpret_cast<const sockaddr*>(&name), length) == 0 &&
      (abstract || ::chmod(path.c_str(), mode) == 0) && ::listen(link.get(), kLinkBacklog) == 0)
    return true;
  const int failed = errno;
  error = "link " + path + ": " + std::strerror(failed);
  errno = failed;
  return false;
}

class RunningServer final : public Server {
 public:
  RunningServer(const ServerOptions& options, const LinkAccess& access, Descriptor link,
                const std::string& path)
      : device_(options, access, std::move(link), path), path_(path) {}

  ~RunningServer() override {
    if (!thread_.joinable()) return;
    device_.stop();
    thread_.join();
    if (path_[0] != '@') (void)::unlink(path_.c_str());
  }

  [[nodiscard]] bool run(std::string& error) {
    if (!device_.prepare(error)) return false;
    std::promise<bool> entered;
    std::future<bool> ready = entered.get_future();
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    (void)::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are the program's own threads' affair
    int failed = 0;
    thread_ = std::thread([this, &entered, &error, &failed] {
      (void)::pthread_setname_np(::pthread_self(), "mango-device");
      const bool good = device_.enter(error);
      failed = errno;
      entered.set_value(good);
      if (good) device_.run();
    });
    (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (ready.get()) return true;
    thread_.join();
    errno = failed;
    return false;
  }

  void serve(const ipc::Request& request, std::function<void(const ipc::Response&)> answer) override {
    device_.post({request, std::move(answer)});
  }
  [[nodiscard]] const std::string& link_path() const noexcept override { return path_; }

 private:
  Device device_;
  std::string path_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Server> Server::start(const ServerOptions& options, std::string& error) {
  if (!is_ring_size(options.rx_ring_bytes) || !is_ring_size(options.tx_ring_bytes)) {
    error = "ring sizes are powers of two from " + std::to_string(kLeastRingBytes) + " to " +
            std::to_string(kMostRingBytes);
    errno = EINVAL;
    return nullptr;
  }
  const std::string path = options.link_path.empty() ? made_up_path(options.index) : options.link_path;
  Descriptor link;
  LinkAccess access;
  if (!access.parse(options.access)) {
    error = "access is owner, all or group:NAME of a group that exists, not " + options.access;
    errno = EINVAL;
    return nullptr;
  }
  if (!listen_link(path, access.owner_only() ? kOwnersMode : kOpenMode, link, error)) return nullptr;
  auto server = std::make_unique<RunningServer>(options, access, std::move(link), path);
  if (server->run(error)) return server;
  const int failed = errno;
  server.reset();
  errno = failed;
  return nullptr;
}

}  // namespace mango::device
