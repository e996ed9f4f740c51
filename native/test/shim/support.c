/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include "calls.h"

_Noreturn void failed(const char* file, int line, const char* what) {
  const int error = errno;
  fprintf(stderr, "%s:%d: %s (errno %d, %s)\n", file, line, what, error, strerror(error));
  exit(1);
}

void check_equal(const char* file, int line, const char* what, long actual, long expected) {
  if (actual == expected) return;
  char text[256];
  snprintf(text, sizeof(text), "%s is %ld, not %ld", what, actual, expected);
  failed(file, line, text);
}

socklen_t address_of(int fd, struct sockaddr_storage* address) {
  socklen_t length = sizeof(*address);
  CHECK_EQUAL(getsockname(fd, (struct sockaddr*)address, &length), 0);
  return length;
}

int make_listener(int family) {
  const int fd = socket(family, SOCK_STREAM, 0);
  CHECK(fd >= 0);
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const bool is_six = family == AF_INET6;
  const struct sockaddr* address = is_six ? (struct sockaddr*)&six : (struct sockaddr*)&four;
  CHECK_EQUAL(bind(fd, address, is_six ? sizeof(six) : sizeof(four)), 0);
  CHECK_EQUAL(listen(fd, 16), 0);
  return fd;
}

int connect_to(int listener) {
  struct sockaddr_storage address;
  const socklen_t length = address_of(listener, &address);
  const int fd = socket(address.ss_family, SOCK_STREAM, IPPROTO_TCP);
  CHECK(fd >= 0);
  CHECK_EQUAL(connect(fd, (struct sockaddr*)&address, length), 0);
  return fd;
}

void make_pair(int ends[2]) {
  const int listener = make_listener(AF_INET);
  ends[0] = connect_to(listener);
  ends[1] = accept(listener, NULL, NULL);
  CHECK(ends[1] >= 0);
  CHECK_EQUAL(close(listener), 0);
}

void send_all(int fd, const void* octets, size_t length) {
  for (size_t done = 0; done < length;) {
    const ssize_t n = write(fd, (const char*)octets + done, length - done);
    if (n < 0 && errno == EAGAIN) wait_for(fd, POLLOUT);
    CHECK(n >= 0 || errno == EAGAIN);
    if (n > 0) done += (size_t)n;
  }
}

void receive_all(int fd, void* octets, size_t length) {
  for (size_t done = 0; done < length;) {
    const ssize_t n = read(fd, (char*)octets + done, length - done);
    if (n < 0 && errno == EAGAIN) wait_for(fd, POLLIN);
    CHECK(n > 0 || (n < 0 && errno == EAGAIN));
    if (n > 0) done += (size_t)n;
  }
}

void put_text(int fd, const char* text) {
  send_all(fd, text, strlen(text));
}

void expect_text(int fd, const char* text) {
  char seen[256] = "";
  receive_all(fd, seen, strlen(text));
  if (strcmp(seen, text) != 0) failed(seen, 0, text);
}

void expect_end(int fd) {
  char octet;
  wait_for(fd, POLLIN);
  CHECK_EQUAL(read(fd, &octet, 1), 0);
}

void set_nonblocking(int fd, bool on) {
  const int flags = fcntl(fd, F_GETFL);
  CHECK(flags >= 0);
  CHECK_EQUAL(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK), 0);
}

short wait_for(int fd, short events) {
  struct pollfd watched = {.fd = fd, .events = events};
  CHECK_EQUAL(poll(&watched, 1, 20000), 1);
  return watched.revents;
}

char octet_at(size_t place) {
  return (char)(place * 31 + (place >> 8) * 7 + (place >> 16));
}

void make_narrow_pair(int ends[2]) {
  const int room = 16384;
  make_pair(ends);
  for (int i = 0; i < 2; ++i) {
    CHECK_EQUAL(setsockopt(ends[i], SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
    CHECK_EQUAL(setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
  }
}

size_t fill(int fd) {
  static const char nothing[65536];
  size_t sent = 0;
  for (size_t piece = sizeof(nothing);;) {
    const ssize_t n = send(fd, nothing, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
    CHECK(n > 0 || errno == EAGAIN);
    if (n > 0) sent += (size_t)n;
    /* Room may come back while the system hands octets on; a little is left when poll says there is none. */
    struct pollfd watched = {.fd = fd, .events = POLLOUT};
    if (n > 0 || poll(&watched, 1, 100) > 0) continue;
    if (piece == 1) return sent;
    piece = 1;
  }
}

int wait_for_child(pid_t child) {
  int status = 0;
  CHECK_EQUAL(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
