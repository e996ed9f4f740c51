// SPDX-License-Identifier: Apache-2.0
#include "shim/real.h"

#include <dlfcn.h>

namespace mango::shim {

constinit std::atomic<bool> real_resolved{false};
constinit Real real_functions{};
thread_local constinit int bypass_depth = 0;

namespace {

template <class Function>
void find(Function& place, const char* name) noexcept {
  place = reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// Two threads may do this at once: both find the same.
void resolve_real() noexcept {
#define MANGO_SHIM_FIND(name) find(real_functions.name, #name);
  MANGO_SHIM_FUNCTIONS(MANGO_SHIM_FIND)
#undef MANGO_SHIM_FIND
  find(real_functions.exit_now, "_exit");
  real_resolved.store(true, std::memory_order_release);
}

}  // namespace mango::shim
