// SPDX-License-Identifier: Apache-2.0
// Connections on both sides: pipelining, reuse of upstream connections, address families, Unix sockets.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { ask } from "../support/client.ts";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { RawClient } from "../support/raw_client.ts";
import { fileScope, temporaryFolder } from "../support/scope.ts";
import { httpUpstream, rawUpstream, readEcho } from "../support/upstreams.ts";

// One proxy for all, reloaded by every test; one worker, so that there is one pool of upstream connections.
const oneWorker = { top: { workers: 1 } };
const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1", oneWorker));
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const ok = (text: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;

test("pipelined requests are answered in order, however late the first answer is", async (t) => {
  const releases: (() => void)[] = [];
  const upstream = await httpUpstream(t, (request, response) => {
    const answer = (): unknown => response.end(request.url);
    if (request.url === "/1") releases.push(answer);
    else answer();
  });
  await edge.reload(proxyTo(upstream.url, oneWorker));
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send(get("/1") + get("/2") + get("/3"));
  await upstream.log.wait("request GET /1");
  assert.equal(client.text, "");
  releases[0]?.();
  for (const path of ["/1", "/2", "/3"]) assert.equal((await client.response()).body.toString(), path);
});

test("a hundred pipelined requests, content and all, each get their own answer", async (t) => {
  const upstream = await httpUpstream(t);
  await edge.reload(proxyTo(upstream.url, oneWorker));
  const client = await RawClient.open(t, { port: edge.port("main") });
  const bodies = Array.from({ length: 100 }, (_, i) => `content ${i}`.repeat(i % 7));
  const requests = bodies.map(
    (body, i) => `POST /${i} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  void client.send(requests.join(""));
  for (const [i, body] of bodies.entries()) {
    const seen = readEcho((await client.response()).body);
    assert.deepEqual([seen.url, seen.body], [`/${i}`, body]);
  }
});

test("requests of many clients share pooled upstream connections", async (t) => {
  const upstream = await httpUpstream(t);
  await edge.reload(proxyTo(upstream.url, oneWorker));
  const reuses = (): Promise<number> => edge.metric("mango_upstream_reuses_total", { upstream: "app" });
  const before = await reuses();
  for (let i = 0; i < 20; i += 1) await ask({ port: edge.port("main"), path: `/${i}` });
  assert.equal(upstream.requests(), 20);
  assert.equal(upstream.connections(), 1);
  assert.equal((await reuses()) - before, 19);
});

test("an upstream that says Connection: close is asked on a new connection", async (t) => {
  const upstream = await rawUpstream(t, (socket) => {
    socket.end("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
  });
  await edge.reload(proxyTo(upstream.url, oneWorker));
  for (let i = 0; i < 3; i += 1) assert.equal((await ask({ port: edge.port("main") })).body, "ok");
  assert.equal(upstream.connections(), 3);
});

test("a pooled connection that the upstream closed meanwhile costs no request", async (t) => {
  const upstream = await rawUpstream(t, (socket) => {
    socket.write(ok("ok"), () => setImmediate(() => socket.end()));
  });
  await edge.reload(proxyTo(upstream.url, oneWorker));
  for (let i = 0; i < 20; i += 1) assert.equal((await ask({ port: edge.port("main") })).status, 200);
});

test("an upstream that goes away while idle is noticed and its connection leaves the pool", async (t) => {
  const upstream = await httpUpstream(t);
  await edge.reload(proxyTo(upstream.url, oneWorker));
  await ask({ port: edge.port("main") });
  await upstream.stop();
  const again = await httpUpstream(t, undefined, { port: upstream.port });
  assert.equal((await ask({ port: edge.port("main") })).status, 200);
  assert.equal(again.connections(), 1);
});

test("listeners and upstreams speak IPv6", async (t) => {
  const upstream = await httpUpstream(t, undefined, { host: "::1" });
  await edge.reload(proxyTo(upstream.url, { listener: { address: "[::1]:0" }, ...oneWorker }));
  const answer = await ask({ port: edge.port("main"), address: "::1", path: "/six" });
  const seen = readEcho(answer.body);
  assert.equal(seen.url, "/six");
  assert.equal(seen.headers["x-forwarded-for"], "::1");
});

test("a listener on [::] takes both families", async (t) => {
  const upstream = await httpUpstream(t);
  await edge.reload(proxyTo(upstream.url, { listener: { address: "[::]:0" }, ...oneWorker }));
  for (const address of ["::1", "127.0.0.1"]) {
    const seen = readEcho((await ask({ port: edge.port("main"), address })).body);
    assert.equal(seen.headers["x-forwarded-for"], address, "no IPv4-mapped form may leak");
  }
});

test("an upstream may be a name, or a Unix socket", async (t) => {
  const path = join(temporaryFolder(t), "app.sock");
  const [local, named] = [await httpUpstream(t, undefined, { path }), await httpUpstream(t)];
  for (const url of [local.url, `http://localhost:${named.port}`]) {
    await edge.reload(proxyTo(url, oneWorker));
    for (let i = 0; i < 3; i += 1) {
      const answer = await ask({ port: edge.port("main"), path: `/${i}`, host: "site.example" });
      assert.equal(readEcho(answer.body).headers["host"], "site.example");
    }
  }
});
