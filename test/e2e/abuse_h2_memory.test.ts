// SPDX-License-Identifier: Apache-2.0
// HTTP/2 clients that want us to remember much and send little: references to large table entries, responses that are
// asked for and never read. What is asked for is bounded, and what is not read ends by its deadline.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { honestIsServed } from "../support/h2_attack.ts";
import { continuation, data, flags, headers, settings, windowUpdate } from "../support/h2_frames.ts";
import { type Ask, H2Peer } from "../support/h2_peer.ts";
import { encode, firstDynamicIndex, indexed, literal, tableSizeUpdate } from "../support/hpack.ts";
import { residentBytes } from "../support/process_facts.ts";
import { eventually, fileScope, type Scope } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const large = Buffer.alloc(4 * MiB, "large ");
const upstream = await httpUpstream(fileScope, (request, response) => {
  request.on("error", () => {});
  request.resume().on("end", () => response.end(request.url?.startsWith("/large") ? large : "ok"));
});
const timeouts = { write: "700ms", idle: "700ms" };
const never = { healthCheck: { passive: { consecutiveFailures: 0 } } };
const edge = await startEdge(
  fileScope,
  proxyTo(upstream.url, { listener: { timeouts }, upstream: never, top: { workers: 1 } }),
);
const target = { port: edge.port("main") };

const active = (): Promise<number> => edge.metric("mango_requests_active");
const nothingLeft = (): Promise<number> =>
  eventually(active, (count) => count === 0, "no request in progress");

// --- many times the same field, one octet each

const frameBytes = 16_000;

// A head whose block is one large frame of references to the entry that was added last.
function bomb(peer: H2Peer, stream: number, entry: Buffer, count: number): Buffer[] {
  const start = Buffer.concat([encode(peer.requestFields()), entry]);
  const parts: Buffer[] = [];
  for (let left = count; left > 0; left -= frameBytes) {
    const end = left <= frameBytes ? flags.endHeaders : flags.none;
    parts.push(
      continuation(stream, Buffer.alloc(Math.min(left, frameBytes), indexed(firstDynamicIndex)), end),
    );
  }
  return [headers(stream, start, flags.endStream), ...parts];
}

const entries: Readonly<Record<string, Buffer>> = {
  "a field of 4,000 octets": literal("x-bomb", "b".repeat(3_900), "add"),
  "a field without a value": literal("x", "", "add"),
  "a cookie of one octet": literal("cookie", "a", "add"),
};

for (const [what, entry] of Object.entries(entries)) {
  for (const count of [1_000, 64_000]) {
    test(`abuse 16: ${what}, referred to ${count} times, is refused and leaves no memory behind`, async (t) => {
      const before = residentBytes(edge.pid);
      const requests = upstream.requests();
      for (let i = 0; i < 20; i += 1) {
        const peer = await H2Peer.open(t, target);
        await peer.send(...bomb(peer, 1, entry, count));
        assert.match(
          await peer.outcome(1),
          /^(431|PROTOCOL_ERROR|ENHANCE_YOUR_CALM|GOAWAY \w+|ended by rst)$/,
        );
        peer.socket.destroy();
      }
      assert.equal(upstream.requests(), requests);
      const grown = residentBytes(edge.pid) - before;
      assert.ok(grown < 16 * MiB, `${Math.round(grown / KiB)} KiB more`);
      await honestIsServed(t, target);
    });
  }
}

test("abuse 16: a table that is resized again and again, or beyond what we allow, is an error", async (t) => {
  const peer = await H2Peer.open(t, target);
  await peer.send(headers(1, Buffer.concat([tableSizeUpdate(65_536), encode(peer.requestFields())])));
  assert.equal(await peer.goaway(), "COMPRESSION_ERROR");
  const other = await H2Peer.open(t, target);
  const resizes = Buffer.concat(
    Array.from({ length: 5_000 }, (_, i) => tableSizeUpdate(i % 2 === 0 ? 0 : 4_096)),
  );
  await other.send(headers(1, Buffer.concat([resizes, encode(other.requestFields())])), other.request(3));
  assert.match(await other.outcome(1), /^(200|431|\w+_ERROR|GOAWAY \w+)$/);
  await honestIsServed(t, target);
});

test("a client that allows us no table at all is served", async (t) => {
  const peer = await H2Peer.open(t, target, { settings: { headerTableSize: 0 } });
  await peer.send(peer.request(1), peer.request(3));
  assert.deepEqual([await peer.outcome(1), await peer.outcome(3)], ["200", "200"]);
});

test("a client that offers a table of 4 GiB does not make us fill it", async (t) => {
  const before = residentBytes(edge.pid);
  const peer = await H2Peer.open(t, target, { settings: { headerTableSize: 0xffff_ffff } });
  for (let i = 0; i < 200; i += 1) {
    await peer.send(peer.request(2 * i + 1, { path: `/${i}` }));
    assert.equal(await peer.outcome(2 * i + 1), "200");
  }
  assert.ok(residentBytes(edge.pid) - before < 8 * MiB);
});

// --- responses that nobody reads

const closed = { settings: { initialWindowSize: 0 } };
const streams = Array.from({ length: 100 }, (_, i) => 2 * i + 1);

// The largest heads that are accepted, for responses that may not be sent.
async function openStalled(scope: Scope, path: string): Promise<H2Peer> {
  const peer = await H2Peer.open(scope, target, closed);
  const entry = literal("x-bomb", "b".repeat(140), "add");
  const repeated = Buffer.alloc(80, indexed(firstDynamicIndex));
  const block = (stream: number): Buffer => {
    const fields = encode(peer.requestFields({ path: `${path}/${stream}` }));
    return Buffer.concat(stream === 1 ? [fields, entry, repeated] : [fields, repeated]);
  };
  await peer.send(...streams.map((stream) => headers(stream, block(stream))));
  return peer;
}

for (const path of ["/small", "/large"]) {
  test(`abuse 16: responses to ${path} behind closed windows are ended by the write timeout`, async (t) => {
    const before = residentBytes(edge.pid);
    const peers = await Promise.all(Array.from({ length: 10 }, () => openStalled(t, path)));
    await eventually(active, (count) => count > 0, "requests in progress");
    const peak = residentBytes(edge.pid);
    for (const peer of peers) {
      for (const stream of streams) assert.doesNotMatch(await peer.outcome(stream), /^\d/);
    }
    assert.ok(peak - before < 192 * MiB, "1,000 streams with 64 KiB each at most, twice");
    await nothingLeft();
    const record = await edge.accessRecord((each) => String(each["path"]).startsWith(path));
    assert.match(String(record["reason"]), /\w/);
    await honestIsServed(t, target);
  });
}

// Content of our own, which no upstream stands behind.
const ownAnswers: Readonly<Record<string, Ask>> = {
  "no route": { path: "/nowhere" },
  "a request that is refused": { path: "/honest#fragment" },
};

for (const [what, ask] of Object.entries(ownAnswers)) {
  test(`abuse 16: our own answers to ${what} behind closed windows are ended by the write timeout`, async (t) => {
    const routes = [
      { name: "some", matches: [{ path: { value: "/honest" } }], backendRefs: [{ name: "app" }] },
    ];
    const own = await startEdge(t, { ...proxyTo(upstream.url, { listener: { timeouts } }), routes });
    const peer = await H2Peer.open(t, { port: own.port("main") }, closed);
    await peer.send(...streams.map((stream) => peer.request(stream, ask)));
    for (const stream of streams) assert.doesNotMatch(await peer.outcome(stream), /^\d/);
    peer.socket.destroy();
    await honestIsServed(t, { port: own.port("main") });
  });
}

test("abuse 16: one stalled stream is ended, its neighbours are not", async (t) => {
  const peer = await H2Peer.open(t, target, closed);
  await peer.send(peer.request(1, { path: "/large/stalled" }), peer.request(3, { path: "/large/read" }));
  // The neighbour is read slowly enough to outlive the other's deadline.
  let ended = false;
  void peer.outcome(1).then(() => {
    ended = true;
  });
  const step = 16 * KiB;
  const open = (bytes: number): Promise<void> => peer.send(windowUpdate(0, bytes), windowUpdate(3, bytes));
  peer.onFrame(({ type, stream, payload }) => {
    if (type !== "data" || stream !== 3 || payload.length === 0) return;
    if (ended) void open(payload.length + step);
    else setTimeout(() => void open(payload.length), 20);
  });
  await open(step);
  assert.doesNotMatch(await peer.outcome(1), /^\d/);
  const { status, body } = await peer.message(3);
  assert.deepEqual([status, body.length], ["200", large.length]);
});

test("abuse 16: windows closed by SETTINGS in mid-response stall nobody for ever", async (t) => {
  const peer = await H2Peer.open(t, target);
  await peer.send(peer.request(1, { path: "/large/shrunk" }));
  await peer.frame(({ type }) => type === "data");
  await peer.send(settings({ initialWindowSize: 0 }));
  assert.doesNotMatch(await peer.outcome(1), /^\d/);
  await nothingLeft();
});

test("abuse 16: a client that never reads its connection at all is cut off", async (t) => {
  const peer = await H2Peer.open(t, target, { settings: { initialWindowSize: 2 ** 31 - 1 } });
  peer.socket.pause();
  await peer.send(
    windowUpdate(0, 2 ** 30),
    ...streams.map((stream) => peer.request(stream, { path: "/large/deaf" })),
  );
  await eventually(active, (count) => count > 0, "requests in progress");
  await nothingLeft();
  await eventually(
    () => edge.metric("mango_buffer_held_bytes"),
    (held) => held < 4 * MiB,
    "buffers back",
  );
  await honestIsServed(t, target);
});

test("abuse 19, HTTP/2: content that is announced and never sent meets its deadline, neighbours go on", async (t) => {
  const own = await startEdge(t, proxyTo(upstream.url, { listener: { timeouts: { requestBody: "600ms" } } }));
  const peer = await H2Peer.open(t, { port: own.port("main") });
  await peer.send(peer.request(1, { method: "POST", open: true, path: "/never" }), data(1, "some"));
  await peer.send(peer.request(3));
  assert.equal(await peer.outcome(3), "200");
  assert.doesNotMatch(await peer.outcome(1), /^200/);
  await own.events(({ trigger }) => trigger === "bodyTimeout" || trigger === "minRate");
});
