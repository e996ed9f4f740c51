// SPDX-License-Identifier: Apache-2.0
// A client's header block on its way to a request head (RFC 9113 section 8.3.1, RFC 8441). nghttp2 decodes
// the fields and checks each by itself; here they are collected within the limits, and checked together.
//
// A block over the limits is decoded to its end, for the sake of HPACK's state, but no longer kept.
#pragma once

#include <memory>

#include "http/h1_parser.h"
#include "http/h1_semantics.h"
#include "http/h2_memory.h"

namespace mango::http {

class H2RequestReader {
 public:
  explicit H2RequestReader(const HeadLimits& limits) noexcept : limits_(limits) {}

  void begin() noexcept;
  // False if the block is so far over the limits that only bad intent explains it.
  [[nodiscard]] bool add(std::string_view name, std::string_view value) noexcept;

  enum class Result : uint8_t {
    request,
    refused,    // well-formed, but to be answered with an error
    malformed,  // to be reset (RFC 9113 section 8.1.1)
  };
  // The block is complete; `ended` if no content follows. The head's views live until end().
  [[nodiscard]] Result read(RequestHead& head, bool ended, Refusal& refusal) noexcept;
  // Of a RequestHead with Priority, or empty.
  [[nodiscard]] std::string_view priority() const noexcept { return priority_; }
  // HEAD, as far as is known.
  [[nodiscard]] bool head_request() const noexcept { return method_ == "HEAD"; }
  // Frees the memory: idle connections hold none.
  void end() noexcept;

 private:
  struct FreeBytes {
    void operator()(char* bytes) const noexcept { h2_free(bytes); }
  };
  struct Lengths {
    uint32_t name;
    uint32_t value;
  };
  [[nodiscard]] char* extend(size_t bytes) noexcept;
  void reserve(size_t bytes) noexcept;
  [[nodiscard]] bool take_pseudo(std::string_view name, std::span<char> value) noexcept;
  [[nodiscard]] bool take_fields(RequestHead& head) noexcept;
  void take_cookies(RequestHead& head) noexcept;
  [[nodiscard]] const char* check_authority(RequestHead& head) const noexcept;
  [[nodiscard]] Result check_protocol(RequestHead& head, Refusal& refusal) const noexcept;
  [[nodiscard]] Result check_target(RequestHead& head, Refusal& refusal) noexcept;

  const HeadLimits limits_;
  // Of every field its Lengths, its name and its value. No string: this is done for every field there is.
  std::unique_ptr<char[], FreeBytes> bytes_;
  size_t used_ = 0;
  size_t capacity_ = 0;
  uint64_t total_bytes_ = 0;
  uint32_t total_fields_ = 0;
  uint32_t crumbs_ = 0;       // Cookie fields (RFC 9113 section 8.2.3)
  uint32_t crumb_bytes_ = 0;  // their values and what joins them
  bool over_ = false;
  std::string_view method_, scheme_, authority_, protocol_, priority_;
  std::span<char> path_;
  KnownFields known_;
};

}  // namespace mango::http
