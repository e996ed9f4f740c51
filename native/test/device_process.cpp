// SPDX-License-Identifier: Apache-2.0
#include "device_process.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "libmango.h"

namespace mango_test {
namespace {

constexpr char kVariable[] = "MANGO_TEST_DEVICE";  // the descriptor to report to, and a namespace

void write_line(int fd, const std::string& line) {
  EXPECT_EQ(static_cast<ssize_t>(line.size() + 1), write(fd, (line + "\n").data(), line.size() + 1));
}

std::string read_line(int fd) {
  std::string line;
  char one = 0;
  while (read(fd, &one, 1) == 1 && one != '\n') line += one;
  return line;
}

std::vector<char*> environment_with(std::string& variable) {
  std::vector<char*> environment;
  for (char** entry = environ; *entry; ++entry) environment.push_back(*entry);
  environment.push_back(variable.data());
  environment.push_back(nullptr);
  return environment;
}

// "path" on the pipe when it serves, "!reason" when it cannot.
void serve(int report, const char* netns) {
  mango_context_h context = nullptr;
  mango_tcp_h tcp = nullptr;
  mango_ipc_h ipc = nullptr;
  const char* path = nullptr;
  mango_status_e status = mango_context_create(&context);
  if (status == MANGO_STATUS_OK) status = mango_tcp_create(&tcp);
  if (status == MANGO_STATUS_OK) status = mango_tcp_set_context(tcp, context);
  if (status == MANGO_STATUS_OK) status = mango_ipc_open("127.0.0.1:0", true, &ipc);
  if (status == MANGO_STATUS_OK) status = mango_ipc_set_context(ipc, context);
  if (status == MANGO_STATUS_OK && *netns) status = mango_ipc_set_config(ipc, "device.netns", netns);
  if (status == MANGO_STATUS_OK) status = mango_ipc_set_tcp(ipc, tcp);
  if (status == MANGO_STATUS_OK) status = mango_ipc_get_server_path(ipc, &path);
  write_line(report, status == MANGO_STATUS_OK ? path : std::string("!") + mango_status_name(status));
  if (status == MANGO_STATUS_OK) (void)mango_ipc_wait(ipc);
}

}  // namespace

DeviceProcess::DeviceProcess(bool own_netns) {
  int report[2] = {-1, -1};
  EXPECT_EQ(0, pipe2(report, 0));
  std::string variable =
      std::string(kVariable) + "=" + std::to_string(report[1]) + (own_netns ? ":/proc/self/ns/net" : ":");
  std::vector<char*> environment = environment_with(variable);
  char program[] = "/proc/self/exe";
  char filter[] = "--gtest_filter=DeviceProcess.serves";
  char quiet[] = "--gtest_brief=1";
  char* arguments[] = {program, filter, quiet, nullptr};
  EXPECT_EQ(0, posix_spawn(&pid_, program, nullptr, nullptr, arguments, environment.data()));
  close(report[1]);
  path_ = read_line(report[0]);
  close(report[0]);
  if (path_.empty()) error_ = "the device's process ended";
  if (!path_.empty() && path_[0] == '!') error_ = path_.substr(1);
  if (!error_.empty()) path_.clear();
}

DeviceProcess::~DeviceProcess() {
  kill();
}

void DeviceProcess::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

DeviceProcess& DeviceProcess::shared() {
  static DeviceProcess device;
  return device;
}

}  // namespace mango_test

TEST(DeviceProcess, serves) {
  const char* report = std::getenv(mango_test::kVariable);
  if (!report) GTEST_SKIP() << "not a test: the device of other tests";
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  mango_test::serve(std::atoi(report), std::strchr(report, ':') + 1);
}
