// SPDX-License-Identifier: Apache-2.0
// Parses for tests of the HTTP codec. Every message is also fed split at every byte: whatever the network
// does to it, the answer must be the same.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "http/h1_body.h"
#include "http/h1_parser.h"

namespace mango::http::test {

struct RequestResult {
  Parsed parsed = Parsed::incomplete;
  Refusal refusal;
  std::shared_ptr<RequestHead> head = std::make_shared<RequestHead>();
  std::shared_ptr<std::string> bytes;  // what the head's views point into
};

struct ResponseResult {
  Parsed parsed = Parsed::incomplete;
  Refusal refusal;
  std::shared_ptr<ResponseHead> head = std::make_shared<ResponseHead>();
  std::shared_ptr<std::string> bytes;
};

struct BodyResult {
  bool ended = false;
  Refusal refusal;
  std::string content;
  std::string trailers;
  std::string rest;  // bytes behind the end
};

[[nodiscard]] RequestResult parse_request(std::string_view bytes, const HeadLimits& limits = {});
[[nodiscard]] ResponseResult parse_response(std::string_view bytes, Method method = Method::get,
                                            const HeadLimits& limits = {});
[[nodiscard]] BodyResult read_body(Framing framing, uint64_t length, std::string_view bytes,
                                   const BodyLimits& limits = {});

// A request line and a Host with further lines between them and the empty line.
[[nodiscard]] std::string request_with(std::string_view field_lines,
                                       std::string_view start = "GET / HTTP/1.1");

}  // namespace mango::http::test
