// SPDX-License-Identifier: Apache-2.0
// mango-bench-echo: how long 64 bytes take to a peer that echoes them, and back. One connection, one message
// under way, blocking calls; the peer (peer.cpp) is the same for every engine.
#include <algorithm>
#include <array>

#include "bench/run.h"

int main(int argc, char** argv) {
  constexpr size_t kMessageBytes = 64;
  const mango::bench::Run run = mango::bench::parse_run(argc, argv);
  const auto connection = run.engine->connect(run.peer);
  std::array<char, kMessageBytes> message{};
  std::array<char, kMessageBytes> answer{};
  message.fill('x');
  mango::bench::measure(run, [&] {
    connection->send_all(message.data(), message.size());
    connection->recv_all(answer.data(), answer.size());
  });
  if (answer != message) mango::bench::die("echo", "other bytes came back than were sent");
  return 0;
}
