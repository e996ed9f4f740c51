// SPDX-License-Identifier: Apache-2.0
// HTTP/2 upstreams that lie or break the protocol, under clients of either version: the exchange fails with a reason,
// nothing incomplete looks complete, and no other exchange ever sees a byte of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
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
  type Settings,
  settings,
  settingsAck,
  windowUpdate,
} from "../support/h2_frames.ts";
import { type H2Peer, maxWindow } from "../support/h2_peer.ts";
import {
  type H2Request,
  type H2UpstreamOptions,
  rawH2Upstream,
  respond,
  responseHead,
} from "../support/h2_raw_upstream.ts";
import { encode, type Field, firstDynamicIndex, indexed, literal } from "../support/hpack.ts";
import { residentBytes } from "../support/process_facts.ts";
import { fileScope, type Scope } from "../support/scope.ts";
import type { Upstream } from "../support/upstreams.ts";
import { askIn, versions } from "../support/versions.ts";

const MiB = 1024 * 1024;
const setup = {
  upstream: {
    protocol: "h2c",
    healthCheck: { passive: { consecutiveFailures: 0 } },
    timeouts: { connect: "1s", response: "1s", idle: "1s" },
  },
  route: { retry: { attempts: 0 } },
  top: { workers: 1 },
};

// One proxy for all: every test puts its own upstream behind it by a reload.
const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1", setup));
const target = { port: edge.port("main") };

type Lie = (peer: H2Peer, request: H2Request) => void;

// Lies to every request but /honest.
async function lyingUpstream(scope: Scope, lie: Lie, options: H2UpstreamOptions = {}): Promise<Upstream> {
  const script: Lie = (peer, request) => {
    if (request.path.startsWith("/honest")) void peer.send(...respond(request.stream, "honest"));
    else lie(peer, request);
  };
  const upstream = await rawH2Upstream(scope, script, options);
  await edge.reload(proxyTo(upstream.url, setup));
  return upstream;
}

const saying =
  (frames: (stream: number) => readonly Buffer[]): Lie =>
  (peer, { stream }) =>
    void peer.send(...frames(stream));
const head = (stream: number, fields: readonly Field[], flag: number = flags.endHeaders): Buffer =>
  headers(stream, encode(fields), flag);
const endOf = (stream: number): Buffer => data(stream, "", flags.endStream);
const field = (name: string, value: string): Lie =>
  saying((stream) => [...respond(stream, "ok", [[name, value]])]);

// Says something again and again until the connection is gone.
const endlessly =
  (first: (stream: number) => readonly Buffer[], more: (stream: number) => Buffer): Lie =>
  (peer, { stream }) => {
    const burst = Buffer.concat(Array.from({ length: 100 }, () => more(stream)));
    const goOn = (): void => {
      while (!peer.socket.destroyed && peer.socket.write(burst));
    };
    peer.socket.on("drain", goOn);
    void peer.send(...first(stream));
    goOn();
  };

// --- nothing that could be a response

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
  "RST_STREAM with REFUSED_STREAM": saying((stream) => [rstStream(stream, "REFUSED_STREAM")]),
  "GOAWAY that refuses the request": saying(() => [goaway(0)]),
  "GOAWAY with an error": saying((stream) => [goaway(stream, "INTERNAL_ERROR")]),
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

const slug = (what: string, version: string): string =>
  `/${what.replaceAll(/[^a-z0-9]+/gi, "-")}-${version.slice(5)}`;

for (const [what, lie] of Object.entries(unbelievable)) {
  for (const version of versions) {
    test(`abuse 22, 23, ${version}: an HTTP/2 upstream that answers with ${what} gives 502 with a reason`, async (t) => {
      const memory = residentBytes(edge.pid);
      const upstream = await lyingUpstream(t, lie);
      const path = slug(what, version);
      const { how } = await askIn(version, t, target, { path });
      assert.equal(how, "502");
      const record = await edge.accessRecord((each) => each["path"] === path);
      assert.equal(record["status"], 502);
      assert.match(String(record["reason"]), /\w/);
      assert.equal(upstream.requests(), 1, "what may have been processed is not asked again");
      assert.ok(residentBytes(edge.pid) - memory < 32 * MiB);
      assert.deepEqual(await askIn(version, t, target, { path: "/honest" }), { how: "200", body: "honest" });
    });
  }
}

// --- a response that begins well

const twoOf = (stream: number, length: string): Buffer =>
  responseHead(stream, "200", [["content-length", length]]);

const broken: Readonly<Record<string, Lie>> = {
  "less content than content-length": saying((stream) => [
    twoOf(stream, "100"),
    data(stream, "short", flags.endStream),
  ]),
  "more content than content-length": saying((stream) => [
    twoOf(stream, "4"),
    data(stream, "long and longer", flags.endStream),
  ]),
  "trailers instead of the rest": saying((stream) => [
    twoOf(stream, "100"),
    data(stream, "short"),
    head(stream, [["x-t", "1"]], flags.endHeaders | flags.endStream),
  ]),
  "a second head": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "first"),
    ...respond(stream, "second"),
  ]),
  "trailers without an end": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "x"),
    head(stream, [["x-t", "1"]]),
  ]),
  "trailers with a pseudo field": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "x"),
    head(stream, [[":status", "200"]], flags.endHeaders | flags.endStream),
  ]),
  "trailers with CR LF": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "x"),
    head(stream, [["x-t", "1\r\n\r\nHTTP/1.1 200 OK"]], flags.endHeaders | flags.endStream),
  ]),
  "RST_STREAM in mid-content": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "half"),
    rstStream(stream, "INTERNAL_ERROR"),
  ]),
  "RST_STREAM with NO_ERROR in mid-content": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "half"),
    rstStream(stream, "NO_ERROR"),
  ]),
  "the end of the connection in mid-content": (peer, { stream }) =>
    void peer.socket.end(Buffer.concat([responseHead(stream, "200"), data(stream, "half")])),
  "a reset of the connection in mid-content": (peer, { stream }) =>
    void peer
      .send(responseHead(stream, "200"), data(stream, "half"))
      .then(() => peer.socket.resetAndDestroy()),
  "silence in mid-content": saying((stream) => [responseHead(stream, "200"), data(stream, "half")]),
  "more than the window allows": saying((stream) => [
    responseHead(stream, "200"),
    ...Array.from({ length: 400 }, () => data(stream, Buffer.alloc(16_384))),
  ]),
  "padding beyond the frame": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "half"),
    frame("data", { stream, flags: flags.padded, payload: "\xffpad" }),
  ]),
  "a flood of empty DATA": endlessly(
    (stream) => [responseHead(stream, "200"), data(stream, "half")],
    (stream) => data(stream, ""),
  ),
  "a frame of another stream's content": saying((stream) => [
    responseHead(stream, "200"),
    data(stream, "half"),
    data(stream + 2, "other"),
  ]),
};

for (const [what, lie] of Object.entries(broken)) {
  for (const version of versions) {
    test(`abuse 22, ${version}: an HTTP/2 upstream whose response has ${what} fails visibly`, async (t) => {
      await lyingUpstream(t, lie);
      const path = slug(what, version);
      const { how, body } = await askIn(version, t, target, { path });
      assert.notEqual(how, "200", "it looked complete");
      assert.doesNotMatch(body, /second|other|0\r\n\r\n$/);
      const record = await edge.accessRecord((each) => each["path"] === path);
      assert.match(String(record["reason"]), /\w/);
      assert.deepEqual(await askIn(version, t, target, { path: "/honest" }), { how: "200", body: "honest" });
    });
  }
}

// --- from the very beginning

const greetings: Readonly<Record<string, (peer: H2Peer) => void>> = {
  "a response before the request": (peer) => void peer.send(settings({}), ...respond(1, "early")),
  "DATA first": (peer) => void peer.send(data(1, "early")),
  "PING instead of SETTINGS": (peer) => void peer.send(ping()),
  "HTTP/1.1": (peer) => void peer.socket.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
  "no words of HTTP": (peer) => void peer.socket.write("220 smtp.example ESMTP\r\n"),
  "a closed door": (peer) => void peer.socket.end(),
  "GOAWAY at once": (peer) => void peer.send(settings({}), goaway(0, "NO_ERROR")),
  "a frame size of 0": (peer) => void peer.send(settings({ maxFrameSize: 0 })),
  "a window of 4 GiB": (peer) => void peer.send(settings({ initialWindowSize: 0xffff_ffff })),
  "push switched on": (peer) => void peer.send(settings({ enablePush: 1 })),
};

for (const [what, greeting] of Object.entries(greetings)) {
  test(`abuse 22: a connection that an upstream greets with ${what} carries nothing to anybody`, async (t) => {
    let accepted = 0;
    const options: H2UpstreamOptions = {
      greeting: (peer) => {
        accepted += 1;
        if (accepted === 1) greeting(peer);
        else void peer.send(settings({}));
      },
    };
    await lyingUpstream(
      t,
      saying((stream) => respond(stream, "honest")),
      options,
    );
    const path = slug(what, "greet");
    const { how, body } = await askIn("HTTP/2", t, target, { path });
    // Refused for certain before it was processed, a request may go to another connection.
    assert.ok(how === "502" || how === "503" || (how === "200" && body === "honest"), `${how} ${body}`);
    if (how !== "200") {
      const record = await edge.accessRecord((each) => each["path"] === path);
      assert.match(String(record["reason"]), /\w/);
    }
    assert.deepEqual(await askIn("HTTP/2", t, target, { path: "/honest" }), { how: "200", body: "honest" });
  });
}

const stubborn: Readonly<Record<string, Settings>> = {
  "takes no streams": { maxConcurrentStreams: 0 },
  "takes no content": { initialWindowSize: 0 },
};

for (const [what, values] of Object.entries(stubborn)) {
  test(`an upstream that ${what} costs a request its time and not for ever`, async (t) => {
    await lyingUpstream(t, () => {}, { settings: values });
    const path = slug(what, "slow");
    const { how } = await askIn("HTTP/2", t, target, { path, method: "POST", content: "hello" });
    assert.match(how, /^50[234]$/);
    const record = await edge.accessRecord((each) => each["path"] === path);
    assert.match(String(record["reason"]), /\w/);
  });
}
