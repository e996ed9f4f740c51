/* SPDX-License-Identifier: Apache-2.0
 *
 * Echoes for many clients in one thread. What a client does not take at once is kept, and nothing more is
 * read from it meanwhile: memory is bounded by one buffer per client.
 *
 *   epoll_server [kernel | IPC_ADDRESS]
 */
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "engine.h"

enum { kBufferBytes = 16384, kEvents = 64 };

struct client {
  mango_socket_h socket;
  int fd;
  size_t begin, end; /* what is still to be echoed */
  char buffer[kBufferBytes];
};

static mango_socket_h listen_anywhere(mango_tcp_h tcp) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof(address);
  mango_socket_h listener;
  check(mango_socket_create(tcp, &listener), "create");
  check(mango_socket_open(listener, NULL), "open");
  check(mango_socket_set_nonblocking(listener, true), "set_nonblocking"); /* accepted sockets inherit it */
  check(mango_socket_bind(listener, (struct sockaddr*)&address, sizeof(address)), "bind");
  check(mango_socket_listen(listener, 1024), "listen");
  check(mango_socket_get_name(listener, (struct sockaddr*)&address, &length), "get_name");
  say_port(ntohs(address.sin_port));
  return listener;
}

static void watch(mango_tcp_h tcp, int set, int operation, int fd, uint32_t events, struct client* client) {
  struct epoll_event event = {.events = events, .data = {.ptr = client}};
  check(mango_tcp_epoll_ctl(tcp, set, operation, fd, &event), "epoll_ctl");
}

static void welcome(mango_tcp_h tcp, int set, mango_socket_h listener) {
  mango_socket_h socket;
  while (mango_socket_accept(listener, NULL, NULL, &socket) == MANGO_STATUS_OK) {
    struct client* client = calloc(1, sizeof(*client));
    if (!client) {
      mango_socket_destroy(socket);
      return;
    }
    client->socket = socket;
    mango_socket_get_fd(socket, &client->fd);
    watch(tcp, set, EPOLL_CTL_ADD, client->fd, EPOLLIN, client);
  }
}

/* Sends what is kept, then receives more, until one of the two would block. */
static mango_status_e echo(struct client* client) {
  for (;;) {
    size_t moved = 0;
    const size_t kept = client->end - client->begin;
    const mango_status_e status =
        kept ? mango_socket_send(client->socket, client->buffer + client->begin, kept, &moved)
             : mango_socket_recv(client->socket, client->buffer, kBufferBytes, &moved);
    if (status != MANGO_STATUS_OK) return status;
    if (kept) {
      client->begin += moved;
    } else if (moved == 0) {
      return MANGO_STATUS_NOT_CONNECTED; /* the client has ended, and got everything */
    } else {
      client->begin = 0;
      client->end = moved;
    }
  }
}

static void serve(mango_tcp_h tcp, int set, struct client* client) {
  if (echo(client) == MANGO_STATUS_AGAIN) {
    const uint32_t wanted = client->begin < client->end ? EPOLLOUT : EPOLLIN;
    watch(tcp, set, EPOLL_CTL_MOD, client->fd, wanted, client);
    return;
  }
  mango_socket_destroy(client->socket); /* leaves the set by itself */
  free(client);
}

int main(int argc, char** argv) {
  struct engine engine = engine_open(argc > 1 ? argv[1] : NULL);
  mango_socket_h listener = listen_anywhere(engine.tcp);
  int listening;
  const int set = epoll_create1(EPOLL_CLOEXEC);
  check(mango_socket_get_fd(listener, &listening), "get_fd");
  check(mango_tcp_epoll_create(engine.tcp, set), "epoll_create");
  watch(engine.tcp, set, EPOLL_CTL_ADD, listening, EPOLLIN, NULL);
  for (;;) {
    struct epoll_event events[kEvents];
    int ready = 0;
    check(mango_tcp_epoll_wait(engine.tcp, set, events, kEvents, -1, &ready), "epoll_wait");
    for (int i = 0; i < ready; ++i) {
      if (!events[i].data.ptr && events[i].events & EPOLLHUP) check(MANGO_STATUS_DEVICE_RESET, "listener");
      if (events[i].data.ptr) {
        serve(engine.tcp, set, events[i].data.ptr);
      } else {
        welcome(engine.tcp, set, listener);
      }
    }
  }
}
