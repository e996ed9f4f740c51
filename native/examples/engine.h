/* SPDX-License-Identifier: Apache-2.0
 *
 * What the examples share: an engine chosen by an argument, and an end with a sentence when something fails.
 */
#ifndef EXAMPLE_ENGINE_H
#define EXAMPLE_ENGINE_H

#include <libmango.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct engine {
  mango_context_h context; /* on the kernel engine */
  mango_ipc_h ipc;         /* on a device */
  mango_tcp_h tcp;
};

static inline void check(mango_status_e status, const char* what) {
  if (status == MANGO_STATUS_OK) return;
  fprintf(stderr, "%s: %s (%s)\n", what, mango_status_message(status), mango_status_name(status));
  exit(1);
}

/* where: null or "kernel" is TCP in this process; else the address of a device's channel, "localhost:32847".
 */
static inline struct engine engine_open(const char* where) {
  struct engine engine = {NULL, NULL, NULL};
  check(mango_tcp_create(&engine.tcp), "create");
  if (!where || strcmp(where, "kernel") == 0) {
    check(mango_context_create(&engine.context), "context");
    check(mango_tcp_set_context(engine.tcp, engine.context), "set_context");
  } else {
    check(mango_ipc_open(where, false, &engine.ipc), where);
    check(mango_tcp_set_ipc(engine.tcp, engine.ipc), "set_ipc");
  }
  return engine;
}

static inline void engine_close(struct engine* engine) {
  mango_tcp_destroy(engine->tcp);
  if (engine->context) mango_context_destroy(engine->context);
  if (engine->ipc) mango_ipc_close(engine->ipc);
}

/* Tells the user, or the program that started us, where we listen. */
static inline void say_port(unsigned port) {
  printf("port %u\n", port);
  fflush(stdout);
}

#endif
