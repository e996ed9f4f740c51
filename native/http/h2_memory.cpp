// SPDX-License-Identifier: Apache-2.0
#include "http/h2_memory.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace mango::http {

namespace {

constexpr size_t kStep = 64;
constexpr size_t kClasses = 64;                 // of kStep bytes each: larger blocks are not kept
constexpr size_t kKeptBytes = size_t{1} << 20;  // a thread
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKeeps = false;  // so that the sanitizer sees every use after free
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
constexpr bool kKeeps = false;
#else
constexpr bool kKeeps = true;
#endif
#else
constexpr bool kKeeps = true;
#endif

// Before every block, of the alignment malloc promises.
struct alignas(std::max_align_t) Header {
  size_t size_class;  // 0: not to be kept; else blocks of size_class * kStep bytes
};
struct FreeBlock {
  FreeBlock* next;
};
static_assert(sizeof(FreeBlock) <= kStep);

struct Pool {
  std::array<FreeBlock*, kClasses + 1> free{};
  size_t kept_bytes = 0;
};

// Of a thread that is going: full, so that nothing is kept; never written to.
constinit Pool ended_pool{.kept_bytes = kKeptBytes};

// A pointer, so that it fits into the TLS that is there before an addon is loaded: that is reached without a
// call. Null until the thread frees its first block.
[[gnu::tls_model("initial-exec")]] constinit thread_local Pool* pool = nullptr;

Header* header_of(void* block) noexcept {
  return static_cast<Header*>(block) - 1;
}

// Gives everything back when the thread ends.
struct PoolOwner {
  Pool pool;
  ~PoolOwner() {
    http::pool = &ended_pool;
    for (FreeBlock* first : pool.free) {
      while (first != nullptr) {
        FreeBlock* const next = first->next;
        std::free(header_of(first));
        first = next;
      }
    }
  }
};

Pool* make_pool() noexcept {
  thread_local PoolOwner owner;
  return pool = &owner.pool;
}

size_t class_of(size_t bytes) noexcept {
  const size_t size_class = (std::max<size_t>(bytes, 1) + kStep - 1) / kStep;
  return kKeeps && size_class <= kClasses ? size_class : 0;
}

void* allocate_callback(size_t bytes, void*) {
  return h2_allocate(bytes);
}

void free_callback(void* block, void*) {
  h2_free(block);
}

void* zeroed_callback(size_t count, size_t bytes, void*) {
  if (bytes != 0 && count > SIZE_MAX / bytes) return nullptr;
  void* const block = h2_allocate(count * bytes);
  if (block != nullptr) std::memset(block, 0, count * bytes);
  return block;
}

void* resize_callback(void* block, size_t bytes, void*) {
  if (block == nullptr) return h2_allocate(bytes);
  Header* const header = header_of(block);
  if (header->size_class == 0 && class_of(bytes) == 0) {
    auto* const moved = static_cast<Header*>(std::realloc(header, sizeof(Header) + bytes));
    return moved == nullptr ? nullptr : moved + 1;
  }
  if (bytes != 0 && class_of(bytes) == header->size_class) return block;
  void* const fresh = h2_allocate(bytes);
  if (fresh == nullptr) return nullptr;
  // A block that is not kept was larger than any class, one that is has its class's size.
  const size_t old_bytes = header->size_class == 0 ? bytes : header->size_class * kStep;
  std::memcpy(fresh, block, std::min(bytes, old_bytes));
  h2_free(block);
  return fresh;
}

}  // namespace

void* h2_allocate(size_t bytes) noexcept {
  const size_t size_class = class_of(bytes);
  FreeBlock* const kept = pool == nullptr ? nullptr : pool->free[size_class];
  if (kept != nullptr) {
    pool->free[size_class] = kept->next;
    pool->kept_bytes -= size_class * kStep;
    return kept;
  }
  if (size_class == 0 && bytes > SIZE_MAX - sizeof(Header)) return nullptr;
  const size_t usable = size_class == 0 ? bytes : size_class * kStep;
  auto* const header = static_cast<Header*>(std::malloc(sizeof(Header) + usable));
  if (header == nullptr) return nullptr;
  header->size_class = size_class;
  return header + 1;
}

void h2_free(void* block) noexcept {
  if (block == nullptr) return;
  const size_t size_class = header_of(block)->size_class;
  const size_t bytes = size_class * kStep;
  Pool* const to = pool == nullptr ? make_pool() : pool;
  if (size_class == 0 || to->kept_bytes + bytes > kKeptBytes) {
    std::free(header_of(block));
    return;
  }
  auto* const kept = static_cast<FreeBlock*>(block);
  kept->next = to->free[size_class];
  to->free[size_class] = kept;
  to->kept_bytes += bytes;
}

nghttp2_mem* h2_memory() noexcept {
  static nghttp2_mem memory{nullptr, allocate_callback, free_callback, zeroed_callback, resize_callback};
  return &memory;
}

}  // namespace mango::http
