// SPDX-License-Identifier: Apache-2.0
// A warm keep-alive request costs the workers no heap allocation: counted by a malloc of our own, in a real process.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { secureProxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { Load } from "../support/load.ts";
import { fileScope, temporaryFolder } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const folder = temporaryFolder(fileScope);
const warmRequests = 500;
const countedRequests = 2000;

// Counts allocations of threads named "mango-N" in a file that is mapped, so that the test can read it at any time.
const counterSource = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
static _Atomic unsigned long long *count;
static __thread int kind;
__attribute__((constructor)) static void start(void) {
  const char *path = getenv("ALLOCATIONS_FILE");
  int file = path ? open(path, O_RDWR) : -1;
  void *memory = file < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory != MAP_FAILED) count = memory;
}
static void hit(void) {
  char name[17] = "";
  if (!count || kind == 1) return;
  if (kind == 0) {
    prctl(PR_GET_NAME, name);
    kind = strncmp(name, "mango-", 6) ? 1 : 2;
  }
  if (kind == 2) atomic_fetch_add(count, 1);
}
void *malloc(size_t size) { hit(); return __libc_malloc(size); }
void *calloc(size_t n, size_t size) { hit(); return __libc_calloc(n, size); }
void *realloc(void *old, size_t size) { hit(); return __libc_realloc(old, size); }
`;

test("a warm keep-alive request over TLS allocates nothing on a worker", async (t) => {
  const source = join(folder, "count.c");
  const library = join(folder, "count.so");
  const counter = join(folder, "allocations");
  writeFileSync(source, counterSource);
  writeFileSync(counter, Buffer.alloc(8));
  execFileSync("cc", ["-shared", "-fPIC", "-O1", "-o", library, source]);
  const allocations = (): number => Number(readFileSync(counter).readBigUInt64LE());

  const site = new CertificateAuthority(folder).issue("site", ["localhost"]);
  const upstream = await httpUpstream(t);
  const config = secureProxyTo(upstream.url, { site }, { top: { workers: 1 } });
  const edge = await startEdge(t, config, {
    environment: { LD_PRELOAD: library, ALLOCATIONS_FILE: counter },
  });

  const load = new Load({ port: edge.port("main"), host: "localhost", tls: true, clients: 4 });
  await load.more(warmRequests);
  const before = allocations();
  assert.ok(before > 0, "the counter sees the handshakes");
  await load.more(countedRequests);
  const perRequest = (allocations() - before) / countedRequests;
  const { failures } = await load.stop();
  assert.deepEqual(failures, []);
  assert.ok(perRequest < 0.01, `${perRequest} allocations a request`);
});
