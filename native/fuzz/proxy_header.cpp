// SPDX-License-Identifier: Apache-2.0
// Fuzzes the reader and the writer of PROXY headers. Input: what a connection brings. Beyond "no crash" it
// holds that
//   - the outcome does not depend on how the bytes were split;
//   - no byte is taken that is not the header's: one more in front of what follows changes nothing;
//   - what was read can be written, in both versions, and reads back the same.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "proxy/proxy_header.h"

namespace {

using namespace mango::proxy;
using Step = ProxyHeaderReader::Step;

#define REQUIRE(condition) require((condition), #condition, __LINE__)

void require(bool condition, const char* text, int line) {
  if (condition) return;
  std::fprintf(stderr, "line %d: property violated: %s\n", line, text);
  std::abort();
}

struct Outcome {
  Step step = Step::more;
  std::string reason;
  ProxyHeader header;
  size_t taken = 0;
  bool operator==(const Outcome& other) const {
    return step == other.step && reason == other.reason && header.version == other.header.version &&
           header.has_addresses == other.header.has_addresses && header.source == other.header.source &&
           header.destination == other.header.destination && header.unique_id == other.header.unique_id;
  }
};

Outcome read(std::string_view bytes, size_t piece) {
  ProxyHeaderReader reader;
  Outcome outcome;
  while (outcome.step == Step::more && outcome.taken < bytes.size()) {
    REQUIRE(reader.wanted() > 0);
    const size_t size = std::min({reader.wanted(), piece, bytes.size() - outcome.taken});
    outcome.step = reader.feed({bytes.data() + outcome.taken, size});
    outcome.taken += size;
  }
  REQUIRE(outcome.step == Step::more || reader.wanted() == 0);
  REQUIRE((outcome.step == Step::refused) == (*reader.reason() != 0));
  outcome.reason = reader.reason();
  if (outcome.step == Step::done) outcome.header = reader.header();
  return outcome;
}

void write_back(const ProxyHeader& header) {
  std::array<char, ProxyHeaderLimits::kWrittenBytes> out;
  const size_t first = write_proxy_header_v1(header.source, header.destination, out);
  REQUIRE(first > 0);
  const Outcome again = read({out.data(), first}, first);
  REQUIRE(again.step == Step::done && again.taken == first);
  REQUIRE(again.header.source.to_string() == header.source.to_string());
  REQUIRE(again.header.destination.to_string() == header.destination.to_string());
  const size_t second = write_proxy_header_v2(header.source, header.destination, header.unique_id, out);
  const Outcome once_more = read({out.data(), second}, second);
  REQUIRE(once_more.step == Step::done && once_more.taken == second);
  REQUIRE(once_more.header.source.to_string() == header.source.to_string());
  REQUIRE(once_more.header.destination.to_string() == header.destination.to_string());
  REQUIRE(once_more.header.unique_id == header.unique_id);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const Outcome whole = read(bytes, ProxyHeaderLimits::kVersion2Bytes);
  for (const size_t piece : {1, 2, 7}) {
    const Outcome split = read(bytes, piece);
    REQUIRE(split == whole);
    REQUIRE(split.step != Step::done || split.taken == whole.taken);
  }
  if (whole.step != Step::done) return 0;
  REQUIRE(whole.taken <= ProxyHeaderLimits::kVersion2Bytes);
  REQUIRE(read(bytes.substr(0, whole.taken - 1), ProxyHeaderLimits::kVersion2Bytes).step == Step::more);
  if (whole.header.has_addresses) write_back(whole.header);
  return 0;
}
