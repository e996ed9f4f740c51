/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens and closes again and again, for tools that watch memory and descriptors. Ends with 1 when a call fails.
 *
 *   cycles ENGINE OPENS CONNECTS     ENGINE: "kernel" or the address of a device's channel
 */
#include "../../native/examples/engine.h"

#include <arpa/inet.h>

static void open_and_close(mango_tcp_h tcp) {
  mango_socket_h socket = NULL;
  check(mango_socket_create(tcp, &socket), "socket_create");
  check(mango_socket_open(socket, NULL), "open");
  check(mango_socket_close(socket), "close");
  check(mango_socket_destroy(socket), "destroy");
}

/* Both ends are ours, and an octet goes through. The connecting end is aborted, so that no port stays behind. */
static void connect_and_close(mango_tcp_h tcp, const struct sockaddr_in* listening) {
  struct sockaddr_in at = *listening;
  mango_socket_h socket = NULL;
  int ours = -1;
  int theirs = -1;
  char octet = 'x';
  size_t got = 0;
  check(mango_tcp_connect(tcp, &at, NULL, &ours), "connect");
  check(mango_tcp_accept(tcp, &at, NULL, false, &theirs), "accept");
  check(mango_socket_find(ours, &socket), "find");
  check(mango_socket_send(socket, &octet, 1, NULL), "send");
  check(mango_socket_find(theirs, &socket), "find");
  check(mango_socket_recv(socket, &octet, 1, &got), "recv");
  check(mango_tcp_abort(tcp, ours), "abort");
  check(mango_tcp_close(tcp, theirs), "close");
}

int main(int argc, char** argv) {
  struct sockaddr_in listening = {.sin_family = AF_INET};
  struct engine engine;
  long i;
  if (argc != 4) return 2;
  engine = engine_open(argv[1]);
  for (i = atol(argv[2]); i > 0; --i) open_and_close(engine.tcp);
  listening.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(mango_tcp_listen(engine.tcp, &listening), "listen");
  for (i = atol(argv[3]); i > 0; --i) connect_and_close(engine.tcp, &listening);
  check(mango_tcp_listen_close(engine.tcp, &listening), "listen_close");
  engine_close(&engine);
  puts("done");
  return 0;
}
