// SPDX-License-Identifier: Apache-2.0
// A device in a process of its own, written on the public API as mango-toed is: this test program once more,
// told to run one "test" that serves until its parent is gone. So the device runs under the sanitizers of the
// tests.
#pragma once

#include <string>

namespace mango_test {

class DeviceProcess {
 public:
  // own_netns: it may change the addresses of the network namespace it is started in.
  explicit DeviceProcess(
      bool own_netns = false);  // path() is empty when there can be no device here: error() says why
  ~DeviceProcess();             // killed
  DeviceProcess(const DeviceProcess&) = delete;
  DeviceProcess& operator=(const DeviceProcess&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& error() const { return error_; }
  void kill();

  // One for all tests of this process, started when first asked for.
  static DeviceProcess& shared();

 private:
  int pid_ = -1;
  std::string path_;
  std::string error_;
};

}  // namespace mango_test
