// SPDX-License-Identifier: Apache-2.0
// Starting and stopping: one clear line and a documented exit code when it cannot start, a drain when it ends.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { refused } from "../support/client.ts";
import { proxyTo, secureProxyTo } from "../support/configs.ts";
import { type Config, type Edge, runCli, startEdge, writeConfig } from "../support/edge.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually, fileScope, type Scope, temporaryFolder } from "../support/scope.ts";
import { httpUpstream, type Upstream } from "../support/upstreams.ts";

const upstream = await httpUpstream(fileScope);
const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async function failedStart(
  scope: Scope,
  config: Config | string,
): Promise<{ code: number | null; says: string }> {
  const { code, stderr } = await runCli(scope, ["run", "--config", writeConfig(scope, config)]);
  return { code, says: stderr };
}

test("a port in use: exit code 4 and a line that names the address", async (t) => {
  const { code, says } = await failedStart(
    t,
    proxyTo(upstream.url, { listener: { address: `127.0.0.1:${upstream.port}` } }),
  );
  assert.equal(code, 4, says);
  assert.match(says, new RegExp(`127\\.0\\.0\\.1:${upstream.port}.*in use`));
  assert.doesNotMatch(says, /^\s+at /m, "no stack trace");
});

test("an admin port in use is said as clearly", async (t) => {
  const { code, says } = await failedStart(t, {
    ...proxyTo(upstream.url),
    admin: { address: `127.0.0.1:${upstream.port}` },
  });
  assert.notEqual(code, 0);
  assert.match(says, new RegExp(String(upstream.port)));
  assert.doesNotMatch(says, /^\s+at /m, "no stack trace");
});

test("a missing file: one line", async (t) => {
  const { code, stderr } = await runCli(t, ["run", "--config", "/nowhere/edge.yaml"]);
  assert.notEqual(code, 0);
  assert.match(stderr, /\/nowhere\/edge\.yaml/);
  assert.doesNotMatch(stderr, /^\s+at /m, "no stack trace");
});

test("a mistake in the file: exit code 3 with file, line and column", async (t) => {
  const { code, says } = await failedStart(
    t,
    "listeners:\n  main:\n    adress: 127.0.0.1:0\n    protocol: http\nroutes: []\n",
  );
  assert.equal(code, 3, says);
  assert.match(says, /edge\.yaml:3:5/);
  assert.match(says, /address/);
});

test("a key that does not fit its certificate: exit code 5 or 3, naming it", async (t) => {
  const folder = temporaryFolder(t);
  const authority = new CertificateAuthority(folder);
  const [site, other] = [
    authority.issue("site", ["site.example"]),
    authority.issue("other", ["site.example"]),
  ];
  const keyFile = join(folder, "wrong.key");
  writeFileSync(keyFile, other.key);
  const { code, says } = await failedStart(t, secureProxyTo(upstream.url, { site: { ...site, keyFile } }));
  assert.ok(code === 5 || code === 3, `exit code ${code}: ${says}`);
  assert.match(says, /site|wrong\.key/);
});

async function midExchange(
  t: Scope,
): Promise<{ edge: Edge; client: RawClient; release: () => void; slow: Upstream }> {
  const gate = Promise.withResolvers<void>();
  const slow = await httpUpstream(
    t,
    (_request, response) => void gate.promise.then(() => response.end("whole")),
  );
  const edge = await startEdge(t, proxyTo(slow.url));
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send(get);
  await slow.log.wait("request");
  return { edge, client, release: gate.resolve, slow };
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} drains: the exchange in progress ends well, new ones are refused, exit code 0`, async (t) => {
    const { edge, client, release } = await midExchange(t);
    const port = edge.port("main");
    const idle = await RawClient.open(t, { port });
    // Connected is not accepted: who still waits in line when the listener goes may be reset.
    await eventually(
      () => edge.metric("mango_sessions_active"),
      (count) => count === 2,
      "both sessions to be accepted",
    );
    edge.signal(signal);
    assert.equal(await idle.ended(), "fin");
    await refused({ port });
    release();
    const response = await client.response();
    assert.equal(response.body.toString(), "whole");
    assert.equal(await client.ended(), "fin");
    assert.deepEqual(await edge.exit, { code: 0, signal: null });
  });
}

test("a second Ctrl-C ends at once, while an exchange is still in progress", async (t) => {
  const { edge, client } = await midExchange(t);
  const idle = await RawClient.open(t, { port: edge.port("main") });
  edge.signal("SIGINT");
  await idle.ended(); // the drain has begun
  edge.signal("SIGINT");
  const { code } = await edge.exit;
  assert.notEqual(code, 0);
  await client.ended();
});

test("the drain ends when its time is up", async (t) => {
  const { slow } = await midExchange(t);
  const edge = await startEdge(t, { ...proxyTo(slow.url), limits: { drain: "500ms" } });
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send(get);
  await slow.log.until(
    () => (slow.requests() >= 2 ? true : undefined),
    () => "the second request",
  );
  assert.equal((await edge.stop()).code, 0);
  await client.ended();
});

test("readyz is true once listeners accept and false while draining, when the process still answers", async (t) => {
  const { edge, client, release } = await midExchange(t);
  assert.equal((await edge.admin("/readyz")).status, 200);
  assert.equal((await edge.admin("/healthz")).status, 200);
  assert.equal((await edge.admin("/v1/drain", { method: "POST" })).status, 202);
  await eventually(
    async () => (await edge.admin("/readyz")).status,
    (status) => status === 503,
    "readyz to say 503",
  );
  assert.equal((await edge.admin("/healthz")).status, 200);
  await refused({ port: edge.port("main") });
  release();
  assert.equal((await client.response()).status, 200);
});

test("version says what runs: ours, Node, OpenSSL, engine", async (t) => {
  const { code, stdout } = await runCli(t, ["version"]);
  assert.equal(code, 0);
  for (const part of [process.version.slice(1), process.versions.openssl, "kernel"])
    assert.ok(stdout.includes(part), part);
});
