// SPDX-License-Identifier: Apache-2.0
// Servers that refuse, stall, die: what the client is told, what the log says, what is tried again and what never.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask } from "../support/client.ts";
import { proxyTo, type Variation } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { Load } from "../support/load.ts";
import { RawClient } from "../support/raw_client.ts";
import { fileScope } from "../support/scope.ts";
import { upstreamProcess } from "../support/upstream_process.ts";
import { closedPort, httpUpstream, rawUpstream, tcpUpstream } from "../support/upstreams.ts";

const never = { healthCheck: { passive: { consecutiveFailures: 0 } } };

// One proxy for all, reloaded by every test; one worker, so that servers take turns exactly.
const top = { workers: 1 };
const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1", { top }));
const forwardTo = (url: string | readonly string[], vary: Variation = {}): Promise<void> =>
  edge.reload(proxyTo(url, { ...vary, top }));

async function reasonOf(path: string): Promise<string> {
  const record = await edge.accessRecord((each) => each["path"] === path);
  return String(record["reason"]);
}

test("a server that refuses connections: 502 or 503 with the reason", async (t) => {
  await forwardTo(`http://127.0.0.1:${await closedPort(t)}`);
  const { status } = await ask({ port: edge.port("main"), path: "/refused" });
  assert.ok([502, 503].includes(status), `status ${status}`);
  assert.match(await reasonOf("/refused"), /connect/i);
});

test("a name that cannot be resolved: 502 or 503 with a reason", async () => {
  await forwardTo("http://does-not-exist.invalid:80");
  const { status } = await ask({ port: edge.port("main"), path: "/unresolved" });
  assert.ok([502, 503].includes(status), `status ${status}`);
  assert.notEqual(await reasonOf("/unresolved"), "");
});

test("a server whose connection does not come about: 504 or 502 in time", async () => {
  // 192.0.2.0/24 is reserved for documentation: nobody answers there (or the host has no route to it).
  await forwardTo("http://192.0.2.1:81", { upstream: { timeouts: { connect: "300ms" } } });
  const { status } = await ask({ port: edge.port("main"), path: "/nobody" });
  assert.ok([502, 503, 504].includes(status), `status ${status}`);
  assert.match(await reasonOf("/nobody"), /connect/i);
});

test("a server that does not answer: 504 with the reason", async (t) => {
  const silent = await rawUpstream(t, () => {});
  await forwardTo(silent.url, { upstream: { timeouts: { response: "300ms" } } });
  assert.equal((await ask({ port: edge.port("main"), path: "/silent" })).status, 504);
  assert.match(await reasonOf("/silent"), /timeout/i);
  await silent.log.wait("closed");
});

test("the route's request timeout holds over the upstream's", async (t) => {
  const silent = await rawUpstream(t, () => {});
  await forwardTo(silent.url, { route: { timeouts: { request: "300ms" } } });
  assert.equal((await ask({ port: edge.port("main"), path: "/route" })).status, 504);
  assert.match(await reasonOf("/route"), /timeout/i);
});

test("a response that stalls midway ends the connection: nothing looks complete", async (t) => {
  const stalling = await rawUpstream(t, (socket) =>
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
  );
  await forwardTo(stalling.url, { upstream: { timeouts: { idle: "300ms" } } });
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send("GET /stall HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.receive("half");
  await client.ended();
  assert.match(await reasonOf("/stall"), /timeout|stall|idle/i);
});

test("a chunked response cut short is not ended with a last chunk", async (t) => {
  const cut = await rawUpstream(t, (socket) => {
    socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", () =>
      socket.destroy(),
    );
  });
  await forwardTo(cut.url);
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send("GET /cut HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.ended();
  assert.doesNotMatch(client.text, /0\r\n\r\n$/);
  assert.notEqual(await reasonOf("/cut"), "");
});

test("a GET whose server resets before answering is tried on another one", async (t) => {
  const bad = await rawUpstream(t, (socket) => socket.resetAndDestroy());
  const good = await httpUpstream(t, (_request, response) => response.end("good"));
  await forwardTo([bad.url, good.url], { upstream: never });
  const before = await edge.metric("mango_upstream_retries_total");
  for (let i = 0; i < 10; i += 1) assert.equal((await ask({ port: edge.port("main") })).body, "good");
  assert.ok(bad.requests() >= 3, "the bad server was never tried");
  assert.ok((await edge.metric("mango_upstream_retries_total")) - before >= 3);
});

for (const [what, headers] of [
  ["with content", { "content-length": "5" }],
  ["empty", { "content-length": "0" }],
] as const) {
  test(`a POST ${what} that reached a server is never sent to another one`, async (t) => {
    const bad = await rawUpstream(t, (socket) => socket.resetAndDestroy());
    const other = await rawUpstream(t, (socket) => socket.resetAndDestroy());
    await forwardTo([bad.url, other.url], { upstream: never });
    const body = headers["content-length"] === "5" ? "hello" : "";
    for (let i = 1; i <= 6; i += 1) {
      const { status } = await ask({
        port: edge.port("main"),
        method: "POST",
        headers,
        body,
        path: `/post${body}${i}`,
      });
      assert.equal(status, 502);
      assert.equal(bad.requests() + other.requests(), i);
    }
    assert.match(await reasonOf(`/post${body}1`), /reset/i);
  });
}

test("a POST is tried elsewhere when no server got any of it", async (t) => {
  const good = await httpUpstream(t);
  const dead = `http://127.0.0.1:${await closedPort(t)}`;
  await forwardTo([dead, good.url], { upstream: never });
  for (let i = 0; i < 6; i += 1) {
    const answer = await ask({ port: edge.port("main"), method: "POST", body: "once" });
    assert.equal(answer.status, 200);
  }
  assert.equal(good.requests(), 6);
});

test("a response that has begun is never retried", async (t) => {
  const cut = await rawUpstream(t, (socket) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", () => socket.resetAndDestroy());
  });
  await forwardTo([cut.url, cut.url.replace("127.0.0.1", "localhost")], { upstream: never });
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await client.ended();
  assert.equal(cut.requests(), 1);
});

test("kill -9 of one of two servers under load fails no GET, and its return is noticed", async (t) => {
  const [doomed, steady] = [await upstreamProcess(t, "doomed"), await upstreamProcess(t, "steady")];
  const passive = { consecutiveFailures: 3, baseEjectionTime: "500ms", maxEjectionTime: "1s" };
  const own = await startEdge(
    t,
    proxyTo([doomed.url, steady.url], { upstream: { healthCheck: { passive } } }),
  );
  const load = new Load({ port: own.port("main"), clients: 8 });
  await load.more(200);
  await doomed.kill();
  await load.more(500);
  assert.ok((await own.metric("mango_upstream_ejections_total")) >= 1);
  await own.events((event) => event["state"] === "ejected" && event["server"] === doomed.url);
  const back = await upstreamProcess(t, "back", doomed.port);
  assert.equal(back.port, doomed.port);
  const seen = async (): Promise<boolean> => (await ask({ port: own.port("main") })).body === "back";
  while (!(await seen())) await load.more(50);
  const { ok, failures } = await load.stop();
  assert.deepEqual(failures, [], `of ${ok + failures.length} requests`);
  await own.events((event) => event["state"] === "restored" && event["server"] === doomed.url);
  assert.equal(await own.metric("mango_upstream_servers_healthy", { upstream: "app" }), 2);
});

test("when every server is ejected the next request is still tried or told why", async (t) => {
  const passive = { consecutiveFailures: 1, baseEjectionTime: "1m", maxEjectionTime: "1m" };
  const flaky = await tcpUpstream(t, (socket) => socket.resetAndDestroy());
  await forwardTo(flaky.url, { upstream: { healthCheck: { passive } } });
  for (let i = 0; i < 5; i += 1) {
    const { status } = await ask({ port: edge.port("main"), path: `/e${i}` });
    assert.ok([502, 503].includes(status), `status ${status}`);
    assert.notEqual(await reasonOf(`/e${i}`), "undefined");
  }
});
