// SPDX-License-Identifier: Apache-2.0
#include "net/engine.h"

#include <dlfcn.h>

#include <cstdlib>
#include <utility>

namespace mango::net {

std::unique_ptr<Engine> Engine::open(const EngineOptions& options, std::string& error) {
  std::unique_ptr<Engine> engine(new Engine());
  engine->options_ = options;
  if (!engine->resolve(error) || !engine->start(error)) return nullptr;
  return engine;
}

void Engine::resolve_built_in() noexcept {
#define X(name) name = &::mango_##name;
  MANGO_ENGINE_FUNCTIONS(X)
  MANGO_ENGINE_DEVICE_FUNCTIONS(X)
  MANGO_ENGINE_EXTENSIONS(X)
#undef X
  tcp_create = &::mango_tcp_create;
}

bool Engine::resolve(std::string& error) {
  const std::string& library = options_.library;
  if (library.empty()) {
    name_ = "kernel (built in)";
    resolve_built_in();
    return true;
  }
  name_ = library;
  // RTLD_DEEPBIND would give the library its own OpenSSL: one process, one OpenSSL, so symbols resolve
  // globally.
  library_ = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) {
    error = "cannot load the engine library " + library + ": " + ::dlerror();
    return false;
  }
  std::string missing;
#define OPTIONAL(function) \
  function = reinterpret_cast<decltype(function)>(::dlsym(library_, "mango_" #function));
#define REQUIRED(function) \
  OPTIONAL(function)       \
  if (function == nullptr) missing += missing.empty() ? "mango_" #function : ", mango_" #function;
  MANGO_ENGINE_FUNCTIONS(REQUIRED)
  REQUIRED(tcp_create)
  if (!options_.ipc_address.empty()) {
    MANGO_ENGINE_DEVICE_FUNCTIONS(REQUIRED)
  }
  MANGO_ENGINE_EXTENSIONS(OPTIONAL)
#undef REQUIRED
#undef OPTIONAL
  if (missing.empty()) return true;
  error = "the engine library " + library + " lacks " + missing;
  return false;
}

std::string Engine::describe(const char* call, mango_status_e status) const {
  const char* message = status_message == nullptr ? "" : status_message(status);
  std::string text = name_ + ": " + call + " failed with status " + std::to_string(status);
  return *message == 0 ? text : text + " (" + message + ")";
}

bool Engine::start(std::string& error) {
  if (const auto status = tcp_create(&tcp_); status != MANGO_STATUS_OK) {
    error = describe("mango_tcp_create", status);
    return false;
  }
  const auto noticed = [](mango_tcp_h, mango_context_h, void* self) {
    auto* engine = static_cast<Engine*>(self);
    engine->note_reset(engine->settled_.load(std::memory_order_acquire));  // once, whoever else says so, too
  };
  if (tcp_register_reset != nullptr) (void)tcp_register_reset(tcp_, noticed, this);
  if (!options_.ipc_address.empty()) return start_device(error);
  if (const auto status = context_create(&context_); status != MANGO_STATUS_OK) {
    error = describe("mango_context_create", status);
    return false;
  }
  if (const auto status = tcp_set_context(tcp_, context_); status != MANGO_STATUS_OK) {
    error = describe("mango_tcp_set_context", status);
    return false;
  }
  return true;
}

bool Engine::start_device(std::string& error) {
  const std::string index = std::to_string(options_.ipc_index);
  name_ = "device " + index + " at " + options_.ipc_address;
  const char* call = "mango_ipc_open";
  auto status = ipc_open(options_.ipc_address.c_str(), false, &ipc_);
  if (status == MANGO_STATUS_OK)
    status = ipc_set_index(ipc_, options_.ipc_index), call = "mango_ipc_set_index";
  if (status == MANGO_STATUS_OK) status = tcp_set_ipc(tcp_, ipc_), call = "mango_tcp_set_ipc";
  if (status == MANGO_STATUS_OK) {  // whatever of the above connects: now it must answer
    char* state = nullptr;
    status = ipc_get_config(ipc_, "device.state", &state), call = "mango_ipc_get_config";
    std::free(state);
  }
  if (status == MANGO_STATUS_OK) return true;
  if (means_reset(status) || status == MANGO_STATUS_TIMED_OUT || status == MANGO_STATUS_CONNECTION_REFUSED)
    error = "the device at " + options_.ipc_address + " does not answer; is mango-toed running?";
  else if (status == MANGO_STATUS_NOT_FOUND)
    error = "the process at " + options_.ipc_address + " has no device " + index;
  else
    error = describe(call, status);
  return false;
}

void Engine::note_reset(uint32_t era) noexcept {
  if (era_.compare_exchange_strong(era, era + 1, std::memory_order_acq_rel) && noticed_) noticed_();
}

Engine::~Engine() {
  if (tcp_ != nullptr) (void)tcp_destroy(tcp_);
  if (ipc_ != nullptr) (void)ipc_close(ipc_);
  if (context_ != nullptr) (void)context_destroy(context_);
  // The library stays loaded: what it keeps for the whole process may still be in use.
}

}  // namespace mango::net
