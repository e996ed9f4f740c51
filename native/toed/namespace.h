// SPDX-License-Identifier: Apache-2.0
// A network namespace with one end of a veth pair in it, made for a device and removed with it: `eth0`
// inside, `mg-NAME` outside. Made with iproute2's `ip`, which keeps up with the kernel better than messages
// of our own.
//
// What was made is written down first, in a file under /run/mango-toed (or systemd's RUNTIME_DIRECTORY) that
// stays locked while we live. The lock goes with a process that is killed: the next one to want the namespace
// finds the file unlocked and removes what is left, and nothing that somebody else has made is ever removed.
#pragma once

#include <string>
#include <utility>

#include "toed/arguments.h"
#include "toed/failure.h"
#include "toed/log.h"

namespace mango::toed {

class VethNamespace {
 public:
  VethNamespace(VethOptions options, std::string mac) : options_(std::move(options)), mac_(std::move(mac)) {}
  ~VethNamespace();  // removes it
  VethNamespace(const VethNamespace&) = delete;
  VethNamespace& operator=(const VethNamespace&) = delete;

  // Once. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN. After a failure nothing is left behind.
  [[nodiscard]] Outcome make(const Log& log);

 private:
  [[nodiscard]] Outcome lock_record(const Log& log);
  [[nodiscard]] Outcome check_free() const;
  [[nodiscard]] Outcome make_parts() const;
  void remove_parts() const;
  [[nodiscard]] std::string outer() const { return "mg-" + options_.name; }

  VethOptions options_;
  std::string mac_;
  std::string record_path_;
  int record_ = -1;  // the locked file
  bool made_ = false;
};

}  // namespace mango::toed
