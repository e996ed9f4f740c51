// SPDX-License-Identifier: Apache-2.0
#include "net/engine.h"

#include <dlfcn.h>

namespace mango::net {

std::unique_ptr<Engine> Engine::open(const std::string& library, std::string& error) {
  std::unique_ptr<Engine> engine(new Engine());
  if (!engine->resolve(library, error) || !engine->start(error)) return nullptr;
  return engine;
}

bool Engine::resolve(const std::string& library, std::string& error) {
  if (library.empty()) {
    name_ = "kernel (built in)";
#define X(name) name = &::mango_##name;
    MANGO_ENGINE_FUNCTIONS(X)
    MANGO_ENGINE_EXTENSIONS(X)
#undef X
    tcp_create = &::mango_tcp_create;
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
#define X(function)                                                                       \
  function = reinterpret_cast<decltype(function)>(::dlsym(library_, "mango_" #function)); \
  if (function == nullptr) missing += missing.empty() ? "mango_" #function : ", mango_" #function;
  MANGO_ENGINE_FUNCTIONS(X)
  X(tcp_create)
#undef X
#define X(function) function = reinterpret_cast<decltype(function)>(::dlsym(library_, "mango_" #function));
  MANGO_ENGINE_EXTENSIONS(X)
#undef X
  if (missing.empty()) return true;
  error = "the engine library " + library + " lacks " + missing;
  return false;
}

bool Engine::start(std::string& error) {
  if (const auto status = context_create(&context_); status != MANGO_STATUS_OK) {
    error = name_ + ": mango_context_create failed with status " + std::to_string(status);
    return false;
  }
  if (const auto status = tcp_create(&tcp_); status != MANGO_STATUS_OK) {
    error = name_ + ": mango_tcp_create failed with status " + std::to_string(status);
    return false;
  }
  if (const auto status = tcp_set_context(tcp_, context_); status != MANGO_STATUS_OK) {
    error = name_ + ": mango_tcp_set_context failed with status " + std::to_string(status);
    return false;
  }
  return true;
}

Engine::~Engine() {
  if (tcp_ != nullptr) (void)tcp_destroy(tcp_);
  if (context_ != nullptr) (void)context_destroy(context_);
  // The library stays loaded: what it keeps for the whole process may still be in use.
}

}  // namespace mango::net
