// SPDX-License-Identifier: Apache-2.0
// Fuzzes the reader of ClientHellos. Input: one letter, then bytes. 'w': the bytes as they come on the wire;
// 'm': a size, then a handshake message that is cut into records of that size; 'b': the same, but the bytes
// are the message's body, which gets a right header. Beyond "no crash" it holds that
//   - the outcome depends neither on how the bytes were split nor on what follows the hello;
//   - a name that is found is a host name in lower case;
//   - what is refused stays refused, and no more is looked at than the limit says.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tls/client_hello.h"

namespace {

using mango::tls::ClientHelloLimits;
using mango::tls::ClientHelloReader;
using Step = ClientHelloReader::Step;

#define REQUIRE(condition) require((condition), #condition, __LINE__)

void require(bool condition, const char* text, int line) {
  if (condition) return;
  std::fprintf(stderr, "line %d: property violated: %s\n", line, text);
  std::abort();
}

std::string records(const std::string& message, size_t piece) {
  std::string wire;
  for (size_t at = 0; at < message.size(); at += piece) {
    const std::string body = message.substr(at, piece);
    wire += {0x16, 3, 1, static_cast<char>(body.size() >> 8), static_cast<char>(body.size() & 0xFF)};
    wire += body;
  }
  return wire;
}

std::string wire_of(std::string_view input) {
  if (input.size() < 2 || input[0] == 'w')
    return std::string(input.substr(std::min<size_t>(input.size(), 1)));
  const size_t piece = size_t{static_cast<uint8_t>(input[1])} + 1;
  std::string message(input.substr(2));
  if (input[0] == 'b')
    message.insert(0,
                   {1, static_cast<char>(message.size() >> 16), static_cast<char>(message.size() >> 8 & 0xFF),
                    static_cast<char>(message.size() & 0xFF)});
  return records(message, piece);
}

struct Outcome {
  Step step = Step::more;
  std::string text;
  size_t needed = 0;  // bytes that were there when it was decided
  bool operator==(const Outcome& other) const { return step == other.step && text == other.text; }
};

Outcome read(const std::string& wire, size_t piece) {
  ClientHelloReader reader;
  Outcome outcome;
  for (size_t size = std::min(piece, wire.size());; size = std::min(size + piece, wire.size())) {
    outcome.step = reader.read(std::span(wire).first(size));
    outcome.needed = size;
    if (outcome.step != Step::more || size == wire.size()) break;
  }
  REQUIRE(reader.read(wire) == outcome.step);
  outcome.text = outcome.step == Step::done ? reader.server_name() : reader.reason();
  if (outcome.step == Step::done)
    for (const std::string& protocol : reader.protocols()) outcome.text += "," + protocol;
  REQUIRE(reader.protocols().size() <= ClientHelloLimits::kProtocols);
  REQUIRE(outcome.step == Step::done || reader.server_name().empty());
  REQUIRE((outcome.step == Step::refused) == (*reader.reason() != 0));
  const std::string& name = reader.server_name();
  REQUIRE(name.size() <= ClientHelloLimits::kNameBytes);
  REQUIRE(std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  }));
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string wire = wire_of({reinterpret_cast<const char*>(data), size});
  const Outcome whole = read(wire, std::max<size_t>(wire.size(), 1));
  REQUIRE(whole.step != Step::more || wire.size() < ClientHelloLimits::kWireBytes);
  const Outcome split = read(wire, wire.size() < 4096 ? 1 : wire.size() / 100);
  REQUIRE(split == whole);
  if (whole.step == Step::more) return 0;
  REQUIRE(read(wire.substr(0, split.needed), wire.size()) == whole);
  REQUIRE(read(wire + "\x16\x03\x01", wire.size() + 3) == whole);
  return 0;
}
