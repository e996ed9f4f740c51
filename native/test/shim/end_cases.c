/* SPDX-License-Identifier: Apache-2.0
 * Connections beginning and ending, well or not. */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>

#include "calls.h"

static int option_error(int fd) {
  int error = -1;
  socklen_t length = sizeof(error);
  CHECK_EQUAL(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
  return error;
}

static void half_closed_the_other_half_goes_on(void) {
  int ends[2];
  make_pair(ends);
  put_text(ends[0], "question");
  CHECK_EQUAL(shutdown(ends[0], SHUT_WR), 0);
  expect_text(ends[1], "question");
  expect_end(ends[1]);
  put_text(ends[1], "answer");
  expect_text(ends[0], "answer");
  CHECK_EQUAL(close(ends[1]), 0);
  expect_end(ends[0]);
}

static void what_was_sent_arrives_before_the_end(void) {
  int ends[2];
  make_pair(ends);
  static char octets[100000];
  send_all(ends[0], octets, 50000);
  CHECK_EQUAL(close(ends[0]), 0);
  receive_all(ends[1], octets, 50000);
  expect_end(ends[1]);
  expect_end(ends[1]);
}

static void receiving_shut_is_the_end(void) {
  int ends[2];
  char octet;
  make_pair(ends);
  CHECK_EQUAL(shutdown(ends[0], SHUT_RD), 0);
  CHECK_EQUAL(read(ends[0], &octet, 1), 0);
  put_text(ends[0], "may send");
  expect_text(ends[1], "may send");
}

static volatile sig_atomic_t pipes_broken;
static void count_signal(int signal) {
  (void)signal;
  ++pipes_broken;
}

static void a_broken_pipe_raises_sigpipe(void) {
  int ends[2];
  make_pair(ends);
  signal(SIGPIPE, count_signal);
  CHECK_EQUAL(shutdown(ends[0], SHUT_WR), 0);
  CHECK_ERRNO(send(ends[0], "x", 1, MSG_NOSIGNAL), EPIPE);
  CHECK_EQUAL(pipes_broken, 0);
  CHECK_ERRNO(write(ends[0], "x", 1), EPIPE);
  CHECK_EQUAL(pipes_broken, 1);
  CHECK_ERRNO(send(ends[0], "x", 1, 0), EPIPE);
  CHECK_EQUAL(pipes_broken, 2);
  signal(SIGPIPE, SIG_IGN);
  CHECK_ERRNO(write(ends[0], "x", 1), EPIPE);
}

static void lingering_for_nothing_resets(void) {
  int ends[2];
  char octet;
  make_pair(ends);
  const struct linger none = {.l_onoff = 1, .l_linger = 0};
  CHECK_EQUAL(setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
  CHECK_EQUAL(close(ends[0]), 0);
  CHECK(wait_for(ends[1], POLLIN) & (POLLIN | POLLERR | POLLHUP));
  CHECK_ERRNO(read(ends[1], &octet, 1), ECONNRESET);
  CHECK_EQUAL(read(ends[1], &octet, 1), 0);
  signal(SIGPIPE, SIG_IGN);
  CHECK_ERRNO(write(ends[1], &octet, 1), EPIPE);
}

static void closing_with_octets_unread_resets(void) {
  int ends[2];
  char octet;
  make_pair(ends);
  put_text(ends[0], "nobody reads this");
  wait_for(ends[1], POLLIN);
  CHECK_EQUAL(close(ends[1]), 0);
  wait_for(ends[0], POLLIN);
  CHECK_ERRNO(read(ends[0], &octet, 1), ECONNRESET);
}

static void so_error_tells_of_a_reset_once(void) {
  int ends[2];
  make_pair(ends);
  const struct linger none = {.l_onoff = 1, .l_linger = 0};
  CHECK_EQUAL(setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
  CHECK_EQUAL(close(ends[0]), 0);
  CHECK(wait_for(ends[1], 0) & (POLLERR | POLLHUP));
  CHECK_EQUAL(option_error(ends[1]), ECONNRESET);
  CHECK_EQUAL(option_error(ends[1]), 0);
}

/* An address where nobody listens. */
static socklen_t nobody(struct sockaddr_storage* address) {
  const int listener = make_listener(AF_INET);
  const socklen_t length = address_of(listener, address);
  CHECK_EQUAL(close(listener), 0);
  return length;
}

static void refused_when_blocking(void) {
  struct sockaddr_storage address;
  const socklen_t length = nobody(&address);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK_ERRNO(connect(fd, (struct sockaddr*)&address, length), ECONNREFUSED);
  CHECK_EQUAL(close(fd), 0);
}

static void refused_later(void) {
  struct sockaddr_storage address;
  const socklen_t length = nobody(&address);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int result = connect(fd, (struct sockaddr*)&address, length);
  CHECK(result == -1 && (errno == EINPROGRESS || errno == ECONNREFUSED));
  if (errno == ECONNREFUSED) return;
  CHECK(wait_for(fd, POLLOUT) & (POLLERR | POLLHUP | POLLOUT));
  CHECK_EQUAL(option_error(fd), ECONNREFUSED);
  CHECK_EQUAL(option_error(fd), 0);
}

static void connected_later(void) {
  struct sockaddr_storage address;
  const int listener = make_listener(AF_INET);
  const socklen_t length = address_of(listener, &address);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connect(fd, (struct sockaddr*)&address, length) != 0) CHECK_EQUAL(errno, EINPROGRESS);
  CHECK_EQUAL(wait_for(fd, POLLOUT), POLLOUT);
  CHECK_EQUAL(option_error(fd), 0);
  if (connect(fd, (struct sockaddr*)&address, length) != 0) CHECK_EQUAL(errno, EISCONN);
  CHECK_ERRNO(connect(fd, (struct sockaddr*)&address, length), EISCONN);
  const int other = accept(listener, NULL, NULL);
  put_text(fd, "late");
  expect_text(other, "late");
}

static void strangers_are_not_connected(void) {
  char octet;
  struct sockaddr_storage address;
  socklen_t length = sizeof(address);
  signal(SIGPIPE, SIG_IGN);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK_ERRNO(read(fd, &octet, 1), ENOTCONN);
  CHECK_ERRNO(write(fd, &octet, 1), EPIPE);
  CHECK_ERRNO(getpeername(fd, (struct sockaddr*)&address, &length), ENOTCONN);
  CHECK_ERRNO(shutdown(fd, SHUT_WR), ENOTCONN);
  const int listener = make_listener(AF_INET);
  CHECK_ERRNO(read(listener, &octet, 1), ENOTCONN);
}

static void a_bound_socket_connects_from_its_address(void) {
  struct sockaddr_storage address, seen;
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7F000002)};
  const int listener = make_listener(AF_INET);
  const socklen_t length = address_of(listener, &address);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK_EQUAL(bind(fd, (struct sockaddr*)&own, sizeof(own)), 0);
  CHECK_EQUAL(connect(fd, (struct sockaddr*)&address, length), 0);
  socklen_t room = sizeof(seen);
  CHECK(accept(listener, (struct sockaddr*)&seen, &room) >= 0);
  CHECK_EQUAL(((struct sockaddr_in*)&seen)->sin_addr.s_addr, own.sin_addr.s_addr);
}

const struct test_case end_cases[] = {
    {"half closed, the other half goes on", half_closed_the_other_half_goes_on},
    {"what was sent arrives before the end", what_was_sent_arrives_before_the_end},
    {"receiving shut is the end", receiving_shut_is_the_end},
    {"a broken pipe raises SIGPIPE", a_broken_pipe_raises_sigpipe},
    {"lingering for nothing resets", lingering_for_nothing_resets},
    {"closing with octets unread resets", closing_with_octets_unread_resets},
    {"SO_ERROR tells of a reset once", so_error_tells_of_a_reset_once},
    {"refused when blocking", refused_when_blocking},
    {"refused later", refused_later},
    {"connected later", connected_later},
    {"strangers are not connected", strangers_are_not_connected},
    {"a bound socket connects from its address", a_bound_socket_connects_from_its_address},
    {NULL, NULL},
};
