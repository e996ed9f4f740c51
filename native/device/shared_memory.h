// SPDX-License-Identifier: Apache-2.0
// Memory of two processes: a memfd that nobody can shrink or grow any more, mapped here. What a client does
// to its own mapping or to the pages is its affair; the device's loads and stores never fault.
#pragma once

#include <cstddef>

#include "device/descriptor.h"

namespace mango::device {

class SharedMemory {
 public:
  SharedMemory() noexcept = default;
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;
  ~SharedMemory();

  // Zeroed memory of its own, sealed. False with errno.
  [[nodiscard]] static bool make(const char* name, size_t bytes, SharedMemory& made) noexcept;

  [[nodiscard]] void* data() const noexcept { return data_; }
  [[nodiscard]] size_t size() const noexcept { return bytes_; }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
  Descriptor fd_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace mango::device
