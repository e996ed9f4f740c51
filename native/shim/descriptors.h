// SPDX-License-Identifier: Apache-2.0
// Descriptors beginning and ending: what close, dup and their kin do to the table.
#pragma once

namespace mango::shim {

// close(2) of any descriptor.
int close_descriptor(int fd) noexcept;
// Before the system closes first..last.
void close_offloaded(unsigned first, unsigned last) noexcept;
// `copy` has just been made a duplicate of `fd`; returns copy.
int note_duplicate(int fd, int copy) noexcept;

// Around a call that makes `fd` into something else, if it succeeds: dup2, dup3.
class Overwrite {
 public:
  explicit Overwrite(int fd) noexcept;
  void done(bool overwritten) noexcept;

 private:
  int fd_;
  struct Offloaded* taken_;
};

}  // namespace mango::shim
