/* SPDX-License-Identifier: Apache-2.0
 * epoll, poll and select, with offloaded descriptors beside others. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <time.h>

#include "calls.h"

enum { kPatienceMs = 20000, kNothingMs = 30 };

static int make_set(void) {
  const int set = epoll_create1(EPOLL_CLOEXEC);
  CHECK(set >= 0);
  return set;
}

static void watch(int set, int fd, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  CHECK_EQUAL(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
}

/* The next event is of `fd`; returns what it says. */
static uint32_t next_of(int set, int fd) {
  struct epoll_event event;
  CHECK_EQUAL(epoll_wait(set, &event, 1, kPatienceMs), 1);
  CHECK_EQUAL(event.data.fd, fd);
  return event.events;
}

static void expect_quiet(int set) {
  struct epoll_event event;
  CHECK_EQUAL(epoll_wait(set, &event, 1, kNothingMs), 0);
}

static void level_triggered(void) {
  int ends[2];
  make_pair(ends);
  const int set = make_set();
  watch(set, ends[0], EPOLLIN);
  expect_quiet(set);
  put_text(ends[1], "ab");
  CHECK_EQUAL(next_of(set, ends[0]), EPOLLIN);
  expect_text(ends[0], "a");
  CHECK_EQUAL(next_of(set, ends[0]), EPOLLIN);
  expect_text(ends[0], "b");
  char octet;
  CHECK_ERRNO(recv(ends[0], &octet, 1, MSG_DONTWAIT), EAGAIN);
  expect_quiet(set);
  put_text(ends[1], "c");
  CHECK_EQUAL(next_of(set, ends[0]), EPOLLIN);
}

static void edge_triggered(void) {
  int ends[2];
  char octet;
  make_pair(ends);
  set_nonblocking(ends[0], true);
  const int set = make_set();
  watch(set, ends[0], EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP);
  CHECK_EQUAL(next_of(set, ends[0]), EPOLLOUT);
  expect_quiet(set);
  for (int round = 0; round < 100; ++round) {
    put_text(ends[1], "x");
    CHECK(next_of(set, ends[0]) & EPOLLIN);
    CHECK_EQUAL(read(ends[0], &octet, 1), 1);
    CHECK_ERRNO(read(ends[0], &octet, 1), EAGAIN);
  }
  expect_quiet(set);
  CHECK_EQUAL(shutdown(ends[1], SHUT_WR), 0);
  CHECK(next_of(set, ends[0]) & EPOLLRDHUP);
  CHECK_EQUAL(read(ends[0], &octet, 1), 0);
}

static void writable_again_is_an_edge(void) {
  int ends[2];
  char waste[65536];
  make_narrow_pair(ends);
  set_nonblocking(ends[0], true);
  const int set = make_set();
  watch(set, ends[0], EPOLLOUT | EPOLLET);
  CHECK_EQUAL(next_of(set, ends[0]), EPOLLOUT);
  size_t left = fill(ends[0]);
  struct epoll_event event;
  while (epoll_wait(set, &event, 1, 0) > 0) {
  }
  CHECK_ERRNO(send(ends[0], "x", 1, MSG_DONTWAIT), EAGAIN);
  for (; left > 0;) {
    const ssize_t n = read(ends[1], waste, left < sizeof(waste) ? left : sizeof(waste));
    CHECK(n > 0);
    left -= (size_t)n;
  }
  CHECK_EQUAL(next_of(set, ends[0]), EPOLLOUT);
  CHECK_EQUAL(send(ends[0], "x", 1, MSG_DONTWAIT), 1);
}

static void one_shot(void) {
  int ends[2];
  make_pair(ends);
  const int set = make_set();
  watch(set, ends[0], EPOLLIN | EPOLLONESHOT);
  put_text(ends[1], "x");
  CHECK_EQUAL(next_of(set, ends[0]), EPOLLIN);
  expect_quiet(set);
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = ends[0]};
  CHECK_EQUAL(epoll_ctl(set, EPOLL_CTL_MOD, ends[0], &event), 0);
  CHECK_EQUAL(next_of(set, ends[0]), EPOLLIN);
  expect_quiet(set);
}

static void mixed_with_others(void) {
  int ends[2], pipes[2];
  uint64_t one = 1;
  make_pair(ends);
  CHECK_EQUAL(pipe(pipes), 0);
  const int counter = eventfd(0, 0);
  const int listener = make_listener(AF_INET);
  const int set = make_set();
  watch(set, ends[0], EPOLLIN);
  watch(set, pipes[0], EPOLLIN);
  watch(set, counter, EPOLLIN);
  watch(set, listener, EPOLLIN);
  CHECK_EQUAL(write(counter, &one, sizeof(one)), sizeof(one));
  CHECK_EQUAL(next_of(set, counter), EPOLLIN);
  CHECK_EQUAL(read(counter, &one, sizeof(one)), sizeof(one));
  put_text(pipes[1], "p");
  CHECK_EQUAL(next_of(set, pipes[0]), EPOLLIN);
  expect_text(pipes[0], "p");
  put_text(ends[1], "s");
  CHECK_EQUAL(next_of(set, ends[0]), EPOLLIN);
  expect_text(ends[0], "s");
  char octet;
  CHECK_ERRNO(recv(ends[0], &octet, 1, MSG_DONTWAIT), EAGAIN);
  const int fd = connect_to(listener);
  CHECK_EQUAL(next_of(set, listener), EPOLLIN);
  const int accepted = accept(listener, NULL, NULL);
  put_text(fd, "all");
  expect_text(accepted, "all");
  expect_quiet(set);
}

static void nested(void) {
  int ends[2];
  make_pair(ends);
  const int inner = make_set(), outer = make_set();
  watch(inner, ends[0], EPOLLIN);
  watch(outer, inner, EPOLLIN);
  expect_quiet(outer);
  put_text(ends[1], "x");
  CHECK_EQUAL(next_of(outer, inner), EPOLLIN);
  CHECK_EQUAL(next_of(inner, ends[0]), EPOLLIN);
  expect_text(ends[0], "x");
  char octet;
  CHECK_ERRNO(recv(ends[0], &octet, 1, MSG_DONTWAIT), EAGAIN);
  expect_quiet(outer);
}

static void in_several_sets(void) {
  int ends[2];
  make_pair(ends);
  const int one = make_set(), other = make_set();
  watch(one, ends[0], EPOLLIN);
  watch(other, ends[0], EPOLLIN | EPOLLET);
  put_text(ends[1], "x");
  CHECK_EQUAL(next_of(one, ends[0]), EPOLLIN);
  CHECK_EQUAL(next_of(other, ends[0]), EPOLLIN);
  expect_quiet(other);
}

static void inherited_by_fork(void) {
  int ends[2];
  make_pair(ends);
  const int set = make_set();
  watch(set, ends[0], EPOLLIN);
  const pid_t child = fork();
  if (child == 0) {
    CHECK_EQUAL(next_of(set, ends[0]), EPOLLIN);
    expect_text(ends[0], "to the child");
    put_text(ends[0], "from the child");
    _exit(0);
  }
  put_text(ends[1], "to the child");
  expect_text(ends[1], "from the child");
  CHECK_EQUAL(wait_for_child(child), 0);
}

static void closing_leaves_the_set(void) {
  int ends[2];
  make_pair(ends);
  const int set = make_set();
  watch(set, ends[0], EPOLLIN);
  put_text(ends[1], "x");
  CHECK_EQUAL(next_of(set, ends[0]), EPOLLIN);
  CHECK_EQUAL(close(ends[0]), 0);
  expect_quiet(set);
}

static void hang_ups(void) {
  int ends[2];
  make_pair(ends);
  const int set = make_set();
  watch(set, ends[0], EPOLLIN | EPOLLRDHUP);
  CHECK_EQUAL(close(ends[1]), 0);
  CHECK_EQUAL(next_of(set, ends[0]) & (EPOLLIN | EPOLLRDHUP), EPOLLIN | EPOLLRDHUP);
  expect_end(ends[0]);
}

static void waiting_with_a_mask_and_nanoseconds(void) {
  int ends[2];
  sigset_t mask;
  struct epoll_event event;
  const struct timespec patience = {.tv_sec = 20};
  const struct timespec moment = {.tv_nsec = 1000000};
  make_pair(ends);
  sigemptyset(&mask);
  const int set = make_set();
  watch(set, ends[0], EPOLLIN);
  CHECK_EQUAL(epoll_pwait(set, &event, 1, 1, &mask), 0);
  CHECK_EQUAL(epoll_pwait2(set, &event, 1, &moment, &mask), 0);
  put_text(ends[1], "x");
  CHECK_EQUAL(epoll_pwait2(set, &event, 1, &patience, &mask), 1);
  CHECK_EQUAL(epoll_pwait(set, &event, 1, kPatienceMs, NULL), 1);
}

static void poll_and_ppoll(void) {
  int ends[2], pipes[2];
  const struct timespec patience = {.tv_sec = 20};
  make_pair(ends);
  CHECK_EQUAL(pipe(pipes), 0);
  struct pollfd watched[] = {{ends[0], POLLIN | POLLOUT, 0}, {pipes[0], POLLIN, 0}, {-1, POLLIN, 0}};
  CHECK_EQUAL(poll(watched, 3, kPatienceMs), 1);
  CHECK_EQUAL(watched[0].revents, POLLOUT);
  put_text(ends[1], "x");
  wait_for(ends[0], POLLIN);
  put_text(pipes[1], "p");
  CHECK_EQUAL(ppoll(watched, 3, &patience, NULL), 2);
  CHECK_EQUAL(watched[0].revents, POLLIN | POLLOUT);
  CHECK_EQUAL(watched[1].revents, POLLIN);
}

static void select_and_pselect(void) {
  int ends[2];
  fd_set readable, writable;
  const struct timespec patience = {.tv_sec = 20};
  make_pair(ends);
  FD_ZERO(&readable);
  FD_ZERO(&writable);
  FD_SET(ends[0], &readable);
  FD_SET(ends[0], &writable);
  const int end = ends[0] + 1;
  CHECK_EQUAL(select(end, &readable, &writable, NULL, NULL), 1);
  CHECK(!FD_ISSET(ends[0], &readable) && FD_ISSET(ends[0], &writable));
  put_text(ends[1], "x");
  FD_SET(ends[0], &readable);
  CHECK_EQUAL(pselect(end, &readable, NULL, NULL, &patience, NULL), 1);
  CHECK(FD_ISSET(ends[0], &readable));
}

const struct test_case readiness_cases[] = {
    {"level-triggered", level_triggered},
    {"edge-triggered", edge_triggered},
    {"writable again is an edge", writable_again_is_an_edge},
    {"one-shot", one_shot},
    {"mixed with others in one set", mixed_with_others},
    {"nested sets", nested},
    {"in several sets", in_several_sets},
    {"a set inherited by fork", inherited_by_fork},
    {"closing leaves the set", closing_leaves_the_set},
    {"hang-ups", hang_ups},
    {"waiting with a mask and nanoseconds", waiting_with_a_mask_and_nanoseconds},
    {"poll and ppoll", poll_and_ppoll},
    {"select and pselect", select_and_pselect},
    {NULL, NULL},
};
