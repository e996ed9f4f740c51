// SPDX-License-Identifier: Apache-2.0
// Many sessions and few resources: memory stays bounded, what cannot be served is shed, and service recovers alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { ask } from "../support/client.ts";
import { proxyTo, secureProxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { openFiles, residentBytes } from "../support/process_facts.ts";
import { RawClient, type RawTarget } from "../support/raw_client.ts";
import { eventually, fileScope, type Scope, temporaryFolder } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const KiB = 1024;
const upstream = await httpUpstream(fileScope, (_request, response) => response.end("ok"));
const get = "GET / HTTP/1.1\r\nHost: site.example\r\n\r\n";

// In groups, so that neither side's listen queue overflows.
async function openMany(scope: Scope, target: RawTarget, count: number): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  while (clients.length < count) {
    const group = Array.from({ length: Math.min(100, count - clients.length) }, () =>
      RawClient.open(scope, target),
    );
    clients.push(...(await Promise.all(group)));
  }
  return clients;
}

async function perSession(pid: number, count: number, work: () => Promise<void>): Promise<number> {
  const before = residentBytes(pid);
  await work();
  return (residentBytes(pid) - before) / count;
}

test("abuse 20: 5,000 sessions that never speak cost little, and the newest honest client is served", async (t) => {
  const count = 5_000;
  const edge = await startEdge(
    t,
    proxyTo(upstream.url, { listener: { timeouts: { idle: "10m", requestHeaders: "10m" } } }),
  );
  await ask({ port: edge.port("main") });
  const bytes = await perSession(edge.pid, count, async () => {
    await openMany(t, { port: edge.port("main") }, count);
    await eventually(
      () => edge.metric("mango_sessions_active"),
      (active) => active >= count,
      "all sessions",
    );
  });
  assert.ok(bytes < 6 * KiB, `${Math.round(bytes)} bytes per idle session`);
  assert.equal((await ask({ port: edge.port("main") })).status, 200);
});

test("1,500 idle TLS sessions after a request hold no buffers", async (t) => {
  const count = 1_500;
  const site = new CertificateAuthority(temporaryFolder(t)).issue("site", ["site.example"]);
  const edge = await startEdge(
    t,
    secureProxyTo(upstream.url, { site }, { listener: { timeouts: { idle: "10m" } } }),
  );
  const target = { port: edge.port("main"), tls: { servername: "site.example" } };
  const bytes = await perSession(edge.pid, count, async () => {
    const clients = await openMany(t, target, count);
    for (const client of clients) {
      await client.send(get);
      assert.equal((await client.response()).status, 200);
    }
  });
  assert.ok(bytes < 48 * KiB, `${Math.round(bytes / KiB)} KiB per idle TLS session`);
  const held = await eventually(
    () => edge.metric("mango_buffer_held_bytes"),
    (now) => now < 4 * KiB * KiB,
    "buffers back",
  );
  assert.ok(held < 4 * KiB * KiB);
});

test("abuse 19: 2,000 slow heads stay bounded, end by their deadline, and honest clients are served meanwhile", async (t) => {
  const count = 2_000;
  const edge = await startEdge(
    t,
    proxyTo(upstream.url, { listener: { timeouts: { requestHeaders: "8s" } } }),
  );
  await ask({ port: edge.port("main") });
  const slow: RawClient[] = [];
  const bytes = await perSession(edge.pid, count, async () => {
    slow.push(...(await openMany(t, { port: edge.port("main") }, count)));
    for (const client of slow) void client.send(`GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ${"s".repeat(1000)}`);
    await eventually(
      () => edge.metric("mango_sessions_active"),
      (active) => active >= count,
      "all sessions",
    );
    assert.equal((await ask({ port: edge.port("main") })).status, 200);
  });
  assert.ok(bytes < 24 * KiB, `${Math.round(bytes)} bytes per slow head`);
  for (const client of slow) assert.equal((await client.response()).status, 408);
  for (const client of slow) client.socket.destroy();
  await eventually(
    () => edge.metric("mango_sessions_active"),
    (active) => active <= 1,
    "the sessions to be gone",
  );
});

test("abuse 27: with all file descriptors used up, load is shed, said, and service recovers alone", async (t) => {
  const limit = 160;
  const edge = await startEdge(t, proxyTo(upstream.url), { openFiles: limit });
  const port = edge.port("main");
  const crowd = await openMany(t, { port }, limit * 2);
  await eventually(
    () => openFiles(edge.pid),
    (open) => open >= limit - 12,
    "the descriptors to be used up",
  );
  for (const client of crowd) void client.send(get);
  // Those inside are answered, if only by a refusal: opening an upstream connection needs a descriptor, too.
  const outcomes = await Promise.all(
    crowd.slice(0, 20).map((client) =>
      client.response().then(
        ({ status }) => status,
        () => 0,
      ),
    ),
  );
  assert.ok(
    outcomes.every((status) => [0, 200, 502, 503].includes(status)),
    outcomes.join(),
  );
  for (const client of crowd) client.socket.destroy();
  await eventually(
    () =>
      ask({ port }).then(
        ({ status }) => status,
        () => 0,
      ),
    (status) => status === 200,
    "service to recover",
  );
  const labels = [{ reason: "no_file_descriptors" }, { reason: "too_many_sessions" }];
  const shed = await Promise.all(labels.map((label) => edge.metric("mango_exchange_failures_total", label)));
  const evicted = await edge.metric("mango_policy_actions_total", { trigger: "overload" });
  assert.ok(evicted + Math.max(...shed) > 0, "the shedding was not said anywhere");
});

test("memory for buffers is capped in total: above it new work is refused, below it served again", async (t) => {
  const edge = await startEdge(t, proxyTo(upstream.url, { top: { limits: { maxBufferBytes: "1MiB" } } }));
  const port = edge.port("main");
  const hoarders = await openMany(t, { port }, 300);
  for (const client of hoarders)
    void client.send(`GET / HTTP/1.1\r\nHost: a\r\nX-Hoard: ${"h".repeat(12_000)}`);
  await edge.events((event) => event["trigger"] === "overload");
  assert.ok((await edge.metric("mango_buffer_held_bytes")) <= 2 * KiB * KiB);
  for (const client of hoarders) client.socket.destroy();
  await eventually(
    () =>
      ask({ port }).then(
        ({ status }) => status,
        () => 0,
      ),
    (status) => status === 200,
    "service to recover",
  );
});
