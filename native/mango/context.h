// SPDX-License-Identifier: Apache-2.0
// A context: what a tcp handle runs on. Here always the software engine; a DPU needs the vendor's library.
#pragma once

#include "mango/handle.h"
#include "typedef.h"

namespace mango::kernel {

struct Context {
  std::atomic<uint32_t> users{0};  // tcp handles that refer to it
};

HandleTable<Context, HandleType::kContext>& contexts() noexcept;

}  // namespace mango::kernel
