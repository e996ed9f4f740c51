// SPDX-License-Identifier: Apache-2.0
// A client's header block on its way to a request head (RFC 9113 section 8.3.1, RFC 8441): fields are checked
// and collected as they are decoded, and read together when the block is complete. What is kept of a field
// are references into nghttp2's memory.
//
// A block over the limits is decoded to its end, for the sake of HPACK's state, but no longer kept.
#pragma once

#include <nghttp2/nghttp2.h>

#include <vector>

#include "http/h1_parser.h"
#include "http/h1_semantics.h"
#include "http/h2_memory.h"

namespace mango::http {

class H2RequestReader {
 public:
  explicit H2RequestReader(const HeadLimits& limits) noexcept : limits_(limits) {}
  ~H2RequestReader() { end(); }
  H2RequestReader(const H2RequestReader&) = delete;
  H2RequestReader& operator=(const H2RequestReader&) = delete;

  void begin() noexcept;
  // False if the block is so far over the limits that only bad intent explains it.
  [[nodiscard]] bool add(nghttp2_rcbuf* name, nghttp2_rcbuf* value) noexcept;

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
  [[nodiscard]] bool head_request() const noexcept { return text(kMethod) == "HEAD"; }
  // Frees the memory: idle connections hold none.
  void end() noexcept;

 private:
  enum Pseudo : uint8_t { kMethod, kScheme, kAuthority, kPath, kProtocol, kPseudos };
  struct Kept {
    nghttp2_rcbuf* name;
    nghttp2_rcbuf* value;
    FieldId id;
    bool crumb;  // a Cookie field (RFC 9113 section 8.2.3)
  };

  [[nodiscard]] bool has(Pseudo which) const noexcept { return pseudo_[which].data() != nullptr; }
  [[nodiscard]] std::string_view text(Pseudo which) const noexcept { return pseudo_[which]; }
  [[nodiscard]] static size_t pseudo_of(std::string_view name) noexcept;
  [[nodiscard]] const char* check_pseudo(std::string_view name, std::string_view value) noexcept;
  [[nodiscard]] const char* check_field(std::string_view name, std::string_view value, FieldId id) noexcept;
  void keep(nghttp2_rcbuf* name, nghttp2_rcbuf* value, FieldId id);
  void push_fields(RequestHead& head);
  [[nodiscard]] std::string_view join_crumbs();
  [[nodiscard]] const char* check_parts(RequestHead& head) const noexcept;
  [[nodiscard]] const char* check_authority(RequestHead& head) const noexcept;
  [[nodiscard]] const char* check_content(RequestHead& head, bool ended) const noexcept;
  [[nodiscard]] Result check_protocol(RequestHead& head, Refusal& refusal) const noexcept;
  [[nodiscard]] Result check_target(RequestHead& head, Refusal& refusal);

  const HeadLimits limits_;
  std::vector<Kept, H2Allocator<Kept>> kept_;
  H2String path_;     // normalised in place
  H2String cookies_;  // joined
  uint64_t total_bytes_ = 0;
  uint32_t total_fields_ = 0;
  uint32_t crumbs_ = 0;
  const char* malformed_ = nullptr;  // the first rule that was broken
  bool over_ = false;
  std::array<std::string_view, kPseudos> pseudo_;
  std::string_view priority_;
  KnownFields known_;
};

}  // namespace mango::http
