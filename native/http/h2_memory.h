// SPDX-License-Identifier: Apache-2.0
// Memory for HTTP/2: nghttp2 allocates a dozen small blocks a request, so each thread keeps the blocks it has
// freed, by size, up to a bound. Blocks may be freed by another thread than took them.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstddef>
#include <new>
#include <string>
#include <string_view>

namespace mango::http {

// The allocator to hand to nghttp2.
[[nodiscard]] nghttp2_mem* h2_memory() noexcept;

[[nodiscard]] void* h2_allocate(size_t bytes) noexcept;  // null when there is no memory
void h2_free(void* block) noexcept;

template <typename T>
struct H2Allocator {
  using value_type = T;
  H2Allocator() noexcept = default;
  template <typename U>
  H2Allocator(const H2Allocator<U>&) noexcept {}  // NOLINT(google-explicit-constructor): allocators convert
  [[nodiscard]] T* allocate(size_t count) {
    void* const block = h2_allocate(count * sizeof(T));
    if (block == nullptr) throw std::bad_alloc();
    return static_cast<T*>(block);
  }
  void deallocate(T* block, size_t) noexcept { h2_free(block); }
  template <typename U>
  bool operator==(const H2Allocator<U>&) const noexcept {
    return true;
  }
};

// Of nghttp2's counted text; lives as long as the buffer does.
[[nodiscard]] inline std::string_view text_of(nghttp2_rcbuf* buffer) noexcept {
  const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(bytes.base), bytes.len};
}

// Bytes that wait within a stream.
using H2String = std::basic_string<char, std::char_traits<char>, H2Allocator<char>>;

}  // namespace mango::http
