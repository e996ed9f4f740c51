// SPDX-License-Identifier: Apache-2.0
// HTTP/2 to upstreams: many requests on few connections, the server's own limits, and connections that it ends.
import assert from "node:assert/strict";
import type { Http2ServerRequest } from "node:http2";
import { test } from "node:test";
import { hashOf, hashOfBlocks, standsStill, writeBlocks } from "../support/bulk.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { ask } from "../support/client.ts";
import { proxyTo } from "../support/configs.ts";
import { type Config, startEdge } from "../support/edge.ts";
import { answerOf, H2Client, responseOf } from "../support/http2_client.ts";
import {
  type H2Handler,
  type H2UpstreamOptions,
  h2Upstream,
  httpsUpstream,
} from "../support/http2_upstream.ts";
import { Load } from "../support/load.ts";
import { fileScope, type Scope, temporaryFolder } from "../support/scope.ts";
import { readEcho } from "../support/upstreams.ts";

const authority = new CertificateAuthority(temporaryFolder(fileScope));
const server = authority.issue("server", ["up.example"]);
const tls = { ca: authority.certificate.certFile, serverName: "up.example" };
const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1"));

function h2cTo(url: string, upstream: Config = {}): Config {
  return proxyTo(url, { upstream: { protocol: "h2c", ...upstream } });
}

const secureUrl = (port: number): string => `https://127.0.0.1:${port}`;

async function clients(scope: Scope, count: number): Promise<H2Client[]> {
  const target = { port: edge.port("main") };
  return Promise.all(Array.from({ length: count }, () => H2Client.open(scope, target)));
}

// Holds every response back until so many requests are there.
function together(count: number): { handler: H2Handler } {
  const waiting: (() => void)[] = [];
  return {
    handler: (request, response) => {
      waiting.push(() => response.end(request.url));
      if (waiting.length === count) for (const answer of waiting) answer();
    },
  };
}

test("h2c: prior knowledge, with :authority and :scheme in place of Host", async (t) => {
  const upstream = await h2Upstream(t);
  await edge.reload(h2cTo(upstream.url));
  const seen = readEcho((await ask({ port: edge.port("main"), host: "own.example", path: "/x" })).body);
  assert.deepEqual([seen.headers[":authority"], seen.headers[":scheme"]], ["own.example", "http"]);
  assert.equal(seen.headers["host"], undefined);
  assert.equal(seen.headers["x-forwarded-host"], "own.example");
});

for (const protocol of ["h2", "auto"]) {
  test(`${protocol}: HTTP/2 by ALPN over verified TLS`, async (t) => {
    const upstream = await h2Upstream(t, undefined, { tls: server });
    await edge.reload(proxyTo(secureUrl(upstream.port), { upstream: { protocol, tls } }));
    const seen = readEcho((await ask({ port: edge.port("main") })).body);
    assert.equal(seen.headers[":scheme"], "https");
    assert.match(await upstream.log.wait("secure"), /alpn=h2 name=up\.example/);
  });
}

test("auto: HTTP/1.1 with a server that knows no other", async (t) => {
  const upstream = await httpsUpstream(t, server);
  await edge.reload(proxyTo(secureUrl(upstream.port), { upstream: { tls } }));
  const seen = readEcho((await ask({ port: edge.port("main"), method: "POST", body: "content" })).body);
  assert.deepEqual([seen.body, ":authority" in seen.headers], ["content", false]);
  assert.match(await upstream.log.wait("secure"), /alpn=http\/1\.1/);
});

test("http1: HTTP/1.1 even with a server that would speak HTTP/2", async (t) => {
  const upstream = await h2Upstream(t, undefined, { tls: server, allowHTTP1: true });
  await edge.reload(proxyTo(secureUrl(upstream.port), { upstream: { protocol: "http1", tls } }));
  assert.equal((await ask({ port: edge.port("main") })).status, 200);
  assert.match(await upstream.log.wait("secure"), /alpn=(http\/1\.1)? /);
});

test("h2 with a server that does not know it: 502 with a reason", async (t) => {
  const upstream = await httpsUpstream(t, { ...server, ALPNProtocols: ["http/1.1"] });
  await edge.reload(proxyTo(secureUrl(upstream.port), { upstream: { protocol: "h2", tls } }));
  assert.equal((await ask({ port: edge.port("main"), path: "/alpn" })).status, 502);
  const record = await edge.accessRecord(({ path }) => path === "/alpn");
  assert.notEqual(record["reason"] ?? "", "");
});

test("200 requests at once share few connections", async (t) => {
  const upstream = await h2Upstream(t, together(200).handler);
  await edge.reload(h2cTo(upstream.url));
  const asking = (await clients(t, 2)).flatMap((client) => Array.from({ length: 100 }, () => client.ask()));
  for (const { status } of await Promise.all(asking)) assert.equal(status, 200);
  assert.ok(upstream.connections() <= 4, `${upstream.connections()} connections`);
});

test("requests one after the other share one connection, whatever the client speaks", async (t) => {
  const upstream = await h2Upstream(t);
  await edge.reload(h2cTo(upstream.url, { connectionPool: { maxConnections: 1 } }));
  const load = new Load({ port: edge.port("main"), clients: 4 });
  await load.more(400);
  assert.deepEqual((await load.stop()).failures, []);
  assert.ok(upstream.connections() <= 2, `${upstream.connections()} connections for two workers`);
  assert.equal((await edge.metric("mango_upstream_connections_open", { upstream: "app" })) <= 2, true);
});

test("the server's own limit of streams is respected, and nobody fails for it", async (t) => {
  const upstream = await h2Upstream(t, (_request, response) => setImmediate(() => response.end("ok")), {
    settings: { maxConcurrentStreams: 10 },
  });
  await edge.reload(h2cTo(upstream.url));
  const [client] = (await clients(t, 1)) as [H2Client];
  const both = Array.from({ length: 80 }, (_, i) =>
    client.ask({ ":method": i % 2 === 0 ? "GET" : "POST" }, i % 2 === 0 ? {} : { body: "content" }),
  );
  for (const { status } of await Promise.all(both)) assert.equal(status, 200);
  assert.ok(upstream.peakStreams() <= 10, `${upstream.peakStreams()} streams at once`);
});

test("our own limit of streams opens further connections", async (t) => {
  const upstream = await h2Upstream(t, together(30).handler);
  await edge.reload(h2cTo(upstream.url, { http2: { maxConcurrentStreams: 10 } }));
  const [client] = (await clients(t, 1)) as [H2Client];
  const answers = await Promise.all(Array.from({ length: 30 }, () => client.ask()));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.deepEqual([upstream.peakStreams(), upstream.connections()], [10, 3]);
});

test("a server that ends its connections in order costs no request", async (t) => {
  const upstream = await h2Upstream(t, (request, response) => {
    const { stream } = request as Http2ServerRequest;
    if ((stream.id ?? 0) > 20) stream.session?.close();
    response.end("ok");
  });
  await edge.reload(h2cTo(upstream.url));
  const loads = ["GET", "POST"].map((method) => new Load({ port: edge.port("main"), method, clients: 4 }));
  for (const load of loads) await load.more(500);
  for (const load of loads) assert.deepEqual((await load.stop()).failures, []);
  assert.ok(upstream.connections() > 2, "the server did end connections");
});

test("an unused connection is given back after its time", async (t) => {
  const upstream = await h2Upstream(t);
  await edge.reload(h2cTo(upstream.url, { timeouts: { idle: "300ms" } }));
  assert.equal((await ask({ port: edge.port("main") })).status, 200);
  await upstream.log.wait("session closed");
  assert.equal((await ask({ port: edge.port("main") })).status, 200);
  assert.equal(upstream.connections(), 2);
});

test("a stream without an answer in time is 504, and its neighbours on the connection go on", async (t) => {
  const upstream = await h2Upstream(t, (request, response) => {
    if (request.url !== "/never") response.end("ok");
  });
  await edge.reload(h2cTo(upstream.url, { timeouts: { response: "300ms" } }));
  const [client] = (await clients(t, 1)) as [H2Client];
  const never = client.ask({ ":path": "/never" });
  await upstream.log.wait("request GET /never");
  assert.equal((await client.ask()).status, 200);
  assert.equal((await never).status, 504);
  await upstream.log.wait("stream closed /never");
  assert.equal((await client.ask()).status, 200);
  assert.equal(upstream.connections(), 1);
});

interface Stalling {
  readonly options?: H2UpstreamOptions;
  readonly upstream: Awaited<ReturnType<typeof h2Upstream>>;
  readonly release: () => void;
}

// /stalled is not read until it is released; everything else is answered with the hash of its content.
async function stalling(scope: Scope): Promise<Stalling> {
  const { promise, resolve: release } = Promise.withResolvers<void>();
  const upstream = await h2Upstream(scope, (request, response) => {
    const answer = async (): Promise<void> => void response.end(await hashOf(request));
    if (request.url === "/stalled") void promise.then(answer);
    else void answer();
  });
  return { upstream, release };
}

test("an upload that the server does not read holds up no other of the same connection", async (t) => {
  const { upstream, release } = await stalling(t);
  await edge.reload(h2cTo(upstream.url));
  const [client] = (await clients(t, 1)) as [H2Client];
  let written = 0;
  const stream = client.stream({ ":method": "POST", ":path": "/stalled" });
  const stalled = answerOf(stream);
  void writeBlocks(stream, 16, (so) => {
    written = so;
  });
  assert.ok((await standsStill(() => written)) < 16);
  assert.equal((await client.ask({ ":method": "POST" }, { body: "" })).status, 200);
  assert.equal(upstream.connections(), 1);
  release();
  assert.equal((await stalled).body.toString(), hashOfBlocks(16));
});

// More for each than its stream's window holds, more for all than the connection's would.
test("clients that do not read hold up nobody else on the shared connection", async (t) => {
  const bulk = Buffer.alloc(192 * 1024, 1);
  const upstream = await h2Upstream(t, (request, response) =>
    response.end(request.url === "/bulk" ? bulk : "ok"),
  );
  await edge.reload(h2cTo(upstream.url));
  const client = await H2Client.open(t, { port: edge.port("main") });
  const stalled = Array.from({ length: 40 }, () => client.stream({ ":path": "/bulk" }));
  await Promise.all(stalled.map(responseOf));
  const others = await clients(t, 4);
  for (const { body } of await Promise.all(others.map((other) => other.ask())))
    assert.equal(String(body), "ok");
  const bodies = await Promise.all(stalled.map((stream) => stream.toArray()));
  assert.ok(bodies.every((parts) => bulk.equals(Buffer.concat(parts as Buffer[]))));
});

test("a reload from HTTP/1.1 to HTTP/2 and back fails no request", async (t) => {
  const h2 = await h2Upstream(t, undefined, { tls: server, allowHTTP1: true });
  const config = (protocol: string): Config => proxyTo(secureUrl(h2.port), { upstream: { protocol, tls } });
  await edge.reload(config("http1"));
  const load = new Load({ port: edge.port("main"), clients: 4 });
  for (const protocol of ["h2", "http1", "auto", "http1"]) {
    await load.more(50);
    await edge.reload(config(protocol));
  }
  await load.more(50);
  assert.deepEqual((await load.stop()).failures, []);
});
