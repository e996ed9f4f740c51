/* SPDX-License-Identifier: Apache-2.0
 * Connections shared with, and handed to, other processes. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "calls.h"

extern char** environ;

/* In a program begun by exec: "--child echo FD" sends back what comes until the end; "--child accept FD" does
 * so for one connection of a listener. */
static void echo(int fd) {
  char octets[4096];
  for (ssize_t n; (n = read(fd, octets, sizeof(octets))) != 0;) {
    CHECK(n > 0);
    send_all(fd, octets, (size_t)n);
  }
}

void run_child(int argc, char* argv[]) {
  CHECK_EQUAL(argc, 4);
  const int fd = atoi(argv[3]);
  echo(strcmp(argv[2], "accept") == 0 ? accept(fd, NULL, NULL) : fd);
}

static char fd_text[16];
static char* child_arguments[] = {"calls", "--child", NULL, fd_text, NULL};
static char** child_of(const char* what, int fd) {
  child_arguments[2] = (char*)what;
  snprintf(fd_text, sizeof(fd_text), "%d", fd);
  return child_arguments;
}

static void expect_echo(int fd) {
  put_text(fd, "there and back");
  expect_text(fd, "there and back");
}

static void a_child_serves_the_listener(void) {
  const int listener = make_listener(AF_INET);
  const pid_t child = fork();
  if (child == 0) {
    echo(accept(listener, NULL, NULL));
    exit(0);
  }
  const int fd = connect_to(listener);
  expect_echo(fd);
  CHECK_EQUAL(shutdown(fd, SHUT_WR), 0);
  expect_end(fd);
  CHECK_EQUAL(wait_for_child(child), 0);
}

static void children_share_a_listener(void) {
  enum { kChildren = 3, kConnections = 30 };
  pid_t children[kChildren];
  const int listener = make_listener(AF_INET);
  for (int i = 0; i < kChildren; ++i) {
    children[i] = fork();
    if (children[i] != 0) continue;
    for (;;) {
      const int fd = accept(listener, NULL, NULL);
      CHECK(fd >= 0);
      echo(fd);
      CHECK_EQUAL(close(fd), 0);
    }
  }
  for (int i = 0; i < kConnections; ++i) {
    const int fd = connect_to(listener);
    expect_echo(fd);
    CHECK_EQUAL(close(fd), 0);
  }
  for (int i = 0; i < kChildren; ++i) {
    CHECK_EQUAL(kill(children[i], SIGTERM), 0);
    CHECK_EQUAL(wait_for_child(children[i]), 128 + SIGTERM);
  }
}

static void a_child_takes_the_connection(void) {
  int ends[2];
  make_pair(ends);
  const pid_t child = fork();
  if (child == 0) {
    CHECK_EQUAL(close(ends[0]), 0);
    echo(ends[1]);
    exit(0);
  }
  CHECK_EQUAL(close(ends[1]), 0);
  expect_echo(ends[0]);
  CHECK_EQUAL(shutdown(ends[0], SHUT_WR), 0);
  expect_end(ends[0]);
  CHECK_EQUAL(wait_for_child(child), 0);
}

static void a_childs_close_is_its_own(void) {
  int ends[2];
  make_pair(ends);
  const pid_t child = fork();
  if (child == 0) {
    put_text(ends[0], "child ");
    CHECK_EQUAL(close(ends[0]), 0);
    exit(0);
  }
  CHECK_EQUAL(wait_for_child(child), 0);
  put_text(ends[0], "parent");
  expect_text(ends[1], "child parent");
  CHECK_EQUAL(close(ends[0]), 0);
  expect_end(ends[1]);
}

static void a_child_makes_connections_of_its_own(void) {
  int ends[2];
  make_pair(ends);
  const pid_t child = fork();
  if (child == 0) {
    int own[2];
    make_pair(own);
    put_text(own[0], "own");
    expect_text(own[1], "own");
    exit(0);
  }
  CHECK_EQUAL(wait_for_child(child), 0);
  put_text(ends[0], "unharmed");
  expect_text(ends[1], "unharmed");
}

static void a_program_inherits(const char* what, int fd) {
  const pid_t child = fork();
  if (child == 0) {
    execv("/proc/self/exe", child_of(what, fd));
    _exit(126);
  }
  CHECK(child > 0);
}

static void a_program_inherits_a_connection(void) {
  int ends[2];
  make_pair(ends);
  a_program_inherits("echo", ends[1]);
  CHECK_EQUAL(close(ends[1]), 0);
  expect_echo(ends[0]);
  CHECK_EQUAL(shutdown(ends[0], SHUT_WR), 0);
  expect_end(ends[0]);
}

static void a_program_inherits_a_listener(void) {
  const int listener = make_listener(AF_INET);
  a_program_inherits("accept", listener);
  const int fd = connect_to(listener);
  expect_echo(fd);
  CHECK_EQUAL(shutdown(fd, SHUT_WR), 0);
  expect_end(fd);
}

static void inherited_with_an_empty_environment(void) {
  int ends[2];
  char* nothing[] = {NULL};
  make_pair(ends);
  const pid_t child = fork();
  if (child == 0) {
    execve("/proc/self/exe", child_of("echo", ends[1]), nothing);
    _exit(126);
  }
  CHECK_EQUAL(close(ends[1]), 0);
  expect_echo(ends[0]);
  CHECK_EQUAL(shutdown(ends[0], SHUT_WR), 0);
  expect_end(ends[0]);
}

static void a_spawned_program_inherits(void) {
  int ends[2];
  pid_t child;
  make_pair(ends);
  CHECK_EQUAL(posix_spawn(&child, "/proc/self/exe", NULL, NULL, child_of("echo", ends[1]), environ), 0);
  CHECK_EQUAL(close(ends[1]), 0);
  expect_echo(ends[0]);
  CHECK_EQUAL(shutdown(ends[0], SHUT_WR), 0);
  expect_end(ends[0]);
  CHECK_EQUAL(wait_for_child(child), 0);
}

static void vfork_leaves_the_parent_alone(void) {
  int ends[2];
  make_pair(ends);
  char** arguments = child_of("echo", 0);
  const pid_t child = vfork();
  if (child == 0) {
    dup2(ends[1], 0);
    close(ends[0]);
    close(ends[1]);
    execv("/proc/self/exe", arguments);
    _exit(126);
  }
  expect_echo(ends[0]);
  put_text(ends[1], "parent has it, too");
  expect_text(ends[0], "parent has it, too");
  CHECK_EQUAL(close(ends[1]), 0);
  CHECK_EQUAL(shutdown(ends[0], SHUT_WR), 0);
  expect_end(ends[0]);
  CHECK_EQUAL(wait_for_child(child), 0);
}

static void exec_closes_what_is_marked(void) {
  int ends[2];
  make_pair(ends);
  CHECK_EQUAL(fcntl(ends[1], F_SETFD, FD_CLOEXEC), 0);
  CHECK_EQUAL(fcntl(ends[0], F_SETFD, FD_CLOEXEC), 0);
  const pid_t child = fork();
  if (child == 0) {
    execlp("true", "true", NULL);
    _exit(126);
  }
  CHECK_EQUAL(wait_for_child(child), 0);
  put_text(ends[0], "unharmed");
  expect_text(ends[1], "unharmed");
}

static void pass(int channel, int fd) {
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec octet = {"d", 1};
  struct msghdr message = {
      .msg_iov = &octet, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  CHECK_EQUAL(sendmsg(channel, &message, 0), 1);
}

static int take(int channel) {
  char control[CMSG_SPACE(sizeof(int))] = {0}, octet;
  struct iovec piece = {&octet, 1};
  struct msghdr message = {
      .msg_iov = &piece, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
  CHECK_EQUAL(recvmsg(channel, &message, 0), 1);
  int fd = -1;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
  CHECK(fd >= 0);
  return fd;
}

static void passed_to_another_process(void) {
  int ends[2], channel[2];
  CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
  const pid_t child = fork();
  if (child == 0) {
    echo(take(channel[1]));
    exit(0);
  }
  make_pair(ends);
  pass(channel[0], ends[1]);
  CHECK_EQUAL(close(ends[1]), 0);
  expect_echo(ends[0]);
  CHECK_EQUAL(shutdown(ends[0], SHUT_WR), 0);
  expect_end(ends[0]);
  CHECK_EQUAL(wait_for_child(child), 0);
}

static void a_passed_listener_accepts(void) {
  int channel[2];
  CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
  const pid_t child = fork();
  if (child == 0) {
    echo(accept(take(channel[1]), NULL, NULL));
    exit(0);
  }
  const int listener = make_listener(AF_INET);
  pass(channel[0], listener);
  const int fd = connect_to(listener);
  expect_echo(fd);
  CHECK_EQUAL(shutdown(fd, SHUT_WR), 0);
  expect_end(fd);
  CHECK_EQUAL(wait_for_child(child), 0);
}

static void passed_to_itself_is_a_copy(void) {
  int ends[2], channel[2];
  make_pair(ends);
  CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
  pass(channel[0], ends[0]);
  const int copy = take(channel[1]);
  put_text(ends[0], "one ");
  put_text(copy, "other");
  expect_text(ends[1], "one other");
  CHECK_EQUAL(close(ends[0]), 0);
  put_text(ends[1], "still");
  expect_text(copy, "still");
}

static void an_exit_is_orderly(void (*leave)(int)) {
  const int listener = make_listener(AF_INET);
  const pid_t child = fork();
  if (child == 0) {
    put_text(connect_to(listener), "good-bye");
    leave(7);
  }
  const int fd = accept(listener, NULL, NULL);
  CHECK_EQUAL(wait_for_child(child), 7);
  expect_text(fd, "good-bye");
  expect_end(fd);
}

static void exit_is_orderly(void) {
  an_exit_is_orderly(exit);
}
static void immediate_exit_is_orderly(void) {
  an_exit_is_orderly(_exit);
}

const struct test_case process_cases[] = {
    {"a child serves the listener", a_child_serves_the_listener},
    {"children share a listener", children_share_a_listener},
    {"a child takes the connection", a_child_takes_the_connection},
    {"a child's close is its own", a_childs_close_is_its_own},
    {"a child makes connections of its own", a_child_makes_connections_of_its_own},
    {"a program inherits a connection", a_program_inherits_a_connection},
    {"a program inherits a listener", a_program_inherits_a_listener},
    {"inherited with an empty environment", inherited_with_an_empty_environment},
    {"a spawned program inherits", a_spawned_program_inherits},
    {"vfork leaves the parent alone", vfork_leaves_the_parent_alone},
    {"exec closes what is marked", exec_closes_what_is_marked},
    {"passed to another process", passed_to_another_process},
    {"a passed listener accepts", a_passed_listener_accepts},
    {"passed to itself is a copy", passed_to_itself_is_a_copy},
    {"exit is orderly", exit_is_orderly},
    {"_exit is orderly", immediate_exit_is_orderly},
    {NULL, NULL},
};
