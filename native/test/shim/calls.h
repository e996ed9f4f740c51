/* SPDX-License-Identifier: Apache-2.0
 *
 * What an unmodified program may expect of TCP descriptors, case by case. The program knows nothing of
 * libmango: run by itself it proves the cases against the system, run under mango-run it proves the shim. */
#ifndef MANGO_TEST_SHIM_CALLS_H
#define MANGO_TEST_SHIM_CALLS_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct test_case {
  const char* name;
  void (*run)(void);
};
extern const struct test_case descriptor_cases[], data_cases[], end_cases[], waiting_cases[],
    readiness_cases[], process_cases[];

/* Ends the program with what went wrong. */
#define CHECK(truth)                                  \
  do {                                                \
    if (!(truth)) failed(__FILE__, __LINE__, #truth); \
  } while (0)
#define CHECK_EQUAL(actual, expected) \
  check_equal(__FILE__, __LINE__, #actual, (long)(actual), (long)(expected))
#define CHECK_ERRNO(call, error) \
  do {                           \
    errno = 0;                   \
    CHECK_EQUAL((call), -1);     \
    CHECK_EQUAL(errno, error);   \
  } while (0)

_Noreturn void failed(const char* file, int line, const char* what);
void check_equal(const char* file, int line, const char* what, long actual, long expected);

/* A listener of the loopback address with a port of its own, and connections to it. */
int make_listener(int family);
socklen_t address_of(int fd, struct sockaddr_storage* address);
int connect_to(int listener);
/* ends[0] connected, ends[1] accepted. */
void make_pair(int ends[2]);

/* With buffers that the system does not let grow: what is full stays full. */
void make_narrow_pair(int ends[2]);

/* All of it, in as many calls as it takes. */
void send_all(int fd, const void* octets, size_t length);
void receive_all(int fd, void* octets, size_t length);
void expect_text(int fd, const char* text);
void expect_end(int fd);
void put_text(int fd, const char* text);

void set_nonblocking(int fd, bool on);
/* Until poll(2) tells one of these events; returns all that it told. */
short wait_for(int fd, short events);
/* The pattern of a stream: the octet at a place in it. */
char octet_at(size_t place);
/* Fills the connection until it takes no more; returns how much went. */
size_t fill(int fd);

int wait_for_child(pid_t child);

#endif
