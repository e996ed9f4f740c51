// SPDX-License-Identifier: Apache-2.0
// The library in its process: start, fork, end.
#pragma once

namespace mango::shim {

// A regular end: exit(), _exit().
void process_ends() noexcept;

}  // namespace mango::shim
