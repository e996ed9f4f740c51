// SPDX-License-Identifier: Apache-2.0
// HTTP/2 connections of every temper, for tests in which what counts is that the proxy survives them: well-behaved
// ones, those that leave in the midst of things, those that attack, and those that send frames at random.
import { randomInt } from "node:crypto";
import {
  continuation,
  data,
  flags,
  frame,
  goaway,
  headers,
  ping,
  rstStream,
  settings,
  windowUpdate,
} from "./h2_frames.ts";
import { type Ask, H2Peer, openWindows } from "./h2_peer.ts";
import { type H2Script, respond, responseHead } from "./h2_raw_upstream.ts";
import { encode, type Field, firstDynamicIndex, indexed, literal } from "./hpack.ts";
import type { RawTarget } from "./raw_client.ts";
import type { Scope } from "./scope.ts";

const frameBytes = 16_384;
const oddStreams = (count: number): number[] => Array.from({ length: count }, (_, i) => 2 * i + 1);
const paths = ["/keep", "/large", "/chunks", "/h2/keep", "/h2/large", "/h2/chunks"];
const anyOf = <T>(list: readonly T[]): T => list[randomInt(list.length)] as T;
const over = (peer: H2Peer): boolean =>
  peer.ending !== undefined || peer.received.some(({ type }) => type === "goaway");

type Temper = (peer: H2Peer) => Promise<unknown>;

// All at once and patient; content both ways.
async function behave(peer: H2Peer): Promise<void> {
  await peer.send(...openWindows());
  const streams = oddStreams(12);
  for (const stream of streams) {
    const ask: Ask = { path: anyOf(paths), method: "POST", open: true };
    await peer.send(
      peer.request(stream, ask),
      data(stream, Buffer.alloc(frameBytes)),
      data(stream, "end", flags.endStream),
    );
  }
  for (const stream of streams) await peer.outcome(stream);
}

// Windows of a page, opened as content comes.
async function readSlowly(peer: H2Peer): Promise<void> {
  peer.onFrame(({ type, stream, payload }) => {
    if (type === "data" && payload.length > 0)
      void peer.send(windowUpdate(0, payload.length), windowUpdate(stream, payload.length));
  });
  await peer.send(settings({ initialWindowSize: 4_096 }));
  const streams = oddStreams(6);
  await peer.send(...streams.map((stream) => peer.request(stream, { path: anyOf(paths) })));
  for (const stream of streams) await peer.outcome(stream);
}

async function cancel(peer: H2Peer): Promise<void> {
  const streams = oddStreams(40);
  peer.onFrame(({ type, stream }) => {
    if (type === "headers" && randomInt(2) === 0) void peer.send(rstStream(stream), data(stream, "late"));
  });
  for (const stream of streams) {
    await peer.send(peer.request(stream, { path: anyOf(paths), open: randomInt(3) === 0 }));
    if (randomInt(3) === 0) await peer.send(rstStream(stream));
  }
  await peer.barrier();
}

async function leave(peer: H2Peer): Promise<void> {
  const streams = oddStreams(20);
  await peer.send(
    ...streams.map((stream) => peer.request(stream, { path: anyOf(paths), open: randomInt(2) === 0 })),
  );
  if (randomInt(2) === 0) await peer.frame(({ type }) => type === "headers").catch(() => {});
  if (randomInt(3) === 0) await peer.send(goaway(0));
  if (randomInt(2) === 0) peer.socket.end();
  else peer.socket.resetAndDestroy();
}

async function stall(peer: H2Peer): Promise<void> {
  await peer.send(settings({ initialWindowSize: 0 }));
  await peer.send(...oddStreams(30).map((stream) => peer.request(stream, { path: anyOf(paths) })));
  await peer.outcome(1);
  await peer.send(
    settings({ initialWindowSize: anyOf([0, 1, 65_535]), headerTableSize: anyOf([0, 100, 4_096]) }),
  );
}

const mistakes: readonly Field[] = [
  ["X-A", "1"],
  ["connection", "close"],
  ["x-a", "1\r\n2"],
  ["content-length", "7"],
  [":path", "/twice"],
  ["x-large", "v".repeat(15_000)],
];

async function err(peer: H2Peer): Promise<void> {
  for (const stream of oddStreams(40)) {
    const ask: Ask = { path: anyOf(paths), fields: [anyOf(mistakes)], open: randomInt(2) === 0 };
    await peer.send(peer.request(stream, ask), data(stream, "content", randomInt(2)));
  }
  await peer.barrier();
}

async function until(peer: H2Peer, burst: (round: number) => Buffer): Promise<void> {
  for (let round = 0; round < 60 && !over(peer); round += 1) await peer.send(burst(round));
}

const rapidReset: Temper = (peer) =>
  until(peer, (round) => {
    const streams = oddStreams(50).map((stream) => stream + round * 100);
    return Buffer.concat(
      streams.flatMap((stream) => [peer.request(stream, { path: anyOf(paths) }), rstStream(stream)]),
    );
  });

const endlessHead: Temper = (peer) =>
  until(peer, (round) => {
    const start = headers(1, encode(peer.requestFields()), flags.endStream);
    return round === 0 ? start : continuation(1, literal("x-a", "v".repeat(randomInt(1_000)), "add"));
  });

const controlFlood: Temper = (peer) => {
  const each = anyOf([
    ping(),
    settings({}),
    windowUpdate(0, 1),
    frame("priority", { stream: 1, payload: "\0\0\0\0\x01" }),
  ]);
  const burst = Buffer.concat(Array.from({ length: 200 }, () => each));
  return until(peer, () => burst);
};

const bomb: Temper = (peer) =>
  until(peer, (round) => {
    const entry = round === 0 ? [literal("x-bomb", "b".repeat(1_000), "add")] : [];
    const references = Buffer.alloc(randomInt(5_000), indexed(firstDynamicIndex));
    return headers(2 * round + 1, Buffer.concat([encode(peer.requestFields()), ...entry, references]));
  });

// Mostly nonsense, but each with a head that says how long it is.
const atRandom: Temper = (peer) =>
  until(peer, (round) => {
    const request = peer.request(2 * round + 1, { path: anyOf(paths), open: true });
    const payload = Buffer.from(Array.from({ length: anyOf([0, 1, 4, 5, 8, 40]) }, () => randomInt(256)));
    const parts = { stream: randomInt(2 * round + 4), flags: randomInt(64), payload };
    return Buffer.concat([request, frame(randomInt(18), parts)]);
  });

const tempers: readonly Temper[] = [
  behave,
  readSlowly,
  cancel,
  leave,
  stall,
  err,
  rapidReset,
  endlessHead,
  controlFlood,
  bomb,
  atRandom,
];

// Ready to be visited with; a rejection says only that the connection was ended early.
export const http2Visits = tempers.map((temper) => async (scope: Scope, target: RawTarget): Promise<void> => {
  const peer = await H2Peer.open(scope, target);
  await temper(peer).finally(() => peer.socket.destroy());
});

// For rawH2Upstream: a server that does each time something else that it should not.
export const faithless: H2Script = (peer, { stream }) => {
  const head = responseHead(stream, "200");
  const acts: readonly (readonly Buffer[])[] = [
    respond(stream),
    [rstStream(stream, anyOf(["INTERNAL_ERROR", "REFUSED_STREAM", "NO_ERROR"]))],
    [head, data(stream, "half"), rstStream(stream, "CANCEL")],
    [data(stream, "early")],
    [responseHead(stream, "2x0")],
    [head, data(stream, Buffer.alloc(frameBytes)), head],
    [goaway(anyOf([0, stream]), anyOf(["NO_ERROR", "INTERNAL_ERROR"]))],
    [responseHead(stream, "103"), responseHead(stream, "103"), ...respond(stream)],
    [head, ...Array.from({ length: 20 }, () => data(stream, Buffer.alloc(frameBytes)))],
    [
      frame(randomInt(12), { stream: randomInt(stream + 3), flags: randomInt(64), payload: "\0\0\0\x01" }),
      ...respond(stream),
    ],
    Array.from({ length: 1_500 }, () => ping()),
  ];
  void peer.send(...anyOf(acts));
  if (randomInt(8) === 0 && peer.socket.writable) peer.socket.end();
};
