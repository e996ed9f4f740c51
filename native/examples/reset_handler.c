/* SPDX-License-Identifier: Apache-2.0
 *
 * Survives resets of its device. SIGHUP resets it: sessions die, and the reset function listens anew. A reset
 * that somebody else asked for, or a device's process that was started again, shows as DEVICE_RESET in
 * accept: then the same function is called by hand. Every client is told how many resets there were.
 *
 *   reset_handler [kernel | IPC_ADDRESS]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "engine.h"

enum { kListener = -1 }; /* to epoll: the listener made last */

struct server {
  struct sockaddr_in address;
  int resets;
};

/* Called by the library when a reset is done; closes nothing, since dead listeners make way. */
static void on_reset(mango_tcp_h tcp, mango_context_h context, void* param) {
  (void)context;
  struct server* server = param;
  ++server->resets;
  check(mango_tcp_listen(tcp, &server->address), "listen again");
}

static void reset(mango_tcp_h tcp) {
  mango_status_e status;
  do {
    status = mango_tcp_reset(tcp, true);
    if (status == MANGO_STATUS_IN_PROGRESS) usleep(100);
  } while (status == MANGO_STATUS_IN_PROGRESS);
  check(status, "reset");
}

static void greet(mango_tcp_h tcp, struct server* server) {
  struct sockaddr_in at = server->address;
  int session;
  const mango_status_e status = mango_tcp_accept(tcp, &at, NULL, true, &session);
  if (status == MANGO_STATUS_DEVICE_RESET) on_reset(tcp, NULL, server);
  if (status != MANGO_STATUS_OK) return;
  char text[32];
  mango_socket_h socket;
  const int length = snprintf(text, sizeof(text), "resets %d\n", server->resets);
  mango_socket_find(session, &socket);
  mango_socket_send(socket, text, (size_t)length, NULL);
  /* The session stays until its client ends it, or a reset does. Here nobody keeps count: a server would. */
}

static int signals_as_descriptor(void) {
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGHUP);
  sigprocmask(SIG_BLOCK, &wanted, NULL);
  return signalfd(-1, &wanted, SFD_CLOEXEC);
}

int main(int argc, char** argv) {
  const int signals = signals_as_descriptor();
  const int set = epoll_create1(EPOLL_CLOEXEC);
  struct engine engine = engine_open(argc > 1 ? argv[1] : NULL);
  struct server server = {.address = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}}};
  check(mango_tcp_listen(engine.tcp, &server.address), "listen");
  check(mango_tcp_register_reset(engine.tcp, on_reset, &server), "register_reset");
  check(mango_tcp_epoll_create(engine.tcp, set), "epoll_create");
  struct epoll_event event = {.events = EPOLLIN, .data = {.fd = signals}};
  check(mango_tcp_epoll_ctl(engine.tcp, set, EPOLL_CTL_ADD, signals, &event), "watch signals");
  say_port(ntohs(server.address.sin_port));
  for (int known = -1;;) {
    if (known != server.resets) { /* a new listener; the dead one has left the set */
      event = (struct epoll_event){.events = EPOLLIN, .data = {.fd = kListener}};
      check(mango_tcp_epoll_ctl(engine.tcp, set, EPOLL_CTL_ADD, kListener, &event), "watch the listener");
      known = server.resets;
    }
    int ready = 0;
    check(mango_tcp_epoll_wait(engine.tcp, set, &event, 1, -1, &ready), "epoll_wait");
    if (ready == 0) continue;
    if (event.data.fd == kListener) {
      greet(engine.tcp, &server);
    } else {
      struct signalfd_siginfo info;
      if (read(signals, &info, sizeof(info)) == sizeof(info)) reset(engine.tcp);
    }
  }
}
