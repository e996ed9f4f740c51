// SPDX-License-Identifier: Apache-2.0
// The frame writer and reader against Node's own HTTP/2, so that a test which uses them can be believed.
import assert from "node:assert/strict";
import { connect, constants, createServer, type Http2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { continuation, data, flags, headers, rstStream, settings } from "./h2_frames.ts";
import { fieldOf, H2Peer, openWindows } from "./h2_peer.ts";
import { rawH2Upstream, respond } from "./h2_raw_upstream.ts";
import { encode, type Field, firstDynamicIndex, HpackDecoder, indexed, literal } from "./hpack.ts";
import { huffmanDecode } from "./hpack_tables.ts";
import type { Scope } from "./scope.ts";

async function nodeServer(scope: Scope): Promise<number> {
  const server = createServer();
  const sessions = new Set<Http2Session>();
  server.on("session", (session) => sessions.add(session.on("error", () => {})));
  server.on("stream", (stream, fields) => {
    stream.on("error", () => {});
    if (fields[":path"] === "/refused") return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    const body: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => body.push(chunk));
    stream.on("end", () => {
      stream.respond({
        ":status": 200,
        "x-path": String(fields[":path"]),
        "x-crumb": String(fields["x-crumb"]),
      });
      stream.end(Buffer.concat(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  scope.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

test("a Huffman string of RFC 7541, appendix C, is read", () => {
  assert.equal(huffmanDecode(Buffer.from("f1e3c2e5f23a6ba0ab90f4ff", "hex")).toString(), "www.example.com");
  assert.throws(() => huffmanDecode(Buffer.from("f1e3c2e5f23a6ba0ab90f400", "hex")));
});

test("the decoder follows the dynamic table through additions, references and evictions", () => {
  const decoder = new HpackDecoder();
  const long = "v".repeat(2000);
  const blocks = [literal("a", long, "add"), literal("b", long, "add"), indexed(firstDynamicIndex + 1)];
  assert.deepEqual(decoder.decode(Buffer.concat(blocks))[2], ["a", long]);
  decoder.decode(literal("c", "1", "add"));
  decoder.decode(literal("d", long, "add"));
  assert.deepEqual(decoder.decode(indexed(firstDynamicIndex + 1)), [["c", "1"]]);
  assert.throws(() => decoder.decode(indexed(firstDynamicIndex + 3)), /no entry/);
});

test("a client of ours and Node's server understand each other", async (t) => {
  const peer = await H2Peer.open(t, { port: await nodeServer(t) });
  const block = Buffer.concat([encode(peer.requestFields({ path: "/a" })), literal("x-crumb", "one", "add")]);
  const again = Buffer.concat([encode(peer.requestFields({ path: "/b" })), indexed(firstDynamicIndex)]);
  await peer.send(
    headers(1, block.subarray(0, 10), flags.none),
    continuation(1, block.subarray(10), flags.endHeaders),
    data(1, "hello", flags.endStream),
    headers(3, again),
  );
  const [first, second] = [await peer.message(1), await peer.message(3)];
  assert.deepEqual(
    [first.status, first.body.toString(), fieldOf(first.fields, "x-path")],
    ["200", "hello", "/a"],
  );
  assert.deepEqual([fieldOf(second.fields, "x-crumb"), fieldOf(second.fields, "x-path")], ["one", "/b"]);
  await peer.barrier();
});

test("a stream's error and the connection's are told apart", async (t) => {
  const peer = await H2Peer.open(t, { port: await nodeServer(t) });
  await peer.send(peer.request(1, { path: "/refused" }));
  assert.equal(await peer.outcome(1), "REFUSED_STREAM");
  await peer.send(peer.request(3));
  assert.equal(await peer.outcome(3), "200");
  await peer.send(settings({ enablePush: 2 }));
  assert.match(await peer.goaway(), /_ERROR/);
  assert.match(await peer.outcome(5), /^GOAWAY /);
  await peer.ended();
});

test("open windows let a response of 192 KiB through", async (t) => {
  const peer = await H2Peer.open(t, { port: await nodeServer(t) });
  const body = Buffer.alloc(64 * 1024);
  await peer.send(...openWindows(), peer.request(1, { method: "POST", open: true }));
  for (let sent = 0; sent < 3; sent += 1) {
    for (let at = 0; at < body.length; at += 16_384) await peer.send(data(1, body.subarray(at, at + 16_384)));
    await peer.frame(({ type }) => type === "windowUpdate");
    await peer.barrier();
  }
  await peer.send(data(1, "", flags.endStream));
  assert.equal((await peer.message(1)).body.length, 3 * body.length);
});

test("a server of ours and Node's client understand each other", async (t) => {
  const crumb: Field = ["x-crumb", "two"];
  const upstream = await rawH2Upstream(t, (peer, { stream, path }) => {
    if (path === "/reset") void peer.send(rstStream(stream, "REFUSED_STREAM"));
    else void peer.send(...respond(stream, `at ${path}`, [crumb]));
  });
  const session = connect(upstream.url);
  t.after(() => session.destroy());
  const request = session.request({ ":path": "/x" }).setEncoding("utf8");
  const fields = await new Promise<Record<string, unknown>>((resolve) => request.once("response", resolve));
  let body = "";
  for await (const chunk of request) body += chunk;
  assert.deepEqual([body, fields["x-crumb"], upstream.requests()], ["at /x", "two", 1]);
  const refused = session.request({ ":path": "/reset" });
  await assert.rejects(new Promise((_resolve, reject) => refused.once("error", reject)), /REFUSED_STREAM/);
});
