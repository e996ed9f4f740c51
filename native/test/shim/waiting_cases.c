/* SPDX-License-Identifier: Apache-2.0
 * Calls that wait, and what ends the waiting: signals, time-outs, other threads. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "calls.h"

static volatile sig_atomic_t signals;
static void note(int signal) {
  (void)signal;
  ++signals;
}

/* SIGUSR1 to this thread again and again, since it cannot be seen whether the call waits already. */
static void* poke(void* target) {
  while (signals < 20) {
    usleep(5000);
    if (pthread_kill(*(pthread_t*)target, SIGUSR1) != 0) break;
  }
  return NULL;
}

static pthread_t self, poker;

static void be_poked(int flags) {
  struct sigaction action = {.sa_handler = note, .sa_flags = flags};
  CHECK_EQUAL(sigaction(SIGUSR1, &action, NULL), 0);
  self = pthread_self();
  CHECK_EQUAL(pthread_create(&poker, NULL, poke, &self), 0);
}

static void a_signal_interrupts_recv(void) {
  int ends[2];
  char octet;
  make_pair(ends);
  be_poked(0);
  CHECK_ERRNO(recv(ends[0], &octet, 1, 0), EINTR);
}

static void a_signal_interrupts_accept(void) {
  const int listener = make_listener(AF_INET);
  be_poked(0);
  CHECK_ERRNO(accept(listener, NULL, NULL), EINTR);
}

static void a_signal_interrupts_send(void) {
  int ends[2];
  make_narrow_pair(ends);
  fill(ends[0]);
  be_poked(0);
  CHECK_ERRNO(send(ends[0], "x", 1, 0), EINTR);
}

static void* answer_after_signals(void* end) {
  while (signals < 20) usleep(1000);
  put_text(*(int*)end, "x");
  return NULL;
}

static void recv_is_restarted(void) {
  int ends[2];
  pthread_t answerer;
  make_pair(ends);
  be_poked(SA_RESTART);
  CHECK_EQUAL(pthread_create(&answerer, NULL, answer_after_signals, &ends[1]), 0);
  expect_text(ends[0], "x");
  CHECK_EQUAL(pthread_join(answerer, NULL), 0);
}

static size_t filled;
static void* drain_after_signals(void* end) {
  static char waste[1 << 20];
  while (signals < 20) usleep(1000);
  for (size_t left = filled + 1; left > 0;) {
    const ssize_t n = read(*(int*)end, waste, left < sizeof(waste) ? left : sizeof(waste));
    CHECK(n > 0);
    left -= (size_t)n;
  }
  return NULL;
}

static void send_is_restarted(void) {
  int ends[2];
  pthread_t drainer;
  make_narrow_pair(ends);
  filled = fill(ends[0]);
  be_poked(SA_RESTART);
  CHECK_EQUAL(pthread_create(&drainer, NULL, drain_after_signals, &ends[1]), 0);
  CHECK_EQUAL(send(ends[0], "x", 1, 0), 1);
  CHECK_EQUAL(pthread_join(drainer, NULL), 0);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void receiving_times_out(void) {
  int ends[2];
  char octet;
  make_pair(ends);
  const struct timeval limit = {.tv_usec = 60000};
  struct timeval kept;
  socklen_t length = sizeof(kept);
  CHECK_EQUAL(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
  CHECK_EQUAL(getsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &kept, &length), 0);
  CHECK_EQUAL(kept.tv_usec, 60000);
  const double begin = seconds();
  CHECK_ERRNO(recv(ends[0], &octet, 1, 0), EAGAIN);
  CHECK(seconds() - begin > 0.05);
}

static void sending_times_out(void) {
  int ends[2];
  make_narrow_pair(ends);
  const struct timeval limit = {.tv_usec = 60000};
  CHECK_EQUAL(setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
  fill(ends[0]);
  const double begin = seconds();
  CHECK_ERRNO(send(ends[0], "x", 1, 0), EAGAIN);
  CHECK(seconds() - begin > 0.05);
}

static _Atomic pid_t reader_id;

static void* read_once(void* end) {
  char octet;
  reader_id = gettid();
  return (void*)read(*(int*)end, &octet, 1);
}

/* Until the thread sleeps, which after it told its id it does in read() alone. */
static void until_reader_waits(void) {
  char path[64], line[256], state = 0;
  while (reader_id == 0) sched_yield();
  snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)reader_id);
  while (state != 'S') {
    FILE* file = fopen(path, "r");
    CHECK(file != NULL);
    CHECK(fgets(line, sizeof(line), file) != NULL);
    CHECK_EQUAL(fclose(file), 0);
    CHECK_EQUAL(sscanf(strrchr(line, ')'), ") %c", &state), 1);
    sched_yield();
  }
}

static void shutdown_ends_another_threads_recv(void) {
  int ends[2];
  void* result = &ends;
  pthread_t reader;
  make_pair(ends);
  CHECK_EQUAL(pthread_create(&reader, NULL, read_once, &ends[0]), 0);
  until_reader_waits();
  CHECK_EQUAL(shutdown(ends[0], SHUT_RDWR), 0);
  CHECK_EQUAL(pthread_join(reader, &result), 0);
  CHECK_EQUAL((long)result, 0);
  expect_end(ends[1]);
}

static void a_waiting_thread_may_be_cancelled(void) {
  int ends[2];
  void* result = NULL;
  pthread_t reader;
  make_pair(ends);
  CHECK_EQUAL(pthread_create(&reader, NULL, read_once, &ends[0]), 0);
  until_reader_waits();
  CHECK_EQUAL(pthread_cancel(reader), 0);
  CHECK_EQUAL(pthread_join(reader, &result), 0);
  CHECK(result == PTHREAD_CANCELED);
  put_text(ends[1], "unharmed");
  expect_text(ends[0], "unharmed");
}

static void closed_while_another_thread_receives(void) {
  int ends[2];
  void* result = NULL;
  pthread_t reader;
  make_pair(ends);
  const int number = ends[0];
  CHECK_EQUAL(pthread_create(&reader, NULL, read_once, &ends[0]), 0);
  until_reader_waits();
  CHECK_EQUAL(close(number), 0);
  /* As long as the call lasts, the connection does. */
  put_text(ends[1], "!");
  CHECK_EQUAL(pthread_join(reader, &result), 0);
  CHECK_EQUAL((long)result, 1);
  expect_end(ends[1]);
  CHECK_ERRNO(write(number, "x", 1), EBADF);
}

static void* accept_once(void* listener) {
  const int fd = accept(*(int*)listener, NULL, NULL);
  CHECK(fd >= 0);
  put_text(fd, "!");
  return NULL;
}

static void several_threads_accept(void) {
  pthread_t threads[4];
  int listener = make_listener(AF_INET);
  for (int i = 0; i < 4; ++i) CHECK_EQUAL(pthread_create(&threads[i], NULL, accept_once, &listener), 0);
  for (int i = 0; i < 4; ++i) expect_text(connect_to(listener), "!");
  for (int i = 0; i < 4; ++i) CHECK_EQUAL(pthread_join(threads[i], NULL), 0);
}

const struct test_case waiting_cases[] = {
    {"a signal interrupts recv", a_signal_interrupts_recv},
    {"a signal interrupts accept", a_signal_interrupts_accept},
    {"a signal interrupts send", a_signal_interrupts_send},
    {"recv is restarted", recv_is_restarted},
    {"send is restarted", send_is_restarted},
    {"receiving times out", receiving_times_out},
    {"sending times out", sending_times_out},
    {"shutdown ends another thread's recv", shutdown_ends_another_threads_recv},
    {"a waiting thread may be cancelled", a_waiting_thread_may_be_cancelled},
    {"closed while another thread receives", closed_while_another_thread_receives},
    {"several threads accept", several_threads_accept},
    {NULL, NULL},
};
