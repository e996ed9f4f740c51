// SPDX-License-Identifier: Apache-2.0
// Streams that are begun only to be thrown away: Rapid Reset (CVE-2023-44487), MadeYouReset (CVE-2025-8671), and
// frames for streams that are gone already.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { endedWith, honestIsServed, sendUntilRefused } from "../support/h2_attack.ts";
import { data, flags, frame, headers, priority, rstStream, windowUpdate } from "../support/h2_frames.ts";
import { H2Peer, maxWindow } from "../support/h2_peer.ts";
import { encode, type Field, firstDynamicIndex, indexed, literal } from "../support/hpack.ts";
import { fileScope } from "../support/scope.ts";
import { httpUpstream, readEcho } from "../support/upstreams.ts";

const upstream = await httpUpstream(fileScope);
const edge = await startEdge(fileScope, proxyTo(upstream.url, { top: { workers: 1 } }));
const target = { port: edge.port("main") };

const reason = "http2-rapid-reset";
// What the budget of the defaults allows, with room for what it regains meanwhile.
const bound = 400;
const perBurst = 50;
const bursts = 40;

type Trick = (peer: H2Peer, stream: number) => readonly Buffer[];

const streamsOf = (round: number): number[] =>
  Array.from({ length: perBurst }, (_, i) => 2 * (round * perBurst + i) + 1);
const burstOf = (peer: H2Peer, trick: Trick) => (round: number) =>
  streamsOf(round).flatMap((stream) => trick(peer, stream));

const post = (peer: H2Peer, stream: number, fields: readonly Field[] = []): Buffer =>
  peer.request(stream, { method: "POST", open: true, fields });

// Resets of the client's own.
const resets: Readonly<Record<string, Trick>> = {
  "a request and its reset": (peer, stream) => [peer.request(stream), rstStream(stream)],
  "a request with content to come and its reset": (peer, stream) => [post(peer, stream), rstStream(stream)],
  "a request, some content and its reset": (peer, stream) => [
    post(peer, stream),
    data(stream, "hello"),
    rstStream(stream, "NO_ERROR"),
  ],
};

// Mistakes that cost the stream, so that the reset is ours.
const made: Readonly<Record<string, Trick>> = {
  "content beyond content-length": (peer, stream) => [
    post(peer, stream, [["content-length", "1"]]),
    data(stream, "12", flags.endStream),
  ],
  "content short of content-length": (peer, stream) => [
    post(peer, stream, [["content-length", "3"]]),
    data(stream, "12", flags.endStream),
  ],
  "a malformed request": (peer, stream) => [peer.request(stream, { fields: [["X-A", "1"]] })],
  "a hop-by-hop field": (peer, stream) => [peer.request(stream, { fields: [["connection", "close"]] })],
  "a window that overflows": (peer, stream) => [post(peer, stream), windowUpdate(stream, maxWindow)],
  "a second head": (peer, stream) => [
    post(peer, stream),
    headers(stream, encode(peer.requestFields()), flags.endHeaders),
  ],
  "malformed trailers": (peer, stream) => [post(peer, stream), headers(stream, encode([[":path", "/"]]))],
};

for (const [what, trick] of Object.entries({ ...resets, ...made })) {
  test(`abuse 14: ${what}, again and again, ends in ENHANCE_YOUR_CALM and little reaches the upstream`, async (t) => {
    const before = upstream.requests();
    await endedWith(edge, reason, async () => {
      const peer = await H2Peer.open(t, target);
      await sendUntilRefused(peer, burstOf(peer, trick), bursts);
      assert.equal(await peer.goaway(), "ENHANCE_YOUR_CALM");
      await peer.ended();
    });
    assert.ok(upstream.requests() - before <= bound, `${upstream.requests() - before} requests`);
    await honestIsServed(t, target);
  });
}

// RFC 9113 lets a server end the connection at the first of these, and one that does needs no budget.
const fatal: Readonly<Record<string, Trick>> = {
  "a window update of 0": (peer, stream) => [post(peer, stream), windowUpdate(stream, 0)],
  "content after the end": (peer, stream) => [peer.request(stream), data(stream, "late")],
  "a head after the end": (peer, stream) => [peer.request(stream), peer.request(stream)],
  "a priority that depends on itself": (peer, stream) => [peer.request(stream), priority(stream, stream)],
  "a priority of 4 octets": (peer, stream) => [
    peer.request(stream),
    frame("priority", { stream, payload: "1234" }),
  ],
  "padding beyond the frame": (peer, stream) => [
    post(peer, stream),
    frame("data", { stream, flags: flags.padded, payload: "\xffpad" }),
  ],
};

for (const [what, trick] of Object.entries(fatal)) {
  test(`abuse 14: ${what}, again and again, is not endured`, async (t) => {
    const before = upstream.requests();
    const peer = await H2Peer.open(t, target);
    const burst = burstOf(peer, trick);
    // Where the mistake is forgiven altogether, the requests are whole ones and answered.
    await sendUntilRefused(peer, burst, bursts).catch((error: Error) =>
      assert.match(error.message, /all accepted/),
    );
    const answered = peer.received.filter(({ type }) => type === "headers").length;
    assert.ok(upstream.requests() - before <= answered + bound);
    await honestIsServed(t, target);
  });
}

test("abuse 14: resets of a stream that is gone already count as well", async (t) => {
  await endedWith(edge, reason, async () => {
    const peer = await H2Peer.open(t, target);
    const again = Array.from({ length: perBurst }, () => rstStream(1));
    await sendUntilRefused(peer, (round) => (round === 0 ? [post(peer, 1), ...again] : again), bursts);
    assert.equal(await peer.goaway(), "ENHANCE_YOUR_CALM");
    await peer.ended();
  });
});

test("abuse 14: the same flood on many connections at once starves nobody", async (t) => {
  const before = upstream.requests();
  const peers = await Promise.all(Array.from({ length: 20 }, () => H2Peer.open(t, target)));
  const trick: Trick = (peer, stream) => [peer.request(stream), rstStream(stream)];
  const floods = peers.map((peer) => sendUntilRefused(peer, burstOf(peer, trick), bursts));
  await honestIsServed(t, target);
  await Promise.all(floods);
  for (const peer of peers) assert.equal(await peer.goaway(), "ENHANCE_YOUR_CALM");
  assert.ok(upstream.requests() - before <= peers.length * bound);
});

test("abuse 14: one read with thousands of resets costs the upstream no more", async (t) => {
  const before = upstream.requests();
  const peer = await H2Peer.open(t, target);
  const streams = Array.from({ length: 5_000 }, (_, i) => 2 * i + 1);
  void peer.send(...streams.flatMap((stream) => [peer.request(stream), rstStream(stream)]));
  assert.match(await peer.goaway(), /ENHANCE_YOUR_CALM|ended by rst/);
  assert.ok(upstream.requests() - before <= bound);
  await honestIsServed(t, target);
});

test("a client that now and then changes its mind is left alone", async (t) => {
  const peer = await H2Peer.open(t, target);
  for (let i = 0; i < 100; i += 1) {
    const stream = 4 * i + 1;
    await peer.send(peer.request(stream), rstStream(stream), peer.request(stream + 2));
    assert.equal(await peer.outcome(stream + 2), "200");
  }
});

test("streams beyond the limit are refused, those within it are served", async (t) => {
  const held: (() => void)[] = [];
  const slow = await httpUpstream(t, (_request, response) => held.push(() => response.end("ok")));
  const own = await startEdge(t, proxyTo(slow.url));
  const peer = await H2Peer.open(t, { port: own.port("main") });
  const streams = Array.from({ length: 101 }, (_, i) => 2 * i + 1);
  // Not a word of ours acknowledges the server's SETTINGS yet, so going beyond is no breach but bad luck.
  await peer.send(...streams.map((stream) => peer.request(stream)));
  assert.match(await peer.outcome(201), /^(REFUSED_STREAM|GOAWAY PROTOCOL_ERROR)$/);
  if (peer.ending !== undefined) return;
  await slow.log.until(
    () => (slow.requests() >= 100 ? true : undefined),
    () => "the streams within the limit",
  );
  for (const answer of held) answer();
  for (const stream of streams.slice(0, 100)) assert.equal(await peer.outcome(stream), "200");
});

// --- frames for a stream that is gone

test("abuse 18: DATA and HEADERS after a reset in the same packet are ignored, the others go on", async (t) => {
  const peer = await H2Peer.open(t, target);
  // The late head must still be read: the next request refers to what it put into the table.
  const late = Buffer.concat([literal("x-late", "1"), literal("x-crumb", "kept", "add")]);
  const next = Buffer.concat([encode(peer.requestFields({ path: "/next" })), indexed(firstDynamicIndex)]);
  await peer.send(
    post(peer, 1),
    rstStream(1),
    data(1, "late"),
    headers(1, late),
    data(1, "later", flags.endStream),
    windowUpdate(1, 100),
    rstStream(1),
    headers(3, next),
  );
  const { body } = await peer.message(3);
  assert.deepEqual([readEcho(body).url, readEcho(body).headers["x-crumb"]], ["/next", "kept"]);
  await peer.barrier();
});

test("abuse 18: the same after a reset of ours", async (t) => {
  const peer = await H2Peer.open(t, target);
  const lying = post(peer, 1, [["content-length", "1"]]);
  await peer.send(lying, data(1, "12"), data(1, "34"), data(1, "", flags.endStream), peer.request(3));
  assert.equal(await peer.outcome(1), "PROTOCOL_ERROR");
  await peer.send(data(1, "late"), headers(1, encode([["x-late", "1"]])), peer.request(5));
  assert.deepEqual([await peer.outcome(3), await peer.outcome(5)], ["200", "200"]);
});

const part = Buffer.alloc(16_384);
const initialCredit = 65_535;

// Uploads stream after stream, as the connection's window allows, until so much was sent.
async function uploadAll(
  peer: H2Peer,
  bytes: number,
  frames: (stream: number) => readonly Buffer[],
): Promise<number> {
  const credit = (): number =>
    peer.received
      .filter(({ type, stream }) => type === "windowUpdate" && stream === 0)
      .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), initialCredit);
  const content = [part, part, part];
  let stream = 1;
  for (let sent = 0; sent < bytes; sent += content.length * part.length) {
    const enough = (): boolean => credit() - sent >= content.length * part.length;
    await peer.until(() => enough() || peer.ending !== undefined, "the connection's window");
    await peer.send(...frames(stream), ...content.map((each) => data(stream, each)));
    stream += 2;
  }
  return stream;
}

const threeWindows = 3 * 1024 * 1024;

test("abuse 18: content of streams that are gone still gives its window back", async (t) => {
  const http2 = { resetBudget: { burst: 10_000 } };
  const own = await startEdge(t, proxyTo(upstream.url, { listener: { http2 } }));
  const peer = await H2Peer.open(t, { port: own.port("main") });
  const next = await uploadAll(peer, threeWindows, (stream) => [post(peer, stream), rstStream(stream)]);
  await peer.send(peer.request(next));
  assert.equal((await peer.message(next)).status, "200");
});

test("uploads that are answered before they were sent are no attack", async (t) => {
  const filters = [{ requestRedirect: { hostname: "elsewhere.example" } }];
  const moved = { name: "moved", matches: [{ path: { type: "PathPrefix", value: "/moved" } }], filters };
  const base = proxyTo(upstream.url);
  const own = await startEdge(t, { ...base, routes: [...(base["routes"] as unknown[]), moved] });
  const peer = await H2Peer.open(t, { port: own.port("main") });
  const ask = { method: "POST", path: "/moved", open: true } as const;
  const next = await uploadAll(peer, 4 * threeWindows, (stream) => [peer.request(stream, ask)]);
  for (let stream = 1; stream < next; stream += 2) assert.equal(await peer.outcome(stream), "302");
  await peer.send(peer.request(next));
  assert.equal((await peer.message(next)).status, "200");
});
