// SPDX-License-Identifier: Apache-2.0
// Floods of frames that cost the sender nothing: header blocks that never end (CVE-2024-27316) and control frames.
// Each ends with its session; transfers that need many control frames do not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { endedWith, honestIsServed, sendUntilRefused } from "../support/h2_attack.ts";
import {
  continuation,
  data,
  flags,
  frame,
  headers,
  ping,
  priority,
  settings,
  settingsAck,
  windowUpdate,
} from "../support/h2_frames.ts";
import { H2Peer } from "../support/h2_peer.ts";
import { rawH2Upstream, responseHead } from "../support/h2_raw_upstream.ts";
import { encode, indexed, literal } from "../support/hpack.ts";
import { residentBytes } from "../support/process_facts.ts";
import { fileScope } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const MiB = 1024 * 1024;
const large = Buffer.alloc(24 * MiB, "large ");
const upstream = await httpUpstream(fileScope, (request, response) => {
  request.on("error", () => {});
  request.resume().on("end", () => response.end(request.url === "/large" ? large : "ok"));
});
const timeouts = { requestHeaders: "700ms" };
const edge = await startEdge(fileScope, proxyTo(upstream.url, { listener: { timeouts } }));
const target = { port: edge.port("main") };

// --- header blocks without an end

const begin = (peer: H2Peer, more = Buffer.alloc(0)): Buffer =>
  headers(1, Buffer.concat([encode(peer.requestFields()), more]), flags.endStream);
// A name and the length of a value of 15,000 octets.
const endlessField = Buffer.concat([literal("x-a", "").subarray(0, -1), Buffer.from("7f9974", "hex")]);

interface Block {
  readonly part: Buffer;
  readonly reason?: string;
}

const blocks: Readonly<Record<string, Block>> = {
  "empty frames": { part: Buffer.alloc(0) },
  "single octets of one endless field": { part: Buffer.from("v") },
  "small fields": { part: literal("x-a", "1") },
  "references to one entry": { part: Buffer.alloc(16_000, indexed(20)), reason: "http2-header-bomb" },
  "large fields": { part: literal("x-large", "v".repeat(16_000)), reason: "http2-header-bomb" },
  "fields that enter the table": { part: literal("x-a", "1", "add") },
};

// Not polite: an acknowledgement of SETTINGS within a header block would be an error of its own.
const rude = { polite: false };

for (const [what, { part, reason = "http2-continuation-flood" }] of Object.entries(blocks)) {
  test(`abuse 15: CONTINUATION frames without an end, ${what}, end the session`, async (t) => {
    const memory = residentBytes(edge.pid);
    await endedWith(edge, reason, async () => {
      const peer = await H2Peer.open(t, target, rude);
      const start = begin(peer, what.startsWith("single") ? endlessField : undefined);
      const more = Array.from({ length: 64 }, () => continuation(1, part));
      await flood(peer, (round) => (round === 0 ? [start, ...more] : more), 2_000);
      assert.match(await peer.goaway(), /ENHANCE_YOUR_CALM|ended by rst/);
      await peer.ended();
    });
    assert.ok(residentBytes(edge.pid) - memory < 32 * MiB);
    await honestIsServed(t, target);
  });
}

// A block has no barrier within it: what follows HEADERS without an end may be CONTINUATION only.
async function flood(
  peer: H2Peer,
  burst: (round: number) => readonly Buffer[],
  rounds: number,
): Promise<void> {
  const over = (): boolean =>
    peer.ending !== undefined || peer.received.some(({ type }) => type === "goaway");
  for (let round = 0; round < rounds && !over(); round += 1) {
    await peer.send(...burst(round));
    await new Promise(setImmediate);
  }
}

test("abuse 15: a header block that stops in its midst meets the deadline of heads", async (t) => {
  const peer = await H2Peer.open(t, target, rude);
  await peer.send(begin(peer), continuation(1, literal("x-a", "1")));
  await peer.ended();
  await edge.events((event) => event["trigger"] === "headerTimeout");
  await honestIsServed(t, target);
});

test("abuse 15: another frame within a header block is a connection error", async (t) => {
  const peer = await H2Peer.open(t, target, rude);
  await peer.send(begin(peer), ping());
  assert.equal(await peer.goaway(), "PROTOCOL_ERROR");
  await peer.ended();
});

test("a request in a few CONTINUATION frames is a request", async (t) => {
  const peer = await H2Peer.open(t, target);
  const block = encode(peer.requestFields({ fields: [["x-a", "v".repeat(100)]] }));
  const parts = [0, 1, 2, 3].map((i) => block.subarray(i * 40, i === 3 ? undefined : (i + 1) * 40));
  await peer.send(
    ...parts.map((part, i) => {
      if (i === 0) return headers(1, part, flags.endStream);
      return continuation(1, part, i === 3 ? flags.endHeaders : flags.none);
    }),
  );
  assert.equal((await peer.message(1)).status, "200");
});

// --- control frames

const held = (peer: H2Peer): Buffer => peer.request(1, { method: "POST", open: true });
const unknownType = 0x2a;
const priorityUpdate = 0x10;

const controls: Readonly<Record<string, Buffer>> = {
  "SETTINGS frames": settings({ initialWindowSize: 65_535 }),
  "empty SETTINGS frames": settings({}),
  "PING frames": ping(),
  "answers to PING that nobody sent": ping("nothing.", flags.ack),
  "PRIORITY frames": priority(1),
  "PRIORITY frames for streams that never were": priority(9_999, 3),
  "PRIORITY_UPDATE frames": frame(priorityUpdate, { payload: "\0\0\0\x01u=1" }),
  "WINDOW_UPDATE frames for the connection": windowUpdate(0, 1),
  "WINDOW_UPDATE frames for a stream": windowUpdate(1, 1),
  "empty DATA frames": data(1, ""),
  "DATA frames of nothing but padding": frame("data", {
    stream: 1,
    flags: flags.padded,
    payload: Buffer.from([3, 0, 0, 0]),
  }),
  "frames of an unknown type": frame(unknownType, { stream: 1, payload: "what" }),
};

for (const [what, each] of Object.entries(controls)) {
  test(`abuse 17: a flood of ${what} ends in ENHANCE_YOUR_CALM`, async (t) => {
    await endedWith(edge, "http2-control-flood", async () => {
      const peer = await H2Peer.open(t, target);
      const burst = Array.from({ length: 100 }, () => each);
      await sendUntilRefused(peer, (round) => (round === 0 ? [held(peer), ...burst] : burst), 100);
      assert.equal(await peer.goaway(), "ENHANCE_YOUR_CALM");
      await peer.ended();
    });
    await honestIsServed(t, target);
  });
}

test("abuse 17: acknowledgements of SETTINGS that nobody sent are a connection error", async (t) => {
  const peer = await H2Peer.open(t, target);
  await peer.send(settingsAck(), settingsAck(), settingsAck());
  assert.equal(await peer.goaway(), "PROTOCOL_ERROR");
  await peer.ended();
});

for (const [what, each] of [
  ["PING", ping()],
  ["SETTINGS", settings({})],
] as const) {
  test(`abuse 17: a flood of ${what} whose answers are never read stays bounded and ends`, async (t) => {
    const memory = residentBytes(edge.pid);
    await endedWith(edge, "http2-control-flood", async () => {
      const peer = await H2Peer.open(t, target, { polite: false });
      peer.socket.pause();
      const burst = Array.from({ length: 1_000 }, () => each);
      for (let i = 0; i < 500 && !peer.socket.destroyed; i += 1) void peer.send(...burst);
      await edge.events((event) => event["reason"] === "http2-control-flood");
      peer.socket.resume();
      await peer.ended();
    });
    assert.ok(residentBytes(edge.pid) - memory < 32 * MiB);
    await honestIsServed(t, target);
  });
}

for (const initialWindowSize of [4_096, 65_535]) {
  test(`a download with WINDOW_UPDATEs for every frame and windows of ${initialWindowSize} octets is no flood`, async (t) => {
    const peer = await H2Peer.open(t, target, { settings: { initialWindowSize } });
    peer.onFrame(({ type, stream, payload }) => {
      if (type !== "data" || payload.length === 0) return;
      void peer.send(windowUpdate(0, payload.length), windowUpdate(stream, payload.length));
    });
    await peer.send(peer.request(1, { path: "/large" }));
    const { status, body } = await peer.message(1);
    assert.deepEqual([status, body.length, body.equals(large)], ["200", large.length, true]);
    assert.ok(peer.received.filter(({ type }) => type === "data").length > large.length / 16_384);
  });
}

test("abuse 17: a window opened one octet at a time is a flood, whatever is sent through it", async (t) => {
  await endedWith(edge, "http2-control-flood", async () => {
    const peer = await H2Peer.open(t, target, { settings: { initialWindowSize: 0 } });
    const dribble = Array.from({ length: 100 }, () => windowUpdate(1, 1));
    const asked = peer.request(1, { path: "/large" });
    await sendUntilRefused(peer, (round) => (round === 0 ? [asked, ...dribble] : dribble), 100);
    assert.equal(await peer.goaway(), "ENHANCE_YOUR_CALM");
    await peer.ended();
  });
  await honestIsServed(t, target);
});

test("an upload in small DATA frames is no flood", async (t) => {
  const peer = await H2Peer.open(t, target);
  await peer.send(held(peer));
  for (let i = 0; i < 50; i += 1) {
    await peer.send(...Array.from({ length: 100 }, () => data(1, "tiny")));
    await peer.barrier();
  }
  await peer.send(data(1, "", flags.endStream));
  assert.equal((await peer.message(1)).status, "200");
});

test("a chat of small messages, each answered with WINDOW_UPDATE and PING, is no flood", async (t) => {
  const echoing = await rawH2Upstream(t, (peer, { stream }) => {
    void peer.send(responseHead(stream, "200"));
    peer.onFrame((each) => {
      if (each.type !== "data" || each.payload.length === 0) return;
      void peer.send(data(stream, each.payload), windowUpdate(0, each.payload.length));
    });
  });
  const own = await startEdge(t, proxyTo(echoing.url, { upstream: { protocol: "h2c" } }));
  const peer = await H2Peer.open(t, { port: own.port("main") });
  // What gRPC clients do to measure the bandwidth: at most once a round trip, which is short here.
  const rounds = 3_000;
  let seen = 0;
  peer.onFrame(({ type, stream, payload }) => {
    if (type !== "data" || payload.length === 0) return;
    seen += 1;
    const size = payload.length;
    if (seen < rounds)
      void peer.send(windowUpdate(0, size), windowUpdate(stream, size), ping(), data(1, "message"));
  });
  await peer.send(held(peer), data(1, "message"));
  await peer.until(() => seen >= rounds || peer.ending !== undefined, "all messages");
  assert.equal(seen, rounds, await (seen < rounds ? peer.goaway() : ""));
});
