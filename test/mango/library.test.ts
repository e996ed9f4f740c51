// SPDX-License-Identifier: Apache-2.0
// libmango as others meet it: what the shared object exports, what is installed, and programs built on that.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "../support/scope.ts";

const build = process.env["MANGO_BUILD"] ?? join(repositoryRoot, "build/release");
const library = join(build, "libmango.so");

function output(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  return execFileSync(program, args, { encoding: "utf8", env: { ...process.env, ...env } });
}

/** Every function the header declares for others. */
function declared(): string[] {
  const header = readFileSync(join(repositoryRoot, "native/include/libmango.h"), "utf8");
  return [...header.matchAll(/^MANGO_API [^;(]*?\b(mango_\w+)\(/gm)].map(([, name]) => String(name)).sort();
}

/** A program of a C programmer: an echo over loopback, on the kernel engine, both ends libmango's. */
const program = `
#include <libmango.h>
#include <stdio.h>
#include <string.h>
int main(void) {
  mango_context_h context;
  mango_tcp_h tcp;
  mango_socket_h client = NULL;
  struct sockaddr_in address, at;
  int ours = -1, theirs = -1;
  size_t got = 0;
  char buffer[6] = {0};
  memset(&address, 0, sizeof(address));
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (mango_context_create(&context) != MANGO_STATUS_OK || mango_tcp_create(&tcp) != MANGO_STATUS_OK) return 1;
  if (mango_tcp_set_context(tcp, context) != MANGO_STATUS_OK) return 2;
  if (mango_tcp_listen(tcp, &address) != MANGO_STATUS_OK) return 3;
  at = address;
  if (mango_tcp_connect(tcp, &address, NULL, &ours) != MANGO_STATUS_OK) return 4;
  if (mango_tcp_accept(tcp, &at, NULL, false, &theirs) != MANGO_STATUS_OK) return 5;
  if (mango_socket_find(ours, &client) != MANGO_STATUS_OK) return 6;
  if (mango_socket_send(client, "mango", 5, NULL) != MANGO_STATUS_OK) return 7;
  if (mango_socket_find(theirs, &client) != MANGO_STATUS_OK) return 8;
  if (mango_socket_recv(client, buffer, 5, &got) != MANGO_STATUS_OK) return 9;
  printf("%s %s\\n", buffer, mango_get_version());
  mango_tcp_close(tcp, ours);
  mango_tcp_close(tcp, theirs);
  mango_tcp_listen_close(tcp, &address);
  return mango_tcp_destroy(tcp) == MANGO_STATUS_OK && mango_context_destroy(context) == MANGO_STATUS_OK ? 0 : 10;
}
`;

test("the shared object exports what its header declares, under its version, and nothing else", () => {
  const symbols = output("nm", ["-D", "--defined-only", library]).trim().split("\n");
  const names = symbols.map((line) => line.split(" ").at(-1) ?? "").filter((name) => name !== "LIBMANGO_0");
  assert.deepEqual(
    names.sort(),
    declared().map((name) => `${name}@@LIBMANGO_0`),
  );
  assert.ok(declared().length >= 64);
});

test("the shared object has a soname and needs no symbol of a program", () => {
  assert.match(output("readelf", ["-d", library]), /SONAME.*\[libmango\.so\.0\]/);
});

test("what is installed compiles and runs, in C11 and in C++17", (t) => {
  const prefix = mkdtempSync(join(tmpdir(), "mango-install-"));
  t.after(() => rmSync(prefix, { recursive: true, force: true }));
  output("cmake", ["--install", build, "--prefix", prefix]);
  const pkgConfigDirs = output("find", [prefix, "-name", "pkgconfig"]).trim();
  const pkgConfig = { PKG_CONFIG_PATH: pkgConfigDirs };
  const asked = (what: string): string[] =>
    output("pkg-config", [what, "libmango"], pkgConfig).trim().split(/\s+/);
  const libraryDir = output("pkg-config", ["--variable=libdir", "libmango"], pkgConfig).trim();
  for (const [compiler, standard, extension] of [
    ["cc", "-std=c11", "c"],
    ["c++", "-std=c++17", "cc"],
  ] as const) {
    const source = join(prefix, `program.${extension}`);
    const binary = join(prefix, `program-${extension}`);
    writeFileSync(source, program);
    const strict = [standard, "-Wall", "-Wextra", "-pedantic", "-Werror"];
    output(compiler, [...strict, ...asked("--cflags"), "-o", binary, source, ...asked("--libs")]);
    assert.match(output(binary, [], { LD_LIBRARY_PATH: libraryDir }), /^mango \d+\.\d+\.\d+\n$/);
  }
});
