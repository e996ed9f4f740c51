/* SPDX-License-Identifier: Apache-2.0
 *
 * Unix sockets of kinds that Node does not speak.
 *
 *   sockets receive PATH             binds a datagram socket, prints what comes, a line each
 *   sockets garbage @NAME SEED N     N connections to a SOCK_SEQPACKET socket, each with messages of rubbish
 * and, now and then, descriptors; prints "done" sockets idle @NAME N             N connections that say
 * nothing; prints how many were had, waits for its end
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { kMessages = 40, kMostBytes = 2048, kMostDescriptors = 16 };

static socklen_t fill(struct sockaddr_un* address, const char* path) {
  const size_t length = strlen(path);
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  if (length >= sizeof address->sun_path) exit(2);
  memcpy(address->sun_path, path, length);
  if (path[0] == '@') address->sun_path[0] = '\0';
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int dial(const char* path) {
  struct sockaddr_un address;
  const socklen_t length = fill(&address, path);
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, (const struct sockaddr*)&address, length) == 0) return fd;
  close(fd);
  return -1;
}

static int receive(const char* path) {
  struct sockaddr_un address;
  const socklen_t length = fill(&address, path);
  const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  if (bind(fd, (const struct sockaddr*)&address, length) != 0) return 1;
  puts("bound");
  for (;;) {
    char text[4096];
    const ssize_t got = recv(fd, text, sizeof text - 1, 0);
    if (got < 0) return 1;
    text[got] = '\0';
    puts(text);
  }
}

static uint32_t next(uint32_t* state) {
  *state = *state * 1664525U + 1013904223U;
  return *state >> 8;
}

/* Some messages begin like a request: a small number for what is asked, another for the session. */
static void send_rubbish(int fd, uint32_t* state) {
  uint8_t data[kMostBytes];
  for (size_t i = 0; i < sizeof data; ++i) data[i] = (uint8_t)next(state);
  if (next(state) % 2) {
    const uint32_t head[5] = {next(state) % 13, next(state) % 70000, next(state) % 8, next(state) % 8,
                              next(state) % 300};
    memcpy(data, head, sizeof head);
  }
  struct iovec piece = {.iov_base = data, .iov_len = next(state) % 3 ? 276 : next(state) % sizeof data};
  struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(kMostDescriptors * sizeof(int))];
  } control;
  if (next(state) % 4 == 0) {
    const size_t count = 1 + next(state) % kMostDescriptors;
    memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; ++i) memcpy(CMSG_DATA(header) + i * sizeof(int), &fd, sizeof fd);
  }
  (void)sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int garbage(const char* path, uint32_t seed, int connections) {
  for (int i = 0; i < connections; ++i) {
    const int fd = dial(path);
    if (fd < 0) continue;
    for (int j = 0; j < kMessages; ++j) send_rubbish(fd, &seed);
    close(fd);
  }
  puts("done");
  return 0;
}

static int idle(const char* path, int connections) {
  int had = 0;
  for (int i = 0; i < connections; ++i) had += dial(path) >= 0;
  printf("had %d\n", had);
  pause();
  return 0;
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc == 3 && strcmp(argv[1], "receive") == 0) return receive(argv[2]);
  if (argc == 5 && strcmp(argv[1], "garbage") == 0)
    return garbage(argv[2], (uint32_t)atoi(argv[3]), atoi(argv[4]));
  if (argc == 4 && strcmp(argv[1], "idle") == 0) return idle(argv[2], atoi(argv[3]));
  return 2;
}
