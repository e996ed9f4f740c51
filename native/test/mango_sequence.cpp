// SPDX-License-Identifier: Apache-2.0
// Sequence numbers, and that asking for them leaves the connection as it was.
#include "mango/sequence.h"

#include <sys/syscall.h>
#include <sys/wait.h>

#include "mango_support.h"

using namespace mango_test;

namespace {

struct Pair {
  Engine engine;
  mango_socket_h listener = engine.listen();
  RawPeer peer{Engine::port_of(listener)};
  mango_socket_h socket = engine.accept(listener);
};

struct Numbers {
  uint32_t tx = 0;
  uint32_t rx = 0;
};

#define SKIP_WITHOUT_CAPABILITY(socket)                                                    \
  do {                                                                                     \
    uint32_t number = 0;                                                                   \
    if (mango_socket_get_sequence(socket, &number, &number) == MANGO_STATUS_NOT_PERMITTED) \
      GTEST_SKIP() << "needs CAP_NET_ADMIN";                                               \
  } while (false)

Numbers numbers_of(mango_socket_h socket) {
  Numbers numbers;
  EXPECT_EQ(MANGO_STATUS_OK, mango_socket_get_sequence(socket, &numbers.tx, &numbers.rx));
  return numbers;
}

void exchange(Pair& pair, size_t size) {
  const std::string bytes = pattern(size);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_send(pair.socket, bytes.data(), bytes.size(), nullptr));
  std::string got(size, '\0');
  ASSERT_EQ(static_cast<ssize_t>(size), recv(pair.peer.fd(), got.data(), size, MSG_WAITALL));
  EXPECT_EQ(bytes, got);
  pair.peer.send("answer");
  size_t received = 0;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_recv(pair.socket, got.data(), size, &received));
  EXPECT_EQ("answer", got.substr(0, received));
}

}  // namespace

TEST(MangoSequence, numbers_go_on_by_what_was_sent_and_received) {
  Pair pair;
  SKIP_WITHOUT_CAPABILITY(pair.socket);
  const Numbers before = numbers_of(pair.socket);
  exchange(pair, 1000);
  const Numbers after = numbers_of(pair.socket);
  EXPECT_EQ(1000U, after.tx - before.tx);
  EXPECT_EQ(6U, after.rx - before.rx);
}

TEST(MangoSequence, both_sides_agree) {
  Engine engine;
  mango_socket_h listener = engine.listen();
  mango_socket_h client = engine.open();
  const sockaddr_in address = loopback(Engine::port_of(listener));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_connect(client, as_sockaddr(address), sizeof(address)));
  mango_socket_h server = engine.accept(listener);
  SKIP_WITHOUT_CAPABILITY(client);
  const Numbers ours = numbers_of(client);
  const Numbers theirs = numbers_of(server);
  EXPECT_EQ(ours.tx, theirs.rx);
  EXPECT_EQ(ours.rx, theirs.tx);
}

TEST(MangoSequence, the_connection_is_unharmed) {
  Pair pair;
  SKIP_WITHOUT_CAPABILITY(pair.socket);
  const int on = 1;
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_option(pair.socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
  for (int round = 0; round < 50; ++round) {
    (void)numbers_of(pair.socket);
    exchange(pair, 20'000);
  }
  int reuse = 0;
  socklen_t length = sizeof(reuse);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_option(pair.socket, SOL_SOCKET, SO_REUSEADDR, &reuse, &length));
  EXPECT_EQ(1, reuse);
  int repair = 0;
  length = sizeof(repair);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_get_option(pair.socket, IPPROTO_TCP, TCP_REPAIR, &repair, &length));
  EXPECT_EQ(0, repair);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(pair.socket));
  EXPECT_EQ(0, pair.peer.read_to_end()) << "a FIN, not an RST";
}

TEST(MangoSequence, bytes_on_their_way_arrive) {
  Pair pair;
  SKIP_WITHOUT_CAPABILITY(pair.socket);
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_set_nonblocking(pair.socket, true));
  const std::string block = pattern(1 << 16);
  std::string sent;
  for (;;) {
    size_t taken = 0;
    const mango_status_e status = mango_socket_send(pair.socket, block.data(), block.size(), &taken);
    if (status == MANGO_STATUS_AGAIN) break;
    ASSERT_EQ(MANGO_STATUS_OK, status);
    sent.append(block, 0, taken);
    (void)numbers_of(pair.socket);
  }
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_close(pair.socket));
  std::string got;
  EXPECT_EQ(0, pair.peer.read_to_end(&got));
  EXPECT_TRUE(sent == got);
}

TEST(MangoSequence, it_needs_a_connection) {
  Pair pair;
  uint32_t number = 7;
  EXPECT_EQ(MANGO_STATUS_NOT_CONNECTED, mango_socket_get_sequence(pair.engine.open(), &number, &number));
  EXPECT_EQ(MANGO_STATUS_NOT_CONNECTED, mango_socket_get_sequence(pair.listener, &number, &number));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_get_sequence(pair.socket, nullptr, &number));
  EXPECT_EQ(MANGO_STATUS_INVALID_ARGUMENT, mango_socket_get_sequence(pair.socket, &number, nullptr));
  ASSERT_EQ(MANGO_STATUS_OK, mango_socket_abort(pair.socket));
  EXPECT_EQ(MANGO_STATUS_ABORTED, mango_socket_get_sequence(pair.socket, &number, &number));
  EXPECT_EQ(7U, number);
}

TEST(MangoSequence, without_the_capability_it_is_not_permitted_and_nothing_breaks) {
  Pair pair;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    (void)syscall(SYS_setresuid, 65534, 65534, 65534);
    uint32_t number = 0;
    const mango_status_e status = mango_socket_get_sequence(pair.socket, &number, &number);
    _exit(status == MANGO_STATUS_NOT_PERMITTED ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  exchange(pair, 1000);
}
