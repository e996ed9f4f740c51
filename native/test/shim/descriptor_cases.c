/* SPDX-License-Identifier: Apache-2.0
 * Descriptors made, copied, asked and closed. */
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "calls.h"

static void dup_shares_the_connection(void) {
  int ends[2];
  make_pair(ends);
  const int copy = dup(ends[0]);
  put_text(copy, "by the copy");
  expect_text(ends[1], "by the copy");
  CHECK_EQUAL(close(ends[0]), 0);
  put_text(ends[1], "still here");
  expect_text(copy, "still here");
  put_text(copy, "indeed");
  expect_text(ends[1], "indeed");
  CHECK_EQUAL(close(copy), 0);
  expect_end(ends[1]);
}

static void closing_the_copy_keeps_the_original(void) {
  int ends[2];
  make_pair(ends);
  CHECK_EQUAL(close(dup(ends[0])), 0);
  put_text(ends[0], "original");
  expect_text(ends[1], "original");
}

static void dup2_ends_what_it_replaces(void) {
  int one[2], two[2];
  make_pair(one);
  make_pair(two);
  CHECK_EQUAL(dup2(one[0], two[0]), two[0]);
  expect_end(two[1]);
  put_text(two[0], "one");
  expect_text(one[1], "one");
  CHECK_EQUAL(close(one[0]), 0);
  put_text(one[1], "by its copy");
  expect_text(two[0], "by its copy");
}

static void dup2_puts_a_file_over_a_connection(void) {
  int ends[2];
  make_pair(ends);
  const int null = open("/dev/null", O_RDONLY);
  CHECK_EQUAL(dup2(null, ends[0]), ends[0]);
  expect_end(ends[1]);
  char octet;
  CHECK_EQUAL(read(ends[0], &octet, 1), 0);
}

static void dup2_of_nothing_changes_nothing(void) {
  int ends[2];
  make_pair(ends);
  CHECK_ERRNO(dup2(9999, ends[0]), EBADF);
  CHECK_EQUAL(dup2(ends[0], ends[0]), ends[0]);
  CHECK_ERRNO(dup3(ends[0], ends[0], 0), EINVAL);
  put_text(ends[0], "as before");
  expect_text(ends[1], "as before");
}

static void copies_have_the_number_and_flags_asked_for(void) {
  int ends[2];
  make_pair(ends);
  const int high = fcntl(ends[0], F_DUPFD, 200);
  CHECK(high >= 200);
  CHECK_EQUAL(fcntl(high, F_GETFD), 0);
  const int closed_by_exec = fcntl(ends[0], F_DUPFD_CLOEXEC, 300);
  CHECK(closed_by_exec >= 300);
  CHECK_EQUAL(fcntl(closed_by_exec, F_GETFD), FD_CLOEXEC);
  CHECK_EQUAL(dup3(ends[0], 400, O_CLOEXEC), 400);
  CHECK_EQUAL(fcntl(400, F_GETFD), FD_CLOEXEC);
  CHECK_EQUAL(close(ends[0]), 0);
  put_text(high, "a");
  put_text(closed_by_exec, "b");
  put_text(400, "c");
  expect_text(ends[1], "abc");
}

static void nonblocking_by_fcntl_and_by_ioctl(void) {
  int ends[2], on = 1, off = 0;
  char octet;
  make_pair(ends);
  set_nonblocking(ends[0], true);
  CHECK_ERRNO(read(ends[0], &octet, 1), EAGAIN);
  CHECK(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
  CHECK_EQUAL(ioctl(ends[0], FIONBIO, &off), 0);
  CHECK(!(fcntl(ends[0], F_GETFL) & O_NONBLOCK));
  put_text(ends[1], "x");
  expect_text(ends[0], "x");
  CHECK_EQUAL(ioctl(ends[0], FIONBIO, &on), 0);
  CHECK_ERRNO(read(ends[0], &octet, 1), EAGAIN);
  const int copy = dup(ends[0]);
  CHECK_ERRNO(read(copy, &octet, 1), EAGAIN);
}

static void flags_of_socket_and_accept4(void) {
  const int listener = make_listener(AF_INET);
  char octet;
  const int plain = connect_to(listener);
  CHECK_EQUAL(fcntl(plain, F_GETFD), 0);
  const int flagged = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  CHECK_EQUAL(fcntl(flagged, F_GETFD), FD_CLOEXEC);
  CHECK(fcntl(flagged, F_GETFL) & O_NONBLOCK);
  const int accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  CHECK(accepted >= 0);
  CHECK_EQUAL(fcntl(accepted, F_GETFD), FD_CLOEXEC);
  CHECK_ERRNO(read(accepted, &octet, 1), EAGAIN);
  CHECK_ERRNO(accept4(listener, NULL, NULL, 0x1234), EINVAL);
  /* Linux does not hand O_NONBLOCK on from the listener. */
  set_nonblocking(listener, true);
  CHECK_ERRNO(accept(listener, NULL, NULL), EAGAIN);
  (void)connect_to(listener);
  wait_for(listener, POLLIN);
  const int other = accept(listener, NULL, NULL);
  CHECK(!(fcntl(other, F_GETFL) & O_NONBLOCK));
}

static void ioctl_counts_octets(void) {
  int ends[2], waiting = -1, queued = -1;
  make_pair(ends);
  CHECK_EQUAL(ioctl(ends[1], FIONREAD, &waiting), 0);
  CHECK_EQUAL(waiting, 0);
  put_text(ends[0], "seven!!");
  wait_for(ends[1], POLLIN);
  CHECK_EQUAL(ioctl(ends[1], FIONREAD, &waiting), 0);
  CHECK_EQUAL(waiting, 7);
  expect_text(ends[1], "seven!!");
  do {
    CHECK_EQUAL(ioctl(ends[0], SIOCOUTQ, &queued), 0);
  } while (queued > 0);
  CHECK_EQUAL(queued, 0);
}

static void closing_frees_the_number(void) {
  int ends[2];
  make_pair(ends);
  CHECK_EQUAL(close(ends[0]), 0);
  CHECK_ERRNO(close(ends[0]), EBADF);
  CHECK_ERRNO(write(ends[0], "x", 1), EBADF);
  expect_end(ends[1]);
  int file = -1;
  while (file != ends[0]) file = open("/dev/zero", O_RDONLY);
  char octet = 1;
  CHECK_EQUAL(read(file, &octet, 1), 1);
  CHECK_EQUAL(octet, 0);
}

static void close_by_syscall(void) {
  int ends[2];
  make_pair(ends);
  CHECK_EQUAL(syscall(SYS_close, ends[0]), 0);
  expect_end(ends[1]);
  CHECK_ERRNO(read(ends[0], ends, 1), EBADF);
}

static void close_range_ends_connections(void) {
  int one[2], two[2];
  make_pair(one);
  make_pair(two);
  CHECK_EQUAL(dup2(one[0], 500), 500);
  CHECK_EQUAL(dup2(two[0], 501), 501);
  CHECK_EQUAL(close(one[0]), 0);
  CHECK_EQUAL(close(two[0]), 0);
  CHECK_EQUAL(close_range(500, 500, 0), 0);
  expect_end(one[1]);
  put_text(501, "spared");
  expect_text(two[1], "spared");
  closefrom(500);
  expect_end(two[1]);
}

static void close_range_may_only_mark(void) {
  int ends[2];
  make_pair(ends);
  CHECK_EQUAL(dup2(ends[0], 500), 500);
  CHECK_EQUAL(close(ends[0]), 0);
  CHECK_EQUAL(close_range(500, 510, CLOSE_RANGE_CLOEXEC), 0);
  CHECK_EQUAL(fcntl(500, F_GETFD), FD_CLOEXEC);
  put_text(500, "open");
  expect_text(ends[1], "open");
}

static void streams_of_stdio(void) {
  int ends[2];
  char line[64];
  make_pair(ends);
  FILE* in = fdopen(dup(ends[0]), "r");
  FILE* out = fdopen(ends[0], "w");
  CHECK(in && out);
  CHECK_EQUAL(fileno(out), ends[0]);
  CHECK(fprintf(out, "%s %d\n", "line", 1) > 0);
  CHECK_EQUAL(fflush(out), 0);
  expect_text(ends[1], "line 1\n");
  put_text(ends[1], "first\nsecond\n");
  CHECK(fgets(line, sizeof(line), in) && strcmp(line, "first\n") == 0);
  CHECK(fgets(line, sizeof(line), in) && strcmp(line, "second\n") == 0);
  CHECK_EQUAL(fclose(in), 0);
  CHECK(fputs("last", out) >= 0);
  CHECK_EQUAL(fclose(out), 0);
  expect_text(ends[1], "last");
  expect_end(ends[1]);
}

static void dprintf_writes(void) {
  int ends[2];
  make_pair(ends);
  CHECK_EQUAL(dprintf(ends[0], "%d-%s", 12, "x"), 4);
  expect_text(ends[1], "12-x");
}

static int option(int fd, int level, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  CHECK_EQUAL(getsockopt(fd, level, name, &value, &length), 0);
  CHECK_EQUAL(length, sizeof(value));
  return value;
}

static void options_answer_as_tcp(void) {
  const int listener = make_listener(AF_INET);
  const int fd = connect_to(listener);
  CHECK_EQUAL(option(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
  CHECK_EQUAL(option(fd, SOL_SOCKET, SO_DOMAIN), AF_INET);
  CHECK_EQUAL(option(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
  CHECK_EQUAL(option(fd, SOL_SOCKET, SO_ERROR), 0);
  CHECK_EQUAL(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
  CHECK_EQUAL(option(listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
  CHECK(option(fd, SOL_SOCKET, SO_RCVBUF) > 0);
  CHECK(option(fd, SOL_SOCKET, SO_SNDBUF) > 0);
  CHECK(option(fd, IPPROTO_TCP, TCP_MAXSEG) > 0);
  int on = 1;
  CHECK_EQUAL(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
  CHECK_EQUAL(option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
  CHECK_EQUAL(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)), 0);
  CHECK_EQUAL(option(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
  int room = 65536;
  CHECK_EQUAL(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)), 0);
  struct tcp_info info;
  socklen_t length = sizeof(info);
  CHECK_EQUAL(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
  CHECK_EQUAL(info.tcpi_state, TCP_ESTABLISHED);
  char congestion[16];
  length = sizeof(congestion);
  CHECK_EQUAL(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, &length), 0);
  CHECK_ERRNO(getsockopt(fd, IPPROTO_TCP, 999, &on, &length), ENOPROTOOPT);
  CHECK_ERRNO(setsockopt(fd, IPPROTO_TCP, 999, &on, sizeof(on)), ENOPROTOOPT);
}

static void names_of_both_ends(int family) {
  struct sockaddr_storage ours, theirs, told;
  memset(&told, 0, sizeof(told));
  const int listener = make_listener(family);
  const int one = connect_to(listener);
  socklen_t length = sizeof(told);
  const int other = accept(listener, (struct sockaddr*)&told, &length);
  CHECK_EQUAL(told.ss_family, family);
  const socklen_t own = address_of(one, &ours);
  CHECK_EQUAL(length, own);
  CHECK_EQUAL(memcmp(&ours, &told, own), 0);
  length = sizeof(theirs);
  CHECK_EQUAL(getpeername(one, (struct sockaddr*)&theirs, &length), 0);
  address_of(other, &ours);
  CHECK_EQUAL(memcmp(&ours, &theirs, own), 0);
  address_of(listener, &ours);
  CHECK_EQUAL(memcmp(&ours, &theirs, own), 0);
  length = 4; /* too little room: cut, and the whole length told */
  CHECK_EQUAL(getpeername(one, (struct sockaddr*)&theirs, &length), 0);
  CHECK_EQUAL(length, own);
  length = sizeof(theirs);
  CHECK_ERRNO(getpeername(listener, (struct sockaddr*)&theirs, &length), ENOTCONN);
}

static void names_over_ipv4(void) {
  names_of_both_ends(AF_INET);
}
static void names_over_ipv6(void) {
  names_of_both_ends(AF_INET6);
}

static void it_is_a_socket(void) {
  int ends[2];
  make_pair(ends);
  struct stat facts;
  CHECK_EQUAL(fstat(ends[0], &facts), 0);
  CHECK(S_ISSOCK(facts.st_mode));
  CHECK_ERRNO(lseek(ends[0], 0, SEEK_CUR), ESPIPE);
}

static void other_sockets_are_left_alone(void) {
  int local[2], kind = 0;
  socklen_t length = sizeof(kind);
  CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, local), 0);
  put_text(local[0], "local");
  expect_text(local[1], "local");
  const int udp = socket(AF_INET, SOCK_DGRAM, 0);
  CHECK_EQUAL(getsockopt(udp, SOL_SOCKET, SO_TYPE, &kind, &length), 0);
  CHECK_EQUAL(kind, SOCK_DGRAM);
  struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  CHECK_EQUAL(bind(udp, (struct sockaddr*)&self, sizeof(self)), 0);
  length = sizeof(self);
  CHECK_EQUAL(getsockname(udp, (struct sockaddr*)&self, &length), 0);
  CHECK_EQUAL(sendto(udp, "datagram", 8, 0, (struct sockaddr*)&self, sizeof(self)), 8);
  expect_text(udp, "datagram");
  CHECK_ERRNO(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
}

static void listeners_say_what_is_wrong(void) {
  struct sockaddr_storage address;
  const int listener = make_listener(AF_INET);
  const socklen_t length = address_of(listener, &address);
  const int second = socket(AF_INET, SOCK_STREAM, 0);
  CHECK_ERRNO(bind(second, (struct sockaddr*)&address, length), EADDRINUSE);
  struct sockaddr_in elsewhere = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xC0000201)};
  CHECK_ERRNO(bind(second, (struct sockaddr*)&elsewhere, sizeof(elsewhere)), EADDRNOTAVAIL);
  CHECK_ERRNO(bind(listener, (struct sockaddr*)&address, length), EINVAL);
  CHECK_ERRNO(accept(second, NULL, NULL), EINVAL);
  /* The number of a closed listener's port can be had again at once. */
  CHECK_EQUAL(close(listener), 0);
  CHECK_EQUAL(bind(second, (struct sockaddr*)&address, length), 0);
  CHECK_EQUAL(listen(second, 1), 0);
}

const struct test_case descriptor_cases[] = {
    {"dup shares the connection", dup_shares_the_connection},
    {"closing the copy keeps the original", closing_the_copy_keeps_the_original},
    {"dup2 ends what it replaces", dup2_ends_what_it_replaces},
    {"dup2 puts a file over a connection", dup2_puts_a_file_over_a_connection},
    {"dup2 of nothing changes nothing", dup2_of_nothing_changes_nothing},
    {"copies have the number and flags asked for", copies_have_the_number_and_flags_asked_for},
    {"non-blocking by fcntl and by ioctl", nonblocking_by_fcntl_and_by_ioctl},
    {"flags of socket and accept4", flags_of_socket_and_accept4},
    {"ioctl counts octets", ioctl_counts_octets},
    {"closing frees the number", closing_frees_the_number},
    {"close by syscall", close_by_syscall},
    {"close_range and closefrom end connections", close_range_ends_connections},
    {"close_range may only mark", close_range_may_only_mark},
    {"streams of stdio", streams_of_stdio},
    {"dprintf writes", dprintf_writes},
    {"options answer as TCP", options_answer_as_tcp},
    {"names over IPv4", names_over_ipv4},
    {"names over IPv6", names_over_ipv6},
    {"it is a socket", it_is_a_socket},
    {"other sockets are left alone", other_sockets_are_left_alone},
    {"listeners say what is wrong", listeners_say_what_is_wrong},
    {NULL, NULL},
};
