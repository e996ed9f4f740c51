// SPDX-License-Identifier: Apache-2.0
// HTTP/2 requests that would mean something else once they are HTTP/1.1 text, or that no reader agrees on. Each costs
// its own stream and nothing more: its neighbours on the connection are served, and no upstream ever hears of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { continuation, data, flags, headers } from "../support/h2_frames.ts";
import { fieldOf, H2Peer } from "../support/h2_peer.ts";
import { encode, type Field } from "../support/hpack.ts";
import { fileScope } from "../support/scope.ts";
import { echo, httpUpstream, readEcho } from "../support/upstreams.ts";

const upstream = await httpUpstream(fileScope, (asked, response) => {
  asked.on("end", () => upstream.log.push(`whole ${asked.url}\n`));
  echo(asked, response);
});
const edge = await startEdge(fileScope, proxyTo(upstream.url));
const port = edge.port("main");

const authority = "site.example";
const base: readonly Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", authority],
  [":path", "/bad"],
];
const request = (...more: Field[]): readonly Field[] => [...base, ...more];
const replaced = (name: string, value: string): readonly Field[] =>
  base.map((field) => (field[0] === name ? [name, value] : field));
const without = (name: string): readonly Field[] => base.filter(([key]) => key !== name);
const twice = (name: string, value = fieldOf(base, name) ?? ""): readonly Field[] => [[name, value], ...base];
const many = (count: number, length: number): Field[] =>
  Array.from({ length: count }, (_, i) => [`x-${i}`, "v".repeat(length)]);

type Requests = Readonly<Record<string, readonly Field[]>>;

const smuggled = "GET /smuggled HTTP/1.1";

// RFC 9113 section 8.2 and 8.3: a stream error of type PROTOCOL_ERROR, nothing else.
const malformed: Requests = {
  "CR LF in a value": request(["x-a", `1\r\n\r\n${smuggled}`]),
  "CR in a value": request(["x-a", "1\r2"]),
  "LF in a value": request(["x-a", `1\nhost: b`]),
  "NUL in a value": request(["x-a", "1\x002"]),
  "CR LF in a name": request(["x-a: 1\r\nx-b", "2"]),
  "a colon in a name": request(["x-a:x", "1"]),
  "a space in a name": request(["x a", "1"]),
  "NUL in a name": request(["x\0a", "1"]),
  "a control character in a name": request(["x\x01a", "1"]),
  "a letter outside ASCII in a name": request(["x-\xe9", "1"]),
  "an empty name": request(["", "1"]),
  "upper case in a name": request(["X-A", "1"]),
  "one upper-case letter in a name": request(["x-forwarded-foR", "1"]),
  "a value that begins with a space": request(["x-a", " 1"]),
  "a value that ends with a space": request(["x-a", "1 "]),
  "a value that begins with a tab": request(["x-a", "\t1"]),
  "a value that ends with a tab": request(["x-a", "1\t"]),
  "connection: close": request(["connection", "close"]),
  "connection naming our own field": request(["connection", "x-forwarded-host"]),
  "keep-alive": request(["keep-alive", "timeout=5"]),
  "proxy-connection": request(["proxy-connection", "keep-alive"]),
  "transfer-encoding: chunked": request(["transfer-encoding", "chunked"]),
  upgrade: request(["upgrade", "h2c"]),
  "te other than trailers": request(["te", "gzip"]),
  "te: trailers and more": request(["te", "trailers, gzip"]),
  "an unknown pseudo field": request([":version", "HTTP/1.1"]),
  "a response's pseudo field": twice(":status", "200"),
  "a pseudo field behind others": [...without(":path"), ["x-a", "1"], [":path", "/bad"]],
  "two paths": twice(":path"),
  "two different paths": twice(":path", "/other"),
  "two methods": twice(":method", "POST"),
  "two schemes": twice(":scheme"),
  "two authorities": twice(":authority"),
  "two different authorities": twice(":authority", "other.example"),
  "no method": without(":method"),
  "no scheme": without(":scheme"),
  "no path": without(":path"),
  "an empty path": replaced(":path", ""),
  "a path without a slash": replaced(":path", "bad"),
  "a path that is a URL": replaced(":path", "http://other.example/bad"),
  "CR LF in the path": replaced(":path", `/bad HTTP/1.1\r\nhost: b\r\n\r\n${smuggled}`),
  "* for GET": replaced(":path", "*"),
  "CR LF in the method": replaced(":method", `GET /smuggled HTTP/1.1\r\nhost: b\r\n\r\nGET`),
  "a space in the method": replaced(":method", "GET /smuggled"),
  "an empty method": replaced(":method", ""),
  "CR LF in the scheme": replaced(":scheme", "http\r\n"),
  "CR LF in the authority": replaced(":authority", `${authority}\r\nx-a: 1`),
  "a comma in the authority": replaced(":authority", `${authority},b.example`),
  "a comma and a space in the authority": replaced(":authority", `${authority}, b.example`),
  "a space in the authority": replaced(":authority", `${authority} b.example`),
  "a user in the authority": replaced(":authority", `user@${authority}`),
  "a path in the authority": replaced(":authority", `${authority}/bad`),
  "a bad port in the authority": replaced(":authority", `${authority}:8x`),
  "an empty authority and no host": replaced(":authority", ""),
  "no authority and no host": without(":authority"),
  "host and authority that disagree": request(["host", "other.example"]),
  "two hosts": request(["host", authority], ["host", authority]),
  "content-length without content": request(["content-length", "5"]),
  "content-length that is no number": request(["content-length", "5x"]),
  "content-length with a plus": request(["content-length", "+0"]),
  "content-length with a minus": request(["content-length", "-1"]),
  "content-length listed": request(["content-length", "0, 0"]),
  "two content-lengths": request(["content-length", "0"], ["content-length", "0"]),
  "content-length above 64 bits": request(["content-length", "18446744073709551616"]),
  ":protocol without CONNECT": request([":protocol", "websocket"]),
};

// Whole and well-formed, but nothing we would forward: an answer, or the same error.
const refused: Requests = {
  "a control character in a value": request(["x-a", "1\x012"]),
  "a space in the path": replaced(":path", "/bad HTTP/1.1"),
  "a fragment in the path": replaced(":path", "/bad#smuggled"),
  "a path that leads out": replaced(":path", "/../bad"),
  "an escaped slash": replaced(":path", "/bad%2f..%2fsmuggled"),
  CONNECT: [
    [":method", "CONNECT"],
    [":authority", "other.example:443"],
  ],
  "CONNECT with a path": replaced(":method", "CONNECT"),
};

const tooLarge: Requests = {
  "a value that is too large": request(["x-a", "v".repeat(20_000)]),
  "a name that is too large": request(["n".repeat(20_000), "1"]),
  "too many fields": request(...many(150, 1)),
  "too much altogether": request(...many(90, 400)),
  "a path that is too large": replaced(":path", `/bad${"p".repeat(20_000)}`),
  "cookie crumbs beyond the count": request(...Array.from({ length: 150 }, (): Field => ["cookie", "a=b"])),
};

// A header block in as many frames as it takes.
function inFrames(stream: number, block: Buffer, flag: number): Buffer[] {
  const size = 16_384;
  const parts = Array.from({ length: Math.ceil(block.length / size) }, (_, i) =>
    block.subarray(i * size, (i + 1) * size),
  );
  return parts.map((part, i) => {
    const end = i === parts.length - 1 ? flags.endHeaders : flags.none;
    return i === 0 ? headers(stream, part, end | flag) : continuation(stream, part, end);
  });
}

// The request on stream 3, in one write between a request that is under way and one that follows.
async function between(peer: H2Peer, bad: readonly Buffer[]): Promise<string> {
  await peer.send(
    peer.request(1, { method: "POST", path: "/before", open: true }),
    ...bad,
    peer.request(5, { path: "/after" }),
    data(1, "hello", flags.endStream),
  );
  const outcome = await peer.outcome(3);
  const [before, after] = [await peer.message(1), await peer.message(5)];
  assert.deepEqual([readEcho(before.body).url, readEcho(before.body).body], ["/before", "hello"]);
  assert.equal(readEcho(after.body).url, "/after");
  return outcome;
}

function neverSeen(): void {
  const unexpected = upstream.log.all.filter(
    (line) => /^request/.test(line) && !/\/(before|after)$/.test(line),
  );
  assert.deepEqual(unexpected, []);
}

const groups: readonly (readonly [item: number, cases: Requests, outcome: RegExp])[] = [
  [6, malformed, /^PROTOCOL_ERROR$/],
  [6, refused, /^(PROTOCOL_ERROR|400|405|501)$/],
  [7, tooLarge, /^(400|414|431)$/],
];

for (const [item, cases, expected] of groups) {
  for (const [what, fields] of Object.entries(cases)) {
    test(`abuse ${item}, HTTP/2: ${what} costs its stream and nothing more`, async (t) => {
      const peer = await H2Peer.open(t, { port });
      const outcome = await between(peer, inFrames(3, encode(fields), flags.endStream));
      assert.match(outcome, expected);
      neverSeen();
    });
  }
}

// Checks that look at several octets at once must find one wherever it is.
const anywhere: Readonly<Record<string, (wrong: string, length: number, at: number) => Field>> = {
  value: (wrong, length, at) => ["x-a", "v".repeat(at) + wrong + "v".repeat(length - at - 1)],
  name: (wrong, length, at) => ["n".repeat(at) + wrong + "n".repeat(length - at - 1), "1"],
};
const wrongIn: Readonly<Record<string, readonly string[]>> = {
  value: ["\0", "\n", "\r"],
  name: ["\0", "\n", "\r", "A", "Z", " ", ":", "\x7f", "\xe9", "("],
};

for (const [where, make] of Object.entries(anywhere)) {
  test(`abuse 6, HTTP/2: octets that do not belong into a ${where} are found at any place`, async (t) => {
    const http2 = { resetBudget: { burst: 100_000 } };
    const own = await startEdge(t, proxyTo(upstream.url, { listener: { http2 } }));
    const peer = await H2Peer.open(t, { port: own.port("main") });
    let stream = 1;
    for (let length = 1; length <= 20; length += 1) {
      const places = Array.from({ length }, (_, at) => at).filter(
        (at) => where === "value" || at > 0 || length === 1,
      );
      const fields = (wrongIn[where] ?? []).flatMap((wrong) => places.map((at) => make(wrong, length, at)));
      for (const field of fields) {
        await peer.send(headers(stream, encode(request(field))));
        assert.equal(await peer.outcome(stream), "PROTOCOL_ERROR", JSON.stringify(field));
        stream += 2;
      }
    }
    await peer.send(peer.request(stream, { path: "/after" }));
    assert.equal(await peer.outcome(stream), "200");
    neverSeen();
  });
}

// What comes behind a good head: the content and the trailers.
const post = request(["content-length", "5"]).map(
  ([name, value]): Field => (name === ":method" ? [name, "POST"] : [name, value]),
);
const withoutLength = post.filter(([name]) => name !== "content-length");
const trailers = (...fields: Field[]): Buffer => headers(3, encode(fields));
const open = (fields: readonly Field[]): Buffer => headers(3, encode(fields), flags.endHeaders);

const contents: Readonly<Record<string, readonly Buffer[]>> = {
  "more content than content-length": [open(post), data(3, "hello!", flags.endStream)],
  "less content than content-length": [open(post), data(3, "hell", flags.endStream)],
  "content-length and trailers instead of content": [open(post), trailers(["x-t", "1"])],
  "a second head": [open(withoutLength), headers(3, encode(base), flags.endHeaders)],
  "trailers without an end": [open(withoutLength), headers(3, encode([["x-t", "1"]]), flags.endHeaders)],
  "trailers with a pseudo field": [open(withoutLength), trailers([":path", "/smuggled"])],
  "trailers with upper case": [open(withoutLength), trailers(["X-T", "1"])],
  "trailers with CR LF": [open(withoutLength), trailers(["x-t", `1\r\n\r\n${smuggled}`])],
  "trailers with transfer-encoding": [open(withoutLength), trailers(["transfer-encoding", "chunked"])],
};

for (const [what, frames] of Object.entries(contents)) {
  test(`abuse 6, HTTP/2: ${what} costs its stream, and the upstream gets no whole request`, async (t) => {
    const peer = await H2Peer.open(t, { port });
    assert.equal(await between(peer, frames), "PROTOCOL_ERROR");
    // The head was good and may have been forwarded; what must not exist is its end.
    assert.ok(!upstream.log.all.some((line) => /smuggled|whole .bad/.test(line)));
  });
}

test("every refused stream is in the log with a reason, and reasons tell mistakes apart", async () => {
  const refusedStreams = (): Record<string, unknown>[] =>
    edge.accessLog.all.map((line) => JSON.parse(line)).filter((record) => record.status !== 200);
  const count = Object.keys({ ...malformed, ...refused, ...tooLarge }).length;
  await edge.accessLog.until(
    () => (refusedStreams().length >= count ? true : undefined),
    () => "the refusals' lines",
  );
  const reasons = refusedStreams().map(({ reason }) => reason);
  assert.ok(reasons.every((reason) => typeof reason === "string" && reason !== ""));
  assert.ok(new Set(reasons).size >= 5, [...new Set(reasons)].join());
});

test("abuse 8, 9, 24, HTTP/2: what a stranger says about itself does not reach the upstream", async (t) => {
  const peer = await H2Peer.open(t, { port });
  const forged: readonly Field[] = [
    ["x-forwarded-for", "203.0.113.66"],
    ["x-forwarded-proto", "https"],
    ["x-forwarded-host", "forged.example"],
    ["forwarded", "for=203.0.113.66"],
    ["x_forwarded_proto", "forged"],
    ["remote.user", "forged"],
    ["http2-settings", "AAMAAABkAAQAAP__"],
  ];
  await peer.send(peer.request(1, { path: "/before", fields: forged }));
  const { headers: seen } = readEcho((await peer.message(1)).body);
  assert.doesNotMatch(JSON.stringify(seen), /forged|203\.0\.113\.66/);
  assert.deepEqual([seen["x-forwarded-host"], seen["x-forwarded-proto"]], [authority, "http"]);
});
