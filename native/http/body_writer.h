// SPDX-License-Identifier: Apache-2.0
// Writes content in its framing (RFC 9112 section 7): as it is, or as chunks the size of what is offered.
#pragma once

#include "http/chunk.h"
#include "http/codec.h"

namespace mango::http {

class BodyWriter {
 public:
  void start(Framing framing) noexcept {
    framing_ = framing;
    chunk_left_ = 0;
  }

  // Answers how much content was taken. A chunk once begun is finished by the following content.
  [[nodiscard]] size_t data(std::string_view content, Sink& sink) {
    if (framing_ != Framing::chunked) return sink.offer(content);
    size_t taken = 0;
    while (taken < content.size()) {
      if (chunk_left_ == 0 && !begin_chunk(content.size() - taken, sink)) break;
      const size_t count = sink.offer(content.substr(taken, chunk_left_));
      taken += count;
      chunk_left_ -= count;
      if (chunk_left_ != 0 || !sink.put(kChunkEnd)) break;
    }
    return taken;
  }

  [[nodiscard]] bool end(std::string_view trailers, Sink& sink) {
    if (framing_ != Framing::chunked) return true;
    if (trailers.empty()) return sink.put(kLastChunk);
    return sink.put(kLastChunkLine) && sink.put(trailers) && sink.put(kChunkEnd);
  }

 private:
  [[nodiscard]] bool begin_chunk(size_t size, Sink& sink) {
    std::array<char, kChunkHeadBytes> memory;
    chunk_left_ = size;
    return sink.put(write_chunk_head(memory, size));
  }

  Framing framing_ = Framing::none;
  size_t chunk_left_ = 0;
};

}  // namespace mango::http
