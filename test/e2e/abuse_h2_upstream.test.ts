// SPDX-License-Identifier: Apache-2.0
// HTTP/2 upstreams whose answer is none, under clients of either version: 502 with a reason, and nobody else is hurt.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  continuation,
  data,
  flags,
  frame,
  goaway,
  headers,
  ping,
  pushPromise,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from "../support/h2_frames.ts";
import { endlessly, endOf, head, type Lie, LiedTo, saying, slug } from "../support/h2_lies.ts";
import { H2Peer, maxWindow } from "../support/h2_peer.ts";
import { respond, responseHead } from "../support/h2_raw_upstream.ts";
import { encode, type Field, firstDynamicIndex, indexed, literal } from "../support/hpack.ts";
import { residentBytes } from "../support/process_facts.ts";
import { askIn, versions } from "../support/versions.ts";

const MiB = 1024 * 1024;
const lied = await LiedTo.start();
const { edge, target } = lied;

const field = (name: string, value: string): Lie =>
  saying((stream) => [...respond(stream, "ok", [[name, value]])]);

const unbelievable: Readonly<Record<string, Lie>> = {
  "DATA before HEADERS": saying((stream) => [data(stream, "early"), ...respond(stream)]),
  "HEADERS on a stream that nobody opened": saying((stream) => respond(stream + 2)),
  "HEADERS on a stream of its own": saying(() => respond(2)),
  PUSH_PROMISE: saying((stream) => [
    pushPromise(stream, 2, encode([[":path", "/pushed"]])),
    ...respond(stream),
  ]),
  "no :status": saying((stream) => [head(stream, [["content-length", "0"]]), endOf(stream)]),
  "a :status that is no number": saying((stream) => [responseHead(stream, "2x0"), endOf(stream)]),
  "a :status of two digits": saying((stream) => [responseHead(stream, "99"), endOf(stream)]),
  "a :status of four digits": saying((stream) => [responseHead(stream, "2000"), endOf(stream)]),
  "a :status of 000": saying((stream) => [responseHead(stream, "000"), endOf(stream)]),
  "an empty :status": saying((stream) => [responseHead(stream, ""), endOf(stream)]),
  "two :status": saying((stream) => [responseHead(stream, "200", [[":status", "204"]]), endOf(stream)]),
  ":status behind another field": saying((stream) => [
    head(stream, [
      ["x-a", "1"],
      [":status", "200"],
    ]),
    endOf(stream),
  ]),
  "a request's pseudo field": field(":path", "/"),
  "101 unasked": saying((stream) => [responseHead(stream, "101"), endOf(stream)]),
  "CR LF in a value": field("x-a", "1\r\nset-cookie: a=b"),
  "LF in a value": field("x-a", "1\nset-cookie: a=b"),
  "NUL in a value": field("x-a", "1\x002"),
  "CR LF in a name": field("x-a: 1\r\nx-b", "2"),
  "a space in a name": field("x a", "1"),
  "an empty name": field("", "1"),
  "upper case in a name": field("X-A", "1"),
  "connection: close": field("connection", "close"),
  "transfer-encoding: chunked": field("transfer-encoding", "chunked"),
  upgrade: field("upgrade", "h2c"),
  "two content-lengths": field("content-length", "2"),
  "content-length that is no number": saying((stream) => [
    responseHead(stream, "200", [["content-length", "2x"]]),
    endOf(stream),
  ]),
  "content-length and no content": saying((stream) => [
    responseHead(stream, "200", [["content-length", "2"]], flags.endHeaders | flags.endStream),
  ]),
  "an interim response that ends": saying((stream) => [
    responseHead(stream, "103", [], flags.endHeaders | flags.endStream),
  ]),
  "DATA after an interim response": saying((stream) => [
    responseHead(stream, "103"),
    data(stream, "x"),
    ...respond(stream),
  ]),
  "endless interim responses": endlessly(
    () => [],
    (stream) => responseHead(stream, "103"),
  ),
  "1 MB of header": saying((stream) => {
    const parts = Array.from({ length: 64 }, () =>
      continuation(stream, literal("x-big", "b".repeat(16_000))),
    );
    return [
      headers(stream, encode([[":status", "200"]]), flags.none),
      ...parts,
      continuation(stream, Buffer.alloc(0), flags.endHeaders),
    ];
  }),
  "a header block without an end": endlessly(
    (stream) => [headers(stream, encode([[":status", "200"]]), flags.none)],
    (stream) => continuation(stream, literal("x-a", "1")),
  ),
  "empty CONTINUATION frames without an end": endlessly(
    (stream) => [headers(stream, encode([[":status", "200"]]), flags.none)],
    (stream) => continuation(stream, Buffer.alloc(0)),
  ),
  "10,000 references to one large entry": saying((stream) => {
    const start = Buffer.concat([encode([[":status", "200"]]), literal("x-bomb", "b".repeat(3_900), "add")]);
    return [
      headers(stream, Buffer.concat([start, Buffer.alloc(10_000, indexed(firstDynamicIndex))])),
      endOf(stream),
    ];
  }),
  "a reference to no entry": saying((stream) => [headers(stream, indexed(99)), endOf(stream)]),
  "RST_STREAM with INTERNAL_ERROR": saying((stream) => [rstStream(stream, "INTERNAL_ERROR")]),
  "RST_STREAM with CANCEL": saying((stream) => [rstStream(stream, "CANCEL")]),
  "RST_STREAM with NO_ERROR": saying((stream) => [rstStream(stream, "NO_ERROR")]),
  "RST_STREAM with HTTP_1_1_REQUIRED": saying((stream) => [rstStream(stream, "HTTP_1_1_REQUIRED")]),
  "GOAWAY with an error": (peer, { stream }) => void peer.socket.end(goaway(stream, "INTERNAL_ERROR")),
  "GOAWAY and the end of the connection": (peer, { stream }) => void peer.socket.end(goaway(stream)),
  "nothing and the end of the connection": (peer) => void peer.socket.end(),
  "a reset of the connection": (peer) => void peer.socket.resetAndDestroy(),
  "half a frame and the end of the connection": (peer, { stream }) =>
    void peer.socket.end(responseHead(stream, "200").subarray(0, 11)),
  "a frame that is too large": saying((stream) => [data(stream, Buffer.alloc(20_000))]),
  "a HEADERS frame with a length that lies": saying((stream) => [
    frame("headers", { stream, flags: flags.endHeaders, payload: encode([[":status", "200"]]), length: 3 }),
    ...respond(stream),
  ]),
  "PING of 7 octets": saying(() => [frame("ping", { payload: "1234567" })]),
  "SETTINGS of 5 octets": saying(() => [frame("settings", { payload: "12345" })]),
  "a window that overflows": saying((stream) => [windowUpdate(0, maxWindow), ...respond(stream)]),
  "HTTP/1.1": (peer) => void peer.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
  "a flood of PING": endlessly(
    () => [],
    () => ping(),
  ),
  "a flood of SETTINGS": endlessly(
    () => [],
    () => settings({}),
  ),
  "a flood of acknowledged SETTINGS": endlessly(
    () => [],
    () => settingsAck(),
  ),
  "a flood of PRIORITY": endlessly(
    () => [],
    (stream) => frame("priority", { stream, payload: "\0\0\0\0\x0f" }),
  ),
  "a flood of WINDOW_UPDATE": endlessly(
    () => [],
    () => windowUpdate(0, 1),
  ),
  "a flood of frames of an unknown type": endlessly(
    () => [],
    () => frame(0x2a, { payload: "what" }),
  ),
};

// Promises that nothing was processed: such a request may be sent again, but not for ever.
const refusals: Readonly<Record<string, Lie>> = {
  "RST_STREAM with REFUSED_STREAM": saying((stream) => [rstStream(stream, "REFUSED_STREAM")]),
  "GOAWAY that refuses the request": saying(() => [goaway(0)]),
};

for (const [what, lie] of Object.entries({ ...unbelievable, ...refusals })) {
  for (const version of versions) {
    test(`abuse 22, 23, ${version}: an HTTP/2 upstream that answers with ${what} gives 502 with a reason`, async (t) => {
      const memory = residentBytes(edge.pid);
      const upstream = await lied.by(t, lie);
      const path = slug(what, version);
      const { how } = await askIn(version, t, target, { path });
      assert.equal(how, "502");
      const record = await edge.accessRecord((each) => each["path"] === path);
      assert.equal(record["status"], 502);
      assert.match(String(record["reason"]), /\w/);
      assert.ok(upstream.requests() <= (what in refusals ? 5 : 1), "it was asked again and again");
      assert.ok(residentBytes(edge.pid) - memory < 32 * MiB);
      assert.deepEqual(await askIn(version, t, target, { path: "/honest" }), { how: "200", body: "honest" });
    });
  }
}

test("abuse 23: octets that do not belong into a response's fields are found at any place", async (t) => {
  const padded = (wrong: string, length: number, at: number): string =>
    "v".repeat(at) + wrong + "v".repeat(length - at - 1);
  const lengths = Array.from({ length: 18 }, (_, i) => i + 1);
  const wrong = lengths.flatMap((length) =>
    Array.from({ length }, (_, at) => ["\0", "\n", "\r"].map((octet) => padded(octet, length, at))).flat(),
  );
  const lies: readonly Field[] = [
    ...wrong.map((value): Field => ["x-a", value]),
    ...wrong.map((value): Field => [`n${value}`, "1"]),
  ];
  await lied.by(t, (peer, { stream, path }) => {
    void peer.send(...respond(stream, "ok", [lies[Number(path.slice(1))] ?? ["x-a", "1"]]));
  });
  const peer = await H2Peer.open(t, target);
  for (const [i, field] of lies.entries()) {
    await peer.send(peer.request(2 * i + 1, { path: `/${i}` }));
    assert.equal(await peer.outcome(2 * i + 1), "502", JSON.stringify(field));
  }
});
