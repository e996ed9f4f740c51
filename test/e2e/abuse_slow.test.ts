// SPDX-License-Identifier: Apache-2.0
// Clients that are slow on purpose, at every step: each meets its deadline, and meanwhile others are served.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { ask } from "../support/client.ts";
import { secureProxyTo } from "../support/configs.ts";
import { type Edge, startEdge } from "../support/edge.ts";
import { RawClient } from "../support/raw_client.ts";
import { fileScope, temporaryFolder } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const large = Buffer.alloc(32 * 1024 * 1024);
const upstream = await httpUpstream(fileScope, (request, response) => {
  request.resume().on("end", () => response.end(request.url === "/large" ? large : "ok"));
  request.on("error", () => {});
});
const site = new CertificateAuthority(temporaryFolder(fileScope)).issue("site", ["site.example"]);
const timeouts = {
  handshake: "600ms",
  requestHeaders: "600ms",
  requestBody: "600ms",
  write: "600ms",
  minRate: { bytesPerSecond: 10_000, after: "300ms" },
};
const secure = secureProxyTo(upstream.url, { site }, { listener: { timeouts } });
const plain = { address: "127.0.0.1:0", protocol: "http", timeouts };
const edge: Edge = await startEdge(fileScope, {
  ...secure,
  listeners: { ...(secure["listeners"] as Record<string, unknown>), plain },
});

// Bytes one at a time for as long as the connection stands.
function drip(client: RawClient, bytes: Buffer, everyMs: number): void {
  let at = 0;
  const timer = setInterval(() => {
    if (client.ending !== undefined || at >= bytes.length) clearInterval(timer);
    else void client.send(bytes.subarray(at, ++at));
  }, everyMs);
  client.socket.once("close", () => clearInterval(timer));
}

interface Slowness {
  readonly what: string;
  readonly listener: "main" | "plain";
  readonly trigger: string;
  readonly bytes: Buffer;
}

const head = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ${"s".repeat(2_000)}\r\n\r\n`);
const hello = Buffer.concat([
  Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
  Buffer.alloc(500),
]);
const body = Buffer.from("x".repeat(5_000));

const slownesses: readonly Slowness[] = [
  { what: "handshake", listener: "main", trigger: "handshakeTimeout", bytes: hello },
  { what: "head", listener: "plain", trigger: "headerTimeout", bytes: head },
];

for (const { what, listener, trigger, bytes } of slownesses) {
  test(`abuse 19: a slow ${what}, byte by byte, meets its deadline`, async (t) => {
    const client = await RawClient.open(t, { port: edge.port(listener) });
    drip(client, bytes, 20);
    assert.equal((await ask({ port: edge.port("plain") })).status, 200);
    await client.ended();
    await edge.events((event) => event["trigger"] === trigger);
  });
}

test("abuse 19: a slow body falls under the minimum rate though it never pauses for long", async (t) => {
  const client = await RawClient.open(t, { port: edge.port("plain") });
  await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n");
  drip(client, body, 20);
  await client.ended();
  await edge.events((event) => event["trigger"] === "minRate");
});

test("abuse 19: a body that stops meets the body timeout", async (t) => {
  const client = await RawClient.open(t, { port: edge.port("plain") });
  await client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n${"x".repeat(100_000)}`);
  await client.ended();
  await edge.events((event) => event["trigger"] === "bodyTimeout" || event["trigger"] === "minRate");
});

test("abuse 19: a reader that stops meets the write timeout, and its upstream connection is let go", async (t) => {
  const closed = upstream.log.all.filter((line) => line === "closed").length;
  const client = await RawClient.open(t, { port: edge.port("plain") });
  client.socket.pause();
  await client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
  const record = await edge.accessRecord((each) => each["path"] === "/large");
  assert.match(String(record["reason"]), /\w/);
  await upstream.log.until(
    () => (upstream.log.all.filter((line) => line === "closed").length > closed ? true : undefined),
    () => "the upstream connection to be closed",
  );
});
