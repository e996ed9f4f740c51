// SPDX-License-Identifier: Apache-2.0
// Memory that runs out when a test wants it to: the test program's operator new fails the calling thread's
// n-th allocation. C's malloc is left alone (OpenSSL's and the C library's), since sanitizers live in it.
#pragma once

namespace mango_test {

class FailingMemory {
 public:
  explicit FailingMemory(int nth);  // 1: the next
  ~FailingMemory();
  FailingMemory(const FailingMemory&) = delete;
  FailingMemory& operator=(const FailingMemory&) = delete;

  [[nodiscard]] bool has_failed() const;
};

}  // namespace mango_test
