// SPDX-License-Identifier: Apache-2.0
// Which descriptors are offloaded: an array indexed by the descriptor, read without a lock. Memory comes from
// mmap, page by page as numbers are used, so that close() stays fit for signal handlers.
//
// A number whose descriptor was closed behind our back (a system call made without the C library) is
// corrected when we next get it ourselves.
#pragma once

#include "shim/offloaded.h"

namespace mango::shim {

// The object behind `fd`, held, unless it is not offloaded or the thread is in code of ours.
[[nodiscard]] Ref table_find(int fd) noexcept;
[[nodiscard]] bool table_has(int fd) noexcept;

// Names `offloaded` by `fd`; false when memory is out. What was there is forgotten, for its descriptor must
// be gone.
[[nodiscard]] bool table_put(int fd, Offloaded* offloaded) noexcept;
// Takes the name away: the caller has the descriptor's part of the object's life now. Null when there was
// none.
[[nodiscard]] Offloaded* table_take(int fd) noexcept;
// Puts a taken one back.
void table_restore(int fd, Offloaded* offloaded) noexcept;

// `copy` is a duplicate of `fd`. One whose original was closed meanwhile by another thread stays unknown.
void table_add_name(int fd, int copy) noexcept;
// Another descriptor of the same object; -1 when there is none.
[[nodiscard]] int table_other_name(const Offloaded& offloaded, int than) noexcept;
// Numbers from here on were never offloaded.
[[nodiscard]] int table_end() noexcept;

// False in a child of vfork(), which borrows this memory until it runs another program: it must change
// nothing.
[[nodiscard]] bool table_is_ours() noexcept;
void table_set_owner() noexcept;

}  // namespace mango::shim
