// SPDX-License-Identifier: Apache-2.0
// Writing the chunked transfer coding (RFC 9112 section 7.1): head, content, kChunkEnd, ... and kLastChunk,
// or kLastChunkLine, the trailer lines and kChunkEnd when there are trailers.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace mango::http {

inline constexpr size_t kChunkHeadBytes = 16 + 2;
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunkLine = "0\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// Writes the head of a chunk of `size` bytes (> 0: a size of 0 would end the message) and returns it, a view
// into `memory`.
[[nodiscard]] inline std::string_view write_chunk_head(std::array<char, kChunkHeadBytes>& memory,
                                                       uint64_t size) noexcept {
  size_t at = memory.size();
  memory[--at] = '\n';
  memory[--at] = '\r';
  do {
    memory[--at] = "0123456789abcdef"[size & 15];
    size >>= 4;
  } while (size != 0);
  return {memory.data() + at, memory.size() - at};
}

}  // namespace mango::http
