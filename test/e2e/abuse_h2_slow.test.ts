// SPDX-License-Identifier: Apache-2.0
// HTTP/2 clients that are slow on purpose, or many and idle: each step has its deadline, a slow stream costs its
// neighbours nothing, and a connection that waits holds little memory.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { honestIsServed } from "../support/h2_attack.ts";
import { data, flags, frame, headers, preface, settings } from "../support/h2_frames.ts";
import { H2Peer } from "../support/h2_peer.ts";
import { encode } from "../support/hpack.ts";
import { residentBytes } from "../support/process_facts.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually, fileScope } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const KiB = 1024;
const upstream = await httpUpstream(fileScope, (request, response) => {
  request.on("error", () => {});
  request.resume().on("end", () => response.end("ok"));
});
const timeouts = {
  requestHeaders: "600ms",
  requestBody: "600ms",
  idle: "600ms",
  minRate: { bytesPerSecond: 10_000, after: "300ms" },
};
const edge = await startEdge(fileScope, proxyTo(upstream.url, { listener: { timeouts } }));
const target = { port: edge.port("main") };

const request = encode([
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "site.example"],
  [":path", "/slow"],
  ["x-slow", "s".repeat(2_000)],
]);
const begun = Buffer.concat([preface, settings({})]);

// What comes at once; then silence.
const silences: Readonly<Record<string, Buffer>> = {
  "half a preface": preface.subarray(0, 11),
  "a preface without SETTINGS": preface,
  "nothing behind SETTINGS": begun,
  "half a frame's head": Buffer.concat([begun, headers(1, request).subarray(0, 5)]),
  "a frame's head without its payload": Buffer.concat([begun, headers(1, request).subarray(0, 9)]),
  "half a header block": Buffer.concat([begun, headers(1, request).subarray(0, 100)]),
  "a header block without an end": Buffer.concat([begun, headers(1, request, flags.endStream)]),
  "half a PING": Buffer.concat([begun, frame("ping", { payload: "1234", length: 8 })]),
};

for (const [what, bytes] of Object.entries(silences)) {
  test(`abuse 19, HTTP/2: silence after ${what} meets a deadline`, async (t) => {
    const client = await RawClient.open(t, target);
    await client.send(bytes);
    await client.ended();
    await honestIsServed(t, target);
  });
}

test("abuse 19, HTTP/2: a head that comes octet by octet meets the deadline of heads", async (t) => {
  const client = await RawClient.open(t, target);
  await client.send(begun);
  const bytes = headers(1, request);
  let at = 0;
  const timer = setInterval(() => void client.send(bytes.subarray(at, ++at)), 20);
  t.after(() => clearInterval(timer));
  await client.ended();
  await edge.events((event) => event["trigger"] === "headerTimeout");
  assert.ok(!upstream.log.all.some((line) => line.includes("/slow")));
});

test("abuse 19, HTTP/2: content below the minimum rate costs its stream, the neighbours go on", async (t) => {
  const peer = await H2Peer.open(t, target);
  await peer.send(peer.request(1, { method: "POST", path: "/drip", open: true }));
  const timer = setInterval(() => void peer.send(data(1, "x")), 20);
  t.after(() => clearInterval(timer));
  let stream = 3;
  const neighbours = async (): Promise<void> => {
    while (!peer.received.some((each) => each.stream === 1)) {
      await peer.send(peer.request(stream));
      assert.equal(await peer.outcome(stream), "200");
      stream += 2;
    }
  };
  const [outcome] = await Promise.all([peer.outcome(1), neighbours()]);
  assert.doesNotMatch(outcome, /^200/);
  await edge.events((event) => event["trigger"] === "minRate");
});

test("an idle connection is told, then closed", async (t) => {
  const peer = await H2Peer.open(t, target);
  await peer.send(peer.request(1));
  assert.equal(await peer.outcome(1), "200");
  assert.equal(await peer.goaway(), "NO_ERROR");
  assert.equal(await peer.ended(), "fin");
});

test("abuse 20, HTTP/2: 1,500 idle sessions after a request cost little, and an honest client is served", async (t) => {
  const count = 1_500;
  const own = await startEdge(t, proxyTo(upstream.url, { listener: { timeouts: { idle: "10m" } } }));
  const where = { port: own.port("main") };
  await honestIsServed(t, where);
  const before = residentBytes(own.pid);
  for (let opened = 0; opened < count; opened += 100) {
    const peers = await Promise.all(Array.from({ length: 100 }, () => H2Peer.open(t, where)));
    await Promise.all(
      peers.map(async (peer) => {
        await peer.send(peer.request(1));
        assert.equal(await peer.outcome(1), "200");
      }),
    );
  }
  await eventually(
    () => own.metric("mango_sessions_active"),
    (active) => active >= count,
    "all sessions",
  );
  const each = (residentBytes(own.pid) - before) / count;
  assert.ok(each < 24 * KiB, `${Math.round(each)} bytes per idle session`);
  await honestIsServed(t, where);
});
