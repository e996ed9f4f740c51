/* SPDX-License-Identifier: Apache-2.0
 *
 * Echoes over TLS, one client after the other. The SSL object is the caller's: made, attached, and freed once
 * the socket is closed. Receiving drives the handshake; there is nothing else to do for TLS.
 *
 *   tls_echo_server CERTIFICATE.pem KEY.pem [kernel | IPC_ADDRESS]
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "engine.h"

static mango_socket_h listen_anywhere(mango_tcp_h tcp) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof(address);
  mango_socket_h listener;
  check(mango_socket_create(tcp, &listener), "create");
  check(mango_socket_open(listener, NULL), "open");
  check(mango_socket_bind(listener, (struct sockaddr*)&address, sizeof(address)), "bind");
  check(mango_socket_listen(listener, 16), "listen");
  check(mango_socket_get_name(listener, (struct sockaddr*)&address, &length), "get_name");
  say_port(ntohs(address.sin_port));
  return listener;
}

static mango_status_e echo(mango_socket_h client) {
  char buffer[16384];
  for (;;) {
    size_t received = 0;
    mango_status_e status = mango_socket_recv_tls(client, buffer, sizeof(buffer), &received);
    if (status != MANGO_STATUS_OK || received == 0) return status; /* 0: the client's close_notify */
    status = mango_socket_send_tls(client, buffer, received, NULL);
    if (status != MANGO_STATUS_OK) return status;
  }
}

static void serve(mango_socket_h client, SSL_CTX* context) {
  SSL* ssl = SSL_new(context);
  SSL_set_accept_state(ssl);
  mango_status_e status = mango_socket_set_ssl(client, ssl);
  if (status == MANGO_STATUS_OK) status = echo(client);
  if (status != MANGO_STATUS_OK) fprintf(stderr, "client: %s\n", mango_status_message(status));
  ERR_clear_error();
  mango_socket_destroy(client); /* says close_notify, then FIN */
  SSL_free(ssl);
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: %s CERTIFICATE.pem KEY.pem [kernel | IPC_ADDRESS]\n", argv[0]);
    return 2;
  }
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(context, argv[1]) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, argv[2], SSL_FILETYPE_PEM) != 1) {
    ERR_print_errors_fp(stderr);
    return 1;
  }
  struct engine engine = engine_open(argc > 3 ? argv[3] : NULL);
  mango_socket_h listener = listen_anywhere(engine.tcp);
  mango_socket_h client;
  mango_status_e status;
  do {
    status = mango_socket_accept(listener, NULL, NULL, &client);
    if (status == MANGO_STATUS_OK) serve(client, context);
  } while (status == MANGO_STATUS_OK ||
           status == MANGO_STATUS_ABORTED); /* ABORTED: gone before it was served */
  check(status, "accept");
  return 0;
}
