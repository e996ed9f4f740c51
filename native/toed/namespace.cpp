// SPDX-License-Identifier: Apache-2.0
#include "toed/namespace.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "toed/command.h"
#include "toed/values.h"

namespace mango::toed {

namespace {

using std::string;

constexpr char kDefaultFolder[] = "/run/mango-toed";
constexpr char kInner[] = "eth0";

bool has_capability(unsigned capability) noexcept {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  return (data[capability / 32].effective & (1U << (capability % 32))) != 0;
}

// systemd separates several by colons; the first is ours.
string record_folder() {
  const char* given = std::getenv("RUNTIME_DIRECTORY");
  return given && given[0] == '/' ? split(given, ':')[0] : kDefaultFolder;
}

bool exists(const string& path) noexcept {
  return ::access(path.c_str(), F_OK) == 0;
}

Outcome run_ip(const std::vector<string>& words) {
  std::vector<string> argv{"ip"};
  argv.insert(argv.end(), words.begin(), words.end());
  const Finished ip = run_command(argv);
  if (!ip.started)
    return Failure{
        ExitCode::missing,
        "--veth needs the program `ip`, which cannot be started: install it (Debian: apt-get install "
        "iproute2)"};
  if (ip.status == 0) return std::nullopt;
  string line;
  for (const string& word : argv) line += (line.empty() ? "" : " ") + word;
  return Failure{ExitCode::failed, "setting up the namespace failed: `" + line + "` said \"" + ip.said + '"'};
}

// A file that another process removed while we waited for its lock is not the one under this name any more.
bool is_linked(int fd) noexcept {
  struct stat facts {};
  return ::fstat(fd, &facts) == 0 && facts.st_nlink > 0;
}

}  // namespace

VethNamespace::~VethNamespace() {
  if (made_) remove_parts();
  if (record_ < 0) return;
  ::unlink(record_path_.c_str());
  ::close(record_);
}

Outcome VethNamespace::make(const Log& log) {
  if (!has_capability(CAP_NET_ADMIN) || !has_capability(CAP_SYS_ADMIN))
    return Failure{
        ExitCode::not_permitted,
        "--veth needs CAP_NET_ADMIN and CAP_SYS_ADMIN: run as root, or let an administrator make the "
        "namespace and name it with --netns"};
  if (auto failure = lock_record(log)) return failure;
  if (auto failure = check_free()) return failure;
  // From here on the record says that what is under these names is ours.
  if (::write(record_, "made\n", 5) != 5)
    return Failure{ExitCode::failed, "cannot write " + record_path_ + ": " + std::strerror(errno)};
  made_ = true;
  return make_parts();
}

Outcome VethNamespace::lock_record(const Log& log) {
  const string folder = record_folder();
  record_path_ = folder + '/' + options_.name + ".veth";
  ::mkdir(folder.c_str(), 0755);
  for (;;) {
    const int fd = ::open(record_path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
      return Failure{errno == EACCES || errno == EPERM ? ExitCode::not_permitted : ExitCode::failed,
                     "cannot write " + record_path_ + ": " + std::strerror(errno) +
                         "; set RUNTIME_DIRECTORY to a folder that may be written"};
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      ::close(fd);
      return Failure{ExitCode::address, "namespace " + options_.name +
                                            " belongs to another mango-toed that is running: stop it or "
                                            "choose another name"};
    }
    record_ = fd;
    if (is_linked(fd)) break;
    ::close(fd);
    record_ = -1;
  }
  char first = 0;
  if (::read(record_, &first, 1) == 1) {
    log.info("removing namespace " + options_.name + ", left behind by a mango-toed that was killed");
    remove_parts();
    if (::ftruncate(record_, 0) != 0 || ::lseek(record_, 0, SEEK_SET) != 0)
      return Failure{ExitCode::failed, "cannot write " + record_path_ + ": " + std::strerror(errno)};
  }
  return std::nullopt;
}

Outcome VethNamespace::check_free() const {
  if (exists("/run/netns/" + options_.name))
    return Failure{ExitCode::address, "namespace " + options_.name +
                                          " exists already and is not mango-toed's: enter it with --netns " +
                                          options_.name + ", or choose another name"};
  if (exists("/sys/class/net/" + outer()))
    return Failure{ExitCode::address,
                   "interface " + outer() + " exists already and is not mango-toed's: choose another name"};
  return std::nullopt;
}

Outcome VethNamespace::make_parts() const {
  const string& name = options_.name;
  const string suffix = '/' + std::to_string(options_.prefix);
  std::vector<std::vector<string>> steps = {
      {"netns", "add", name},
      {"link", "add", outer(), "type", "veth", "peer", "name", kInner, "netns", name},
      {"-n", name, "link", "set", "lo", "up"},
      {"-n", name, "address", "add", options_.address + suffix, "dev", kInner}};
  if (!mac_.empty()) steps.push_back({"-n", name, "link", "set", kInner, "address", mac_});
  steps.push_back({"-n", name, "link", "set", kInner, "up"});
  if (!options_.gateway.empty())
    steps.push_back({"address", "add", options_.gateway + suffix, "dev", outer()});
  steps.push_back({"link", "set", outer(), "up"});
  if (!options_.gateway.empty())
    steps.push_back({"-n", name, "route", "add", "default", "via", options_.gateway});
  for (const auto& step : steps)
    if (auto failure = run_ip(step)) return failure;
  return std::nullopt;
}

// The pair first: it would outlive the name of the namespace for as long as a socket in there does. That a
// part is not there is no failure, and there is nobody to tell of others.
void VethNamespace::remove_parts() const {
  if (exists("/sys/class/net/" + outer())) (void)run_ip({"link", "delete", outer()});
  if (exists("/run/netns/" + options_.name)) (void)run_ip({"netns", "delete", options_.name});
}

}  // namespace mango::toed
