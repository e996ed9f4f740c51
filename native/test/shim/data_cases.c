/* SPDX-License-Identifier: Apache-2.0
 * Octets, by every call there is for them. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "calls.h"

static void gathered_and_scattered(void) {
  int ends[2];
  char a[3], b[5], c[4];
  make_pair(ends);
  struct iovec out[] = {{"one", 3}, {"", 0}, {"-two-", 5}, {"more", 4}};
  CHECK_EQUAL(writev(ends[0], out, 4), 12);
  struct iovec in[] = {{a, 3}, {b, 5}, {c, 4}};
  wait_for(ends[1], POLLIN);
  CHECK_EQUAL(readv(ends[1], in, 3), 12);
  CHECK_EQUAL(memcmp(a, "one", 3) | memcmp(b, "-two-", 5) | memcmp(c, "more", 4), 0);
}

static void addresses_of_a_stream_are_ignored(void) {
  int ends[2];
  char octets[8];
  struct sockaddr_storage from;
  socklen_t length = sizeof(from);
  make_pair(ends);
  struct sockaddr_in to = {.sin_family = AF_INET};
  CHECK_EQUAL(sendto(ends[0], "abc", 3, 0, (struct sockaddr*)&to, sizeof(to)), 3);
  wait_for(ends[1], POLLIN);
  CHECK_EQUAL(recvfrom(ends[1], octets, 8, 0, (struct sockaddr*)&from, &length), 3);
  CHECK_EQUAL(length, 0);
}

static void messages(void) {
  int ends[2];
  char octets[8], control[64];
  struct sockaddr_storage from;
  make_pair(ends);
  struct iovec out[] = {{"ab", 2}, {"cd", 2}};
  struct msghdr sent = {.msg_iov = out, .msg_iovlen = 2};
  CHECK_EQUAL(sendmsg(ends[0], &sent, MSG_NOSIGNAL), 4);
  struct iovec in = {octets, sizeof(octets)};
  struct msghdr got = {.msg_name = &from,
                       .msg_namelen = sizeof(from),
                       .msg_iov = &in,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control),
                       .msg_flags = -1};
  wait_for(ends[1], POLLIN);
  CHECK_EQUAL(recvmsg(ends[1], &got, 0), 4);
  CHECK_EQUAL(memcmp(octets, "abcd", 4), 0);
  CHECK_EQUAL(got.msg_namelen, 0);
  CHECK_EQUAL(got.msg_controllen, 0);
  CHECK_EQUAL(got.msg_flags, 0);
}

static void many_messages(void) {
  int ends[2];
  char a[2], b[2], c[2];
  make_pair(ends);
  struct iovec out[] = {{"ab", 2}, {"cd", 2}};
  struct mmsghdr sent[2] = {{.msg_hdr = {.msg_iov = &out[0], .msg_iovlen = 1}},
                            {.msg_hdr = {.msg_iov = &out[1], .msg_iovlen = 1}}};
  CHECK_EQUAL(sendmmsg(ends[0], sent, 2, 0), 2);
  CHECK_EQUAL(sent[0].msg_len + sent[1].msg_len, 4);
  char all[4];
  CHECK_EQUAL(recv(ends[1], all, 4, MSG_PEEK | MSG_WAITALL), 4);
  struct iovec in[] = {{a, 2}, {b, 2}, {c, 2}};
  struct mmsghdr got[3] = {{.msg_hdr = {.msg_iov = &in[0], .msg_iovlen = 1}},
                           {.msg_hdr = {.msg_iov = &in[1], .msg_iovlen = 1}},
                           {.msg_hdr = {.msg_iov = &in[2], .msg_iovlen = 1}}};
  CHECK_EQUAL(recvmmsg(ends[1], got, 3, MSG_WAITFORONE, NULL), 2);
  CHECK_EQUAL(got[0].msg_len + got[1].msg_len, 4);
  CHECK_EQUAL(memcmp(b, "cd", 2), 0);
  CHECK_ERRNO(recvmmsg(ends[1], got, 3, MSG_DONTWAIT, NULL), EAGAIN);
}

static void peeking_takes_nothing(void) {
  int ends[2];
  char octets[8];
  make_pair(ends);
  put_text(ends[0], "peek");
  wait_for(ends[1], POLLIN);
  CHECK_EQUAL(recv(ends[1], octets, 2, MSG_PEEK), 2);
  CHECK_EQUAL(recv(ends[1], octets, 8, MSG_PEEK), 4);
  CHECK(wait_for(ends[1], POLLIN) & POLLIN);
  expect_text(ends[1], "peek");
}

static void dontwait_does_not_wait(void) {
  int ends[2];
  char octet;
  make_narrow_pair(ends);
  CHECK_ERRNO(recv(ends[1], &octet, 1, MSG_DONTWAIT), EAGAIN);
  CHECK(fill(ends[0]) > 0);
  CHECK_ERRNO(send(ends[0], "x", 1, MSG_DONTWAIT), EAGAIN);
}

static void* put_late(void* end) {
  usleep(20000);
  put_text(*(int*)end, "56789");
  return NULL;
}

static void waitall_waits_for_all(void) {
  int ends[2];
  char octets[10] = "";
  pthread_t late;
  make_pair(ends);
  put_text(ends[0], "01234");
  CHECK_EQUAL(pthread_create(&late, NULL, put_late, &ends[0]), 0);
  CHECK_EQUAL(recv(ends[1], octets, 10, MSG_WAITALL), 10);
  CHECK_EQUAL(memcmp(octets, "0123456789", 10), 0);
  CHECK_EQUAL(pthread_join(late, NULL), 0);
  put_text(ends[0], "end");
  CHECK_EQUAL(shutdown(ends[0], SHUT_WR), 0);
  CHECK_EQUAL(recv(ends[1], octets, 10, MSG_WAITALL), 3);
}

static void trunc_throws_away(void) {
  int ends[2];
  make_pair(ends);
  put_text(ends[0], "waste-keep");
  char octets[10];
  CHECK_EQUAL(recv(ends[1], octets, 10, MSG_PEEK | MSG_WAITALL), 10);
  CHECK_EQUAL(recv(ends[1], NULL, 6, MSG_TRUNC), 6);
  expect_text(ends[1], "keep");
}

static void nothing_is_nothing(void) {
  int ends[2];
  char octet;
  make_pair(ends);
  CHECK_EQUAL(write(ends[0], "", 0), 0);
  CHECK_EQUAL(send(ends[0], NULL, 0, 0), 0);
  CHECK_EQUAL(read(ends[1], &octet, 0), 0);
  CHECK_ERRNO(recv(ends[1], &octet, 1, MSG_DONTWAIT), EAGAIN);
}

static int make_file(size_t length) {
  FILE* file = tmpfile();
  CHECK(file != NULL);
  for (size_t place = 0; place < length; ++place) putc(octet_at(place), file);
  CHECK_EQUAL(fflush(file), 0);
  const int fd = dup(fileno(file));
  CHECK_EQUAL(fclose(file), 0);
  CHECK_EQUAL(lseek(fd, 0, SEEK_SET), 0);
  return fd;
}

static void expect_pattern(int fd, size_t begin, size_t length) {
  char octets[8192];
  for (size_t done = 0; done < length;) {
    const size_t part = length - done < sizeof(octets) ? length - done : sizeof(octets);
    receive_all(fd, octets, part);
    for (size_t i = 0; i < part; ++i) CHECK_EQUAL(octets[i], octet_at(begin + done + i));
    done += part;
  }
}

static void sendfile_from_the_files_place(void) {
  int ends[2];
  make_pair(ends);
  const int file = make_file(20000);
  CHECK_EQUAL(lseek(file, 1000, SEEK_SET), 1000);
  CHECK_EQUAL(sendfile(ends[0], file, NULL, 5000), 5000);
  CHECK_EQUAL(lseek(file, 0, SEEK_CUR), 6000);
  expect_pattern(ends[1], 1000, 5000);
  CHECK_EQUAL(sendfile(ends[0], file, NULL, 1 << 20), 14000);
  CHECK_EQUAL(sendfile(ends[0], file, NULL, 10), 0);
  expect_pattern(ends[1], 6000, 14000);
}

static void sendfile_from_an_offset(void) {
  int ends[2];
  off_t offset = 300;
  make_pair(ends);
  const int file = make_file(20000);
  CHECK_EQUAL(sendfile(ends[0], file, &offset, 700), 700);
  CHECK_EQUAL(offset, 1000);
  CHECK_EQUAL(lseek(file, 0, SEEK_CUR), 0);
  expect_pattern(ends[1], 300, 700);
  CHECK_ERRNO(sendfile(ends[0], 9999, &offset, 1), EBADF);
}

static void sendfile_stops_when_full(void) {
  int ends[2];
  make_pair(ends);
  const size_t whole = 8 << 20;
  const int file = make_file(whole);
  set_nonblocking(ends[0], true);
  off_t offset = 0;
  while (sendfile(ends[0], file, &offset, whole - (size_t)offset) > 0) {
  }
  CHECK_EQUAL(errno, EAGAIN);
  CHECK(offset > 0 && (size_t)offset < whole);
  expect_pattern(ends[1], 0, (size_t)offset);
  CHECK(wait_for(ends[0], POLLOUT) & POLLOUT);
}

static void splice_from_a_pipe(void) {
  int ends[2], pipes[2];
  make_pair(ends);
  CHECK_EQUAL(pipe(pipes), 0);
  put_text(pipes[1], "through the pipe");
  CHECK_EQUAL(splice(pipes[0], NULL, ends[0], NULL, 7, 0), 7);
  CHECK_EQUAL(splice(pipes[0], NULL, ends[0], NULL, 4096, SPLICE_F_MOVE), 9);
  expect_text(ends[1], "through the pipe");
  CHECK_ERRNO(splice(pipes[0], NULL, ends[0], NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
  CHECK_EQUAL(close(pipes[1]), 0);
  CHECK_EQUAL(splice(pipes[0], NULL, ends[0], NULL, 1, 0), 0);
}

static void splice_from_a_pipe_loses_nothing(void) {
  int ends[2], pipes[2];
  make_narrow_pair(ends);
  CHECK_EQUAL(pipe(pipes), 0);
  set_nonblocking(ends[0], true);
  const size_t filled = fill(ends[0]);
  put_text(pipes[1], "kept");
  CHECK_ERRNO(splice(pipes[0], NULL, ends[0], NULL, 4, SPLICE_F_NONBLOCK), EAGAIN);
  char* waste = malloc(filled);
  receive_all(ends[1], waste, filled);
  free(waste);
  wait_for(ends[0], POLLOUT);
  CHECK_EQUAL(splice(pipes[0], NULL, ends[0], NULL, 4, SPLICE_F_NONBLOCK), 4);
  expect_text(ends[1], "kept");
}

static void splice_into_a_pipe(void) {
  int ends[2], pipes[2];
  make_pair(ends);
  CHECK_EQUAL(pipe(pipes), 0);
  put_text(ends[0], "into the pipe");
  wait_for(ends[1], POLLIN);
  CHECK_EQUAL(splice(ends[1], NULL, pipes[1], NULL, 4096, 0), 13);
  expect_text(pipes[0], "into the pipe");
  set_nonblocking(ends[1], true);
  CHECK_ERRNO(splice(ends[1], NULL, pipes[1], NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
  CHECK_EQUAL(shutdown(ends[0], SHUT_WR), 0);
  wait_for(ends[1], POLLIN);
  CHECK_EQUAL(splice(ends[1], NULL, pipes[1], NULL, 1, 0), 0);
}

static const size_t stream_octets = 24 << 20;

static void* send_stream(void* end) {
  char octets[70000];
  for (size_t done = 0; done < stream_octets;) {
    size_t part = 1 + (done * 7919) % sizeof(octets);
    if (part > stream_octets - done) part = stream_octets - done;
    for (size_t i = 0; i < part; ++i) octets[i] = octet_at(done + i);
    send_all(*(int*)end, octets, part);
    done += part;
  }
  CHECK_EQUAL(shutdown(*(int*)end, SHUT_WR), 0);
  return NULL;
}

static void* receive_stream(void* end) {
  expect_pattern(*(int*)end, 0, stream_octets);
  expect_end(*(int*)end);
  return NULL;
}

/* Both directions at once, two threads on each descriptor. */
static void streams_arrive_whole(bool nonblocking) {
  int ends[2];
  pthread_t threads[4];
  make_pair(ends);
  for (int i = 0; i < 2; ++i) set_nonblocking(ends[i], nonblocking);
  for (int i = 0; i < 2; ++i) {
    CHECK_EQUAL(pthread_create(&threads[2 * i], NULL, send_stream, &ends[i]), 0);
    CHECK_EQUAL(pthread_create(&threads[2 * i + 1], NULL, receive_stream, &ends[i]), 0);
  }
  for (int i = 0; i < 4; ++i) CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
}

static void streams_arrive_whole_blocking(void) {
  streams_arrive_whole(false);
}
static void streams_arrive_whole_nonblocking(void) {
  streams_arrive_whole(true);
}

static void* send_letters(void* end) {
  char letters[64];
  memset(letters, 'a' + ((int*)end)[1], sizeof(letters));
  for (int i = 0; i < 2000; ++i) CHECK_EQUAL(send(*(int*)end, letters, sizeof(letters), 0), sizeof(letters));
  return NULL;
}

static void several_threads_may_send(void) {
  int ends[2], counts[4] = {0};
  pthread_t threads[4];
  int arguments[4][2];
  make_pair(ends);
  for (int i = 0; i < 4; ++i) {
    arguments[i][0] = ends[0];
    arguments[i][1] = i;
    CHECK_EQUAL(pthread_create(&threads[i], NULL, send_letters, arguments[i]), 0);
  }
  for (size_t left = 4 * 2000 * 64; left > 0;) {
    char octets[4096];
    const ssize_t n = read(ends[1], octets, left < sizeof(octets) ? left : sizeof(octets));
    CHECK(n > 0);
    for (ssize_t i = 0; i < n; ++i) ++counts[octets[i] - 'a'];
    left -= (size_t)n;
  }
  for (int i = 0; i < 4; ++i) CHECK_EQUAL(counts[i], 2000 * 64);
  for (int i = 0; i < 4; ++i) CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
}

const struct test_case data_cases[] = {
    {"gathered and scattered", gathered_and_scattered},
    {"addresses of a stream are ignored", addresses_of_a_stream_are_ignored},
    {"messages", messages},
    {"many messages", many_messages},
    {"peeking takes nothing", peeking_takes_nothing},
    {"MSG_DONTWAIT does not wait", dontwait_does_not_wait},
    {"MSG_WAITALL waits for all", waitall_waits_for_all},
    {"MSG_TRUNC throws away", trunc_throws_away},
    {"nothing is nothing", nothing_is_nothing},
    {"sendfile from the file's place", sendfile_from_the_files_place},
    {"sendfile from an offset", sendfile_from_an_offset},
    {"sendfile stops when full", sendfile_stops_when_full},
    {"splice from a pipe", splice_from_a_pipe},
    {"splice from a pipe loses nothing", splice_from_a_pipe_loses_nothing},
    {"splice into a pipe", splice_into_a_pipe},
    {"streams arrive whole, blocking", streams_arrive_whole_blocking},
    {"streams arrive whole, non-blocking", streams_arrive_whole_nonblocking},
    {"several threads may send", several_threads_may_send},
    {NULL, NULL},
};
