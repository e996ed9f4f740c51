// SPDX-License-Identifier: Apache-2.0
// The engine underneath: built in, or a libmango.so loaded by path; and whose OpenSSL does the work: always Node's.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { proxyTo, secureProxyTo } from "../support/configs.ts";
import { type Config, runCli, startEdge, writeConfig } from "../support/edge.ts";
import { mappedFiles } from "../support/process_facts.ts";
import { fileScope, repositoryRoot, temporaryFolder } from "../support/scope.ts";
import { handshake } from "../support/tls_client.ts";
import { httpUpstream } from "../support/upstreams.ts";

const library = process.env["MANGO_LIBRARY"] ?? join(repositoryRoot, "build/release/libmango.so");
const folder = temporaryFolder(fileScope);
const site = new CertificateAuthority(folder).issue("site", ["site.example"]);
const upstream = await httpUpstream(fileScope);

const withLibrary = (path: string): Config =>
  secureProxyTo(upstream.url, { site }, { top: { offload: { library: path } } });

// What only the OpenSSL inside Node can do: the system's 3.0 has no such group.
const postQuantum = {
  servername: "site.example",
  ecdhCurve: "X25519MLKEM768",
  minVersion: "TLSv1.3",
} as const;

test("the built-in engine runs on the OpenSSL inside Node, and on no other", async (t) => {
  const edge = await startEdge(t, secureProxyTo(upstream.url, { site }));
  assert.equal((await handshake(t, { port: edge.port("main"), ...postQuantum })).response.status, 200);
  const metrics = await (await edge.admin("/metrics")).text();
  assert.match(metrics, new RegExp(`mango_build_info\\{.*openssl="[^"]*${process.versions.openssl}`));
  assert.deepEqual(mappedFiles(edge.pid, /lib(ssl|crypto)[.-]/), []);
});

// What the dynamic linker says: which file each function of OpenSSL that the library calls was found in.
function opensslBindings(trace: string): string[] {
  const lines = readFileSync(trace, "utf8").matchAll(
    /binding file (\S+) \[\d+\] to (\S+) \[\d+\]: normal symbol `\w+' \[OPENSSL_/g,
  );
  return [...lines].filter(([, from]) => from === library).map(([, , to]) => to ?? "");
}

test("offload.library carries all traffic; linked to the system's OpenSSL, it calls the one inside Node", async (t) => {
  assert.ok(existsSync(library), `${library} is not built`);
  const trace = join(folder, "bindings");
  const environment = { LD_DEBUG: "bindings", LD_DEBUG_OUTPUT: trace };
  const edge = await startEdge(t, withLibrary(library), { environment });
  assert.equal(mappedFiles(edge.pid, /libssl[.-]/).length, 1, "the library is linked to a libssl of its own");
  const targets = opensslBindings(`${trace}.${edge.pid}`);
  assert.ok(targets.length > 5, "the library calls OpenSSL");
  assert.deepEqual(new Set(targets), new Set([process.execPath]));
  for (let i = 0; i < 5; i += 1) {
    assert.equal((await handshake(t, { port: edge.port("main"), ...postQuantum })).response.status, 200);
  }
  assert.deepEqual(mappedFiles(edge.pid, /libmango\.so/), [realpathSync(library)]);
  assert.ok((await edge.metric("mango_engine_calls_total")) > 0);
});

test("a library that lacks a symbol is a start-up error that names it", async (t) => {
  const source = join(folder, "tiny.c");
  const tiny = join(folder, "libtiny.so");
  writeFileSync(source, "int mango_tcp_create(void **tcp) { (void)tcp; return 0; }\n");
  execFileSync("cc", ["-shared", "-fPIC", "-o", tiny, source]);
  const { code, stderr } = await runCli(t, ["run", "--config", writeConfig(t, withLibrary(tiny))]);
  assert.equal(code, 7, stderr);
  assert.match(stderr, /libtiny\.so/);
  assert.match(stderr, /mango_[a-z_]+/);
  assert.doesNotMatch(stderr, /^\s+at /m, "no stack trace");
});

// A DPU's library may come without the channel to another process, and without anything that is ours.
function libraryWithoutChannel(): string {
  const header = readFileSync(join(repositoryRoot, "native/net/engine.h"), "utf8");
  const list = /#define MANGO_ENGINE_FUNCTIONS\(X\)([\s\S]*?)\n\n/.exec(header)?.[1] ?? "";
  const names = [...list.matchAll(/X\((\w+)\)/g)].map(([, name]) => name).concat("tcp_create");
  // Pointers and integers travel alike in registers: six of them are enough for every function there is.
  const forward = (name: string | undefined): string =>
    `long mango_${name}(long a, long b, long c, long d, long e, long f) {
       static long (*real)(long, long, long, long, long, long);
       if (real == 0) real = (long (*)(long, long, long, long, long, long))dlsym(library(), "mango_${name}");
       return real(a, b, c, d, e, f);
     }`;
  const source = join(folder, "narrow.c");
  const path = join(folder, "libnarrow.so");
  const open = `static void *library(void) { return dlopen(${JSON.stringify(library)}, RTLD_NOW | RTLD_LOCAL); }`;
  writeFileSync(source, ["#include <dlfcn.h>", open, ...names.map(forward), ""].join("\n"));
  execFileSync("cc", ["-shared", "-fPIC", "-o", path, source, "-ldl"]);
  return path;
}

test("a vendor's library needs no channel to another process, and cannot be reset without the function", async (t) => {
  const narrow = libraryWithoutChannel();
  const vendor = { engine: "vendor", library: narrow };
  const edge = await startEdge(t, secureProxyTo(upstream.url, { site }, { top: { offload: vendor } }));
  const { response } = await handshake(t, { port: edge.port("main"), servername: "site.example" });
  assert.equal(response.status, 200);
  assert.equal((await edge.admin("/v1/device/reset", { method: "POST" })).status, 501);
  assert.equal((await edge.adminJson("/v1/device"))["engine"], narrow);
  const device = { engine: "device", library: narrow };
  const config = writeConfig(t, proxyTo(upstream.url, { top: { offload: device } }));
  const { code, stderr } = await runCli(t, ["run", "--config", config]);
  assert.equal(code, 7, stderr);
  assert.match(stderr, /libnarrow\.so lacks mango_ipc_open, mango_ipc_close, mango_ipc_set_index/);
});

const unloadable: readonly (readonly [string, () => string])[] = [
  ["that is not there", () => "/nowhere/libmango.so"],
  [
    "that is no library",
    () => {
      const text = join(folder, "text.so");
      writeFileSync(text, "not an ELF file\n");
      return text;
    },
  ],
];

for (const [what, path] of unloadable) {
  test(`a library ${what} is a start-up error that names it`, async (t) => {
    const file = path();
    const { code, stderr } = await runCli(t, ["run", "--config", writeConfig(t, withLibrary(file))]);
    assert.equal(code, 7, stderr);
    assert.ok(stderr.includes(file), stderr);
  });
}

test("the same traffic runs on plain listeners through the library", async (t) => {
  const edge = await startEdge(t, proxyTo(upstream.url, { top: { offload: { library } } }));
  const response = await fetch(`http://127.0.0.1:${edge.port("main")}/plain`);
  assert.equal(response.status, 200);
});
