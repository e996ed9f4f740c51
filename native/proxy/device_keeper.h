// SPDX-License-Identifier: Apache-2.0
// Looks after what is below the workers: notices that the offload device was reset or is gone, has the
// workers end what died with it, and opens the listening sockets again as soon as the device is back. Asks
// the device questions, and resets it.
//
// A thread of its own, asleep while all is well: sockets tell of a reset, nobody asks for it. All that waits
// for the device's process happens here, so that neither a worker nor Node's event loop ever does. Rejected:
// listeners that open their own sockets again, each with a timer, which would make a worker wait for a device
// that hangs.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/device.h"
#include "net/stream.h"

namespace mango::proxy {

class EventQueue;
class Listener;
class Worker;

class DeviceKeeper {
 public:
  // A listening address, with the listener of each worker.
  struct Listening {
    std::string name;
    net::Endpoint endpoint;
    int backlog = 0;
    std::vector<std::shared_ptr<Listener>> listeners;
  };
  // What became of a reset: an empty code for "it has begun", else what was wrong.
  struct Outcome {
    const char* code = "";
    std::string message;
  };

  DeviceKeeper(net::Engine& engine, EventQueue& events);
  ~DeviceKeeper();

  // Control thread. `listening` gives the addresses of now; called from the keeper's thread, too.
  void start(std::vector<Worker*> workers, std::function<std::vector<Listening>()> listening);
  void stop();  // joins; what was asked is answered before. Idempotent

  // Any thread, does not block: something may have died.
  void wake();
  // Any thread, does not block. JSON: engine, state, resets, the listeners without a socket.
  [[nodiscard]] std::string facts() const;
  // The same with all the device tells of itself. Answered once, on the keeper's thread.
  void ask(std::function<void(std::string)> done);
  // Answered when the reset has begun, or not. Its end shows in facts().
  void reset(bool preserve, std::function<void(Outcome)> done);

 private:
  static constexpr uint32_t kFirstPauseMs = 5;
  static constexpr uint32_t kLongestPauseMs = 1000;

  enum class State : uint8_t {
    ready,
    resetting,  // the device is; or we wait for its reset
    gone,       // the device's process does not answer
    reopening,  // the device is back, and listeners are not yet
  };
  [[nodiscard]] static const char* to_string(State state) noexcept;

  void run();
  void post(std::function<void()> job);
  [[nodiscard]] bool troubled() const;
  void recover();
  [[nodiscard]] State device_state();
  void begin_reset(bool preserve, const std::function<void(Outcome)>& done);
  void end_older_than(uint32_t era);
  [[nodiscard]] bool reopen_listeners();
  [[nodiscard]] bool reopen(Listening& one);
  void visit(const std::vector<std::pair<Worker*, std::function<void()>>>& work);
  void set_state(State state, const std::string& error);
  void emit(const char* state, const std::string& reason);

  net::Engine& engine_;
  net::Device device_;
  EventQueue& events_;
  std::vector<Worker*> workers_;
  std::function<std::vector<Listening>()> listening_;

  // The keeper's thread only.
  uint32_t ended_era_ = 0;  // workers have ended what is older
  uint32_t pause_ms_ = kFirstPauseMs;
  bool resetting_ = false;  // tcp_reset is to be called again
  bool preserve_ = false;

  mutable std::mutex mutex_;  // all below
  std::condition_variable changed_;
  std::vector<std::function<void()>> jobs_;
  State state_ = State::ready;
  std::string error_;  // why it is not ready
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace mango::proxy
