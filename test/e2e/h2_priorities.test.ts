// SPDX-License-Identifier: Apache-2.0
// RFC 9218: when there is not room for all, the urgent stream's bytes come first. The room is the window of the
// connection, which the client opens in steps, so that each step shows who was served.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { windowUpdate } from "../support/h2_frames.ts";
import { H2Peer } from "../support/h2_peer.ts";
import { fileScope, type Scope } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const connectionWindow = 65_535; // what every connection begins with
const step = 4096;
const small = 3 * step;

// "/N" answers N bytes at once.
const upstream = await httpUpstream(fileScope, (request, response) => {
  response.end(Buffer.alloc(Number(request.url?.slice(1)), 1));
});
const edge = await startEdge(fileScope, proxyTo(upstream.url));

// A connection whose window stream 1 has used up, with more to come.
async function exhausted(scope: Scope, priority: string): Promise<H2Peer> {
  const peer = await H2Peer.open(
    scope,
    { port: edge.port("main") },
    { settings: { initialWindowSize: 1 << 20 } },
  );
  const fields = priority === "" ? [] : [["priority", priority] as [string, string]];
  await peer.send(peer.request(1, { path: `/${2 * connectionWindow}`, fields }));
  await peer.until(() => contentBytes(peer, 1) === connectionWindow, "the whole window to be used");
  return peer;
}

// Asks for `small` bytes and waits for the head of the answer, which no window holds back; its content is behind it.
async function ask(peer: H2Peer, stream: number, priority: string): Promise<void> {
  await peer.send(peer.request(stream, { path: `/${small}`, fields: [["priority", priority]] }));
  await peer.frame((each) => each.stream === stream && each.type === "headers", `the head of ${stream}`);
  await peer.barrier();
}

function contentBytes(peer: H2Peer, stream: number): number {
  const mine = peer.received.filter((each) => each.stream === stream && each.type === "data");
  return mine.reduce((sum, { payload }) => sum + payload.length, 0);
}

// Opens the window by one step and answers how many bytes each stream got of it.
async function served(peer: H2Peer, streams: readonly number[]): Promise<number[]> {
  const before = streams.map((stream) => contentBytes(peer, stream));
  const total = (): number => streams.reduce((sum, stream) => sum + contentBytes(peer, stream), 0);
  const goal = total() + step;
  await peer.send(windowUpdate(0, step));
  await peer.until(() => total() === goal, "the step to be used");
  return streams.map((stream, i) => contentBytes(peer, stream) - (before[i] ?? 0));
}

test("the most urgent stream is served first, then the next", async (t) => {
  const peer = await exhausted(t, "u=6");
  await ask(peer, 3, "u=3");
  await ask(peer, 5, "u=0");
  const streams = [1, 3, 5];
  for (let i = 0; i < 3; i += 1)
    assert.deepEqual(await served(peer, streams), [0, 0, step], `step ${i} of 5`);
  for (let i = 0; i < 3; i += 1)
    assert.deepEqual(await served(peer, streams), [0, step, 0], `step ${i} of 3`);
  assert.deepEqual(await served(peer, streams), [step, 0, 0], "and then the rest");
});

test("without a priority a stream has urgency 3", async (t) => {
  const peer = await exhausted(t, "");
  await ask(peer, 3, "u=4");
  await ask(peer, 5, "u=2");
  assert.deepEqual(await served(peer, [1, 3, 5]), [0, 0, step]);
});

test("incremental streams of one urgency share what there is", async (t) => {
  const peer = await exhausted(t, "u=7");
  await ask(peer, 3, "u=3, i");
  await ask(peer, 5, "u=3, i");
  for (let i = 0; i < 4; i += 1) await served(peer, [1, 3, 5]);
  const [three, five] = [contentBytes(peer, 3), contentBytes(peer, 5)];
  assert.ok(three > 0 && five > 0, `${three} and ${five} bytes`);
  assert.equal(contentBytes(peer, 1), connectionWindow);
});

test("PRIORITY_UPDATE changes the order", async (t) => {
  const peer = await exhausted(t, "u=7");
  await ask(peer, 3, "u=3");
  await ask(peer, 5, "u=4");
  await peer.send(priorityUpdate(5, "u=1"));
  await peer.barrier();
  assert.deepEqual(await served(peer, [1, 3, 5]), [0, 0, step]);
});

// RFC 9218 section 7.1.
function priorityUpdate(stream: number, value: string): Buffer {
  const head = Buffer.alloc(13);
  head.writeUIntBE(4 + value.length, 0, 3);
  head.writeUInt8(0x10, 3);
  head.writeUInt32BE(stream, 9);
  return Buffer.concat([head, Buffer.from(value)]);
}
