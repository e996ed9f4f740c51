// SPDX-License-Identifier: Apache-2.0
// Fuzzes the decoders of the IPC channel's messages. Input: octets, tried as a request and as a response.
// Beyond "no crash" it holds that
//   - what was decoded encodes to a message that decodes to the same, and encodes to the same octets again;
//   - no message is longer than the limit, no token longer than its own, no text other than UTF-8;
//   - a path that is understood is written so that it is understood again, and the same.
#include <netinet/in.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "ipc/transport.h"

namespace {

using namespace mango::ipc;

#define REQUIRE(condition) require((condition), #condition, __LINE__)

void require(bool condition, const char* text, int line) {
  if (condition) return;
  std::fprintf(stderr, "line %d: property violated: %s\n", line, text);
  std::abort();
}

bool same(const Address& a, const Address& b) {
  return std::memcmp(&a.storage, &b.storage, sizeof a.storage) == 0;
}

bool is_address(const Address& address) {
  const sa_family_t family = address.storage.ss_family;
  return family == AF_UNSPEC || family == AF_INET || family == AF_INET6;
}

void try_request(std::string_view octets) {
  const auto first = decode_request(octets);
  if (!first) return;
  REQUIRE(octets.size() <= kMaxMessageBytes);
  REQUIRE(first->type <= MANGO_IPC_MSG_TCP_ABORT && first->client.size() <= kMaxClientBytes);
  REQUIRE(is_text(first->field) && is_text(first->value) && is_address(first->address));
  const std::string encoded = encode(*first);
  REQUIRE(encoded.size() <= octets.size());  // ours is the shortest there is
  const auto second = decode_request(encoded);
  REQUIRE(second.has_value());
  REQUIRE(second->type == first->type && second->device == first->device && second->client == first->client);
  REQUIRE(second->session == first->session && second->backlog == first->backlog);
  REQUIRE(second->field == first->field && second->value == first->value);
  REQUIRE(same(second->address, first->address) && encode(*second) == encoded);
}

void try_response(std::string_view octets) {
  const auto first = decode_response(octets);
  if (!first) return;
  REQUIRE(octets.size() <= kMaxMessageBytes);
  REQUIRE(first->status <= 0 && is_text(first->value) && is_text(first->version) &&
          is_address(first->address));
  const std::string encoded = encode(*first);
  REQUIRE(encoded.size() <= octets.size());
  const auto second = decode_response(encoded);
  REQUIRE(second.has_value());
  REQUIRE(second->status == first->status && second->value == first->value && second->link == first->link);
  REQUIRE(second->version == first->version && same(second->address, first->address));
  REQUIRE(encode(*second) == encoded);
}

void try_path(std::string_view path) {
  Endpoint first;
  if (!parse_path(path, first)) return;
  Endpoint second;
  REQUIRE(parse_path(path_of(first), second));
  REQUIRE(second.protocol == first.protocol && second.host == first.host && second.port == first.port);
  REQUIRE(second.name == first.name);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  try_request(octets);
  try_response(octets);
  try_path(octets);
  return 0;
}
