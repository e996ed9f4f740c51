// SPDX-License-Identifier: Apache-2.0
// Asking a mango-toed that runs: fields of one device, over the public API.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libmango.h"
#include "toed/failure.h"

namespace mango::toed {

class Client {
 public:
  explicit Client(std::string path) : path_(std::move(path)) {}
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] Outcome open();
  // For what follows.
  [[nodiscard]] Outcome select(int device);

  [[nodiscard]] mango_status_e get(const std::string& field, std::string& value);
  [[nodiscard]] mango_status_e set(const std::string& field, const std::string& value);

  // The sentence for a call that failed; `what` was to be done.
  [[nodiscard]] Failure explain(const std::string& what, mango_status_e status);

 private:
  std::string path_;
  int device_ = 0;
  mango_ipc_h channel_ = nullptr;
};

}  // namespace mango::toed
