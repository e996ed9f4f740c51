/* SPDX-License-Identifier: Apache-2.0
 *
 * The example of the API's reference, as printed there. Filled in: the address, the bound of the loop, and
 * where the device listens.
 *
 *   reference_example SERVER_PORT [IPC_ADDRESS]
 */
#include <arpa/inet.h>
#include <libmango.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  if (argc < 2) return 2;

  // open an IPC server
  mango_ipc_h ipc;
  mango_ipc_open(argc > 2 ? argv[2] : "localhost:32847", false, &ipc);

  // create TCP connected with IPC server
  mango_tcp_h tcp;
  mango_tcp_create(ipc, &tcp);
  mango_tcp_set_ipc(tcp, ipc);

  // create TCP socket;
  mango_socket_h sock;
  mango_socket_create(tcp, &sock);
  mango_socket_open(sock, NULL);

  // connect to the remote server
  struct sockaddr_in addr = {.sin_family = AF_INET,
                             .sin_port = htons((in_port_t)atoi(argv[1])),
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  mango_socket_connect(sock, (struct sockaddr*)&addr, sizeof(addr));

  // send data to the remote server
  char buf[128] = {0};
  for (int i = 0; i < 1000; ++i) {
    mango_socket_send(sock, buf, 128, NULL);
  }

  mango_socket_destroy(sock);
  mango_tcp_destroy(tcp);
  mango_ipc_close(ipc);
  return 0;
}
