// SPDX-License-Identifier: Apache-2.0
// When an HTTP/2 server gives a stream up: what is sent again elsewhere, and what must never be. REFUSED_STREAM, and a
// GOAWAY below the stream, promise that nothing was done with it (RFC 9113 section 8.7); nothing else does.
import assert from "node:assert/strict";
import { constants, type ServerHttp2Stream } from "node:http2";
import { test } from "node:test";
import { ask } from "../support/client.ts";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { type H2Upstream, h2Upstream } from "../support/http2_upstream.ts";
import { fileScope, type Scope } from "../support/scope.ts";

const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1"));

interface Two {
  readonly bad: H2Upstream;
  readonly good: H2Upstream;
}

// Two servers behind one upstream, of which one treats every stream like this.
async function besides(scope: Scope, treat: (stream: ServerHttp2Stream) => void): Promise<Two> {
  const bad = await h2Upstream(scope, undefined, { onStream: treat });
  const good = await h2Upstream(scope, (request, response) => {
    request.resume().on("end", () => response.end("good"));
  });
  const never = { healthCheck: { passive: { consecutiveFailures: 0 } } };
  await edge.reload(proxyTo([bad.url, good.url], { upstream: { protocol: "h2c", ...never } }));
  return { bad, good };
}

// Enough requests that each of two workers meets both servers.
async function statuses(how: { method: string; body?: string }): Promise<number[]> {
  const seen: number[] = [];
  for (let i = 0; i < 8; i += 1) seen.push((await ask({ port: edge.port("main"), ...how })).status);
  return seen;
}

const all200 = Array.from({ length: 8 }, () => 200);
const reset =
  (code: number) =>
  (stream: ServerHttp2Stream): void =>
    stream.close(code);
const { NGHTTP2_REFUSED_STREAM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL } = constants;

for (const method of ["GET", "POST"]) {
  test(`${method}: a refused stream goes to the other server`, async (t) => {
    const { bad } = await besides(t, reset(NGHTTP2_REFUSED_STREAM));
    assert.deepEqual(await statuses({ method }), all200);
    assert.ok(bad.requests() > 0, "the server that refuses was never asked");
    assert.ok((await edge.metric("mango_upstream_retries_total", { upstream: "app" })) > 0);
  });

  test(`${method}: a stream above the last one of a GOAWAY goes to the other server`, async (t) => {
    const { bad } = await besides(t, (stream) => {
      if (stream.id === 1) return stream.respond({ ":status": 200 }, { endStream: true });
      stream.session?.goaway(0, 1);
      stream.session?.close();
    });
    assert.deepEqual(await statuses({ method }), all200);
    assert.ok(bad.requests() > 0);
  });
}

for (const [name, code] of [
  ["INTERNAL_ERROR", NGHTTP2_INTERNAL_ERROR],
  ["CANCEL", NGHTTP2_CANCEL],
] as const) {
  test(`GET: a stream that ends with ${name} goes to the other server`, async (t) => {
    const { bad } = await besides(t, reset(code));
    assert.deepEqual(await statuses({ method: "GET" }), all200);
    assert.ok(bad.requests() > 0);
  });

  test(`POST: a stream that ends with ${name} is not sent again`, async (t) => {
    const { bad, good } = await besides(t, reset(code));
    const seen = await statuses({ method: "POST", body: "content" });
    assert.equal(bad.requests() + good.requests(), 8, "each was sent once");
    assert.equal(seen.filter((status) => status === 502).length, bad.requests());
    assert.ok(bad.requests() > 0 && good.requests() > 0);
    const record = await edge.accessRecord(({ status }) => status === 502);
    assert.notEqual(record["reason"] ?? "", "");
  });
}

test("a response that has begun is never sent again", async (t) => {
  const { bad, good } = await besides(t, (stream) => {
    stream.respond({ ":status": 200 });
    stream.write("begun", () => stream.destroy(new Error("broken off")));
  });
  const outcomes: string[] = [];
  for (let i = 0; i < 8; i += 1) {
    await ask({ port: edge.port("main") }).then(
      ({ body }) => outcomes.push(body),
      () => outcomes.push("broken off"),
    );
  }
  assert.equal(outcomes.filter((each) => each === "broken off").length, bad.requests());
  assert.equal(bad.requests() + good.requests(), 8);
});

test("a connection that breaks: GET goes to the other server, POST is 502", async (t) => {
  const { bad, good } = await besides(t, (stream) => stream.session?.socket.destroy());
  assert.deepEqual(await statuses({ method: "GET" }), all200);
  const before = bad.requests() + good.requests();
  const seen = await statuses({ method: "POST", body: "content" });
  assert.equal(bad.requests() + good.requests() - before, 8, "each was sent once");
  assert.ok(seen.includes(502) && seen.includes(200), seen.join());
});

test("a server that only refuses is not asked for ever: 503 or 502, with a reason", async (t) => {
  const upstream = await h2Upstream(t, undefined, { onStream: reset(NGHTTP2_REFUSED_STREAM) });
  await edge.reload(proxyTo(upstream.url, { upstream: { protocol: "h2c" } }));
  const { status } = await ask({ port: edge.port("main"), path: "/refused" });
  assert.ok(status === 502 || status === 503, String(status));
  assert.ok(upstream.requests() < 10, `${upstream.requests()} attempts`);
  const record = await edge.accessRecord(({ path }) => path === "/refused");
  assert.notEqual(record["reason"] ?? "", "");
});
