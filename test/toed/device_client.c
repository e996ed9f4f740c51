/* SPDX-License-Identifier: Apache-2.0
 *
 * A client of a device, built by the tests with libmango alone. It says what happens in lines on standard
 * output.
 *
 *   device_client IPC INDEX echo ADDRESS PORT     listens; sends back what comes; when the device is reset or
 *                                                 gone, listens again as soon as it can
 *   device_client IPC INDEX hold ADDRESS PORT     connects, and receives until the end
 *   device_client IPC INDEX churn ADDRESS PORT N  connects and closes N times
 *   device_client IPC INDEX open N                opens N sessions, keeps them
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <libmango.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kMaxEvents = 64, kRetryMicroseconds = 20000 };

static mango_ipc_h ipc;
static mango_tcp_h tcp;

static void must(mango_status_e status, const char* what) {
  if (status == MANGO_STATUS_OK) return;
  printf("%s: %s\n", what, mango_status_name(status));
  exit(1);
}

static struct sockaddr_in address_of(const char* ip, const char* port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  inet_pton(AF_INET, ip, &address.sin_addr);
  return address;
}

/* Gives the step that failed, or null. */
static const char* try_listen(const struct sockaddr_in* address, mango_socket_h* out,
                              mango_status_e* status) {
  const char* step = "create";
  *status = mango_socket_create(tcp, out);
  if (*status != MANGO_STATUS_OK) return step;
  const int on = 1;
  if ((step = "open", *status = mango_socket_open(*out, NULL)) == MANGO_STATUS_OK &&
      (step = "option", *status = mango_socket_set_option(*out, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)) ==
          MANGO_STATUS_OK &&
      (step = "bind", *status = mango_socket_bind(*out, (const struct sockaddr*)address, sizeof *address)) ==
          MANGO_STATUS_OK &&
      (step = "listen", *status = mango_socket_listen(*out, 128)) == MANGO_STATUS_OK)
    return NULL;
  mango_socket_destroy(*out);
  return step;
}

static void watch(int set, mango_socket_h socket) {
  int fd = -1;
  must(mango_socket_get_fd(socket, &fd), "get_fd");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = socket};
  must(mango_tcp_epoll_ctl(tcp, set, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

static void say_listening(mango_socket_h listener) {
  struct sockaddr_in name;
  socklen_t length = sizeof name;
  must(mango_socket_get_name(listener, (struct sockaddr*)&name, &length), "get_name");
  printf("listening %d\n", ntohs(name.sin_port));
}

static mango_socket_h listen_again(struct sockaddr_in* address, int set) {
  mango_socket_h listener;
  mango_status_e status;
  while (try_listen(address, &listener, &status)) usleep(kRetryMicroseconds);
  struct sockaddr_in name;
  socklen_t length = sizeof name;
  must(mango_socket_get_name(listener, (struct sockaddr*)&name, &length), "get_name");
  address->sin_port = name.sin_port;
  watch(set, listener);
  say_listening(listener);
  return listener;
}

static void serve(mango_socket_h connection) {
  char data[65536];
  size_t received = 0;
  mango_status_e status = mango_socket_recv(connection, data, sizeof data, &received);
  if (status == MANGO_STATUS_OK && received > 0) status = mango_socket_send(connection, data, received, NULL);
  if (status == MANGO_STATUS_OK && received > 0) return;
  printf("ended %s\n", mango_status_name(status));
  mango_socket_destroy(connection);
}

static void echo(const char* ip, const char* port) {
  struct sockaddr_in address = address_of(ip, port);
  const int set = epoll_create1(EPOLL_CLOEXEC);
  must(mango_tcp_epoll_create(tcp, set), "epoll_create");
  mango_socket_h listener;
  mango_status_e status;
  const char* step = try_listen(&address, &listener, &status);
  must(status, step);
  struct sockaddr_in name;
  socklen_t length = sizeof name;
  must(mango_socket_get_name(listener, (struct sockaddr*)&name, &length), "get_name");
  address.sin_port = name.sin_port;
  watch(set, listener);
  say_listening(listener);
  for (;;) {
    struct epoll_event events[kMaxEvents];
    int count = 0;
    must(mango_tcp_epoll_wait(tcp, set, events, kMaxEvents, -1, &count), "epoll_wait");
    for (int i = 0; i < count; ++i) {
      if (events[i].data.ptr != listener) {
        serve(events[i].data.ptr);
        continue;
      }
      mango_socket_h connection;
      status = mango_socket_accept(listener, NULL, NULL, &connection);
      if (status == MANGO_STATUS_OK) {
        printf("accepted\n");
        watch(set, connection);
        continue;
      }
      printf("listener %s\n", mango_status_name(status));
      mango_socket_destroy(listener);
      listener = listen_again(&address, set);
    }
  }
}

static mango_socket_h connect_to(const struct sockaddr_in* address) {
  mango_socket_h connection;
  must(mango_socket_create(tcp, &connection), "create");
  must(mango_socket_open(connection, NULL), "open");
  must(mango_socket_connect(connection, (const struct sockaddr*)address, sizeof *address), "connect");
  return connection;
}

static void hold(const char* ip, const char* port) {
  const struct sockaddr_in address = address_of(ip, port);
  const mango_socket_h connection = connect_to(&address);
  printf("connected\n");
  for (;;) {
    char data[65536];
    size_t received = 0;
    const mango_status_e status = mango_socket_recv(connection, data, sizeof data, &received);
    if (status != MANGO_STATUS_OK || received == 0) {
      printf("ended %s\n", mango_status_name(status));
      exit(0);
    }
    printf("received %zu\n", received);
  }
}

static void churn(const char* ip, const char* port, int times) {
  const struct sockaddr_in address = address_of(ip, port);
  for (int i = 0; i < times; ++i) must(mango_socket_destroy(connect_to(&address)), "destroy");
  printf("done\n");
}

static void open_many(int times) {
  int opened = 0;
  mango_status_e status = MANGO_STATUS_OK;
  for (; opened < times && status == MANGO_STATUS_OK; ++opened) {
    mango_socket_h socket;
    must(mango_socket_create(tcp, &socket), "create");
    status = mango_socket_open(socket, NULL);
    if (status != MANGO_STATUS_OK) break;
  }
  printf("opened %d %s\n", opened, mango_status_name(status));
  pause();
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc < 5) return 2;
  must(mango_ipc_open(argv[1], false, &ipc), "ipc_open");
  must(mango_ipc_set_index(ipc, atoi(argv[2])), "set_index");
  must(mango_tcp_create(&tcp), "tcp_create");
  must(mango_tcp_set_ipc(tcp, ipc), "set_ipc");
  if (strcmp(argv[3], "echo") == 0 && argc == 6) echo(argv[4], argv[5]);
  if (strcmp(argv[3], "hold") == 0 && argc == 6) hold(argv[4], argv[5]);
  if (strcmp(argv[3], "churn") == 0 && argc == 7) churn(argv[4], argv[5], atoi(argv[6]));
  if (strcmp(argv[3], "open") == 0) open_many(atoi(argv[4]));
  return 0;
}
