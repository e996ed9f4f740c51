// SPDX-License-Identifier: Apache-2.0
// PROXY headers from a load balancer in front: believed from trusted addresses only, in front of everything a listener
// speaks, however they are cut; what is malformed ends its connection.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { clientHello, sendApart } from "../support/client_hello.ts";
import { bytesTo, proxyTo, secureProxyTo } from "../support/configs.ts";
import { type Config, startEdge } from "../support/edge.ts";
import { H2Client } from "../support/http2_client.ts";
import {
  type Addresses,
  frameV2,
  headerV1,
  headerV2,
  localV2,
  takeHeader,
  tlvTypes,
  unknownV1,
} from "../support/proxy_protocol.ts";
import { RawClient } from "../support/raw_client.ts";
import { fileScope, type Scope, temporaryFolder } from "../support/scope.ts";
import { httpUpstream, readEcho, tcpUpstream } from "../support/upstreams.ts";

// Connections from here are the load balancer's; from anywhere else they are not.
const balancer = "127.0.0.2";
const trusting: Config = { proxyProtocol: { trustedCIDRs: [`${balancer}/32`] } };
const site = new CertificateAuthority(temporaryFolder(fileScope)).issue("site", ["site.example"]);
const upstream = await httpUpstream(fileScope);
const plain = proxyTo(upstream.url, { listener: trusting });
const edge = await startEdge(fileScope, plain);

const client: Addresses = {
  source: "198.51.100.7",
  destination: "203.0.113.1",
  sourcePort: 4711,
  destinationPort: 443,
};
const client6: Addresses = { ...client, source: "2001:db8::7", destination: "2001:db8::1" };
const get = "GET /proxied HTTP/1.1\r\nHost: a\r\n\r\n";

function fromBalancer(scope: Scope): Promise<RawClient> {
  return RawClient.open(scope, { port: edge.port("main"), localAddress: balancer });
}

const latin = (text: string): Buffer => Buffer.from(text, "latin1");

const headers: readonly (readonly [what: string, header: Buffer, source: string])[] = [
  ["version 1, IPv4", latin(headerV1(client)), "198.51.100.7"],
  ["version 1, IPv6", latin(headerV1(client6)), "2001:db8::7"],
  ["version 1, UNKNOWN", latin(unknownV1), balancer],
  ["version 1, UNKNOWN with addresses", latin(`PROXY UNKNOWN ${headerV1(client).slice(11)}`), balancer],
  ["version 2, IPv4", headerV2(client), "198.51.100.7"],
  ["version 2, IPv6", headerV2(client6), "2001:db8::7"],
  ["version 2, LOCAL", localV2, balancer],
  ["version 2, a Unix socket", frameV2(0x21, 0x31, Buffer.alloc(216)), balancer],
  [
    "version 2 with TLVs",
    headerV2(client, [
      { type: tlvTypes.authority, value: "site.example" },
      { type: 0xe0, value: Buffer.alloc(500) },
    ]),
    "198.51.100.7",
  ],
];

for (const [what, header, source] of headers) {
  test(`${what}: the request is from the address it names`, async (t) => {
    await edge.reload(plain);
    const from = edge.accessLog.all.length;
    const connection = await fromBalancer(t);
    await connection.send(Buffer.concat([header, latin(get)]));
    const { headers: seen } = readEcho((await connection.response()).body);
    assert.equal(seen["x-forwarded-for"], source);
    const record = await edge.accessRecord(({ path }) => path === "/proxied", from);
    assert.equal(record["client"], source);
    if (source === client.source) assert.equal(record["clientPort"], client.sourcePort);
  });

  test(`${what}: the same a byte at a time`, async (t) => {
    await edge.reload(plain);
    const connection = await fromBalancer(t);
    const whole = Buffer.concat([header, latin(get)]);
    await sendApart(
      connection.socket,
      Array.from(whole, (byte) => Buffer.from([byte])),
    );
    assert.equal(readEcho((await connection.response()).body).headers["x-forwarded-for"], source);
  });
}

for (const [what, header] of headers.slice(0, 6)) {
  test(`${what}: in front of TLS`, async (t) => {
    await edge.reload(secureProxyTo(upstream.url, { site }, { listener: trusting }));
    const target = { port: edge.port("main"), authority: "site.example", tls: true as const };
    const h2 = await H2Client.open(t, { ...target, localAddress: balancer, before: header });
    for (let i = 0; i < 2; i += 1) assert.equal((await h2.ask()).status, 200);
  });
}

test("in front of HTTP/2 with prior knowledge", async (t) => {
  await edge.reload(plain);
  const target = { port: edge.port("main"), localAddress: balancer, before: headerV2(client) };
  const h2 = await H2Client.open(t, target);
  assert.equal(readEcho((await h2.ask()).body).headers["x-forwarded-for"], client.source);
});

test("in front of bytes", async (t) => {
  const echoing = await tcpUpstream(t, (socket) => void socket.pipe(socket));
  await edge.reload(bytesTo(echoing.port, { listener: trusting }));
  const from = edge.accessLog.all.length;
  const connection = await fromBalancer(t);
  await connection.send(Buffer.concat([headerV2(client), latin("hello")]));
  assert.equal(await connection.receive("hello"), "hello");
  connection.finish();
  await connection.ended();
  assert.equal(
    (await edge.accessRecord(({ protocol }) => protocol === "TCP", from))["client"],
    client.source,
  );
});

test("in front of TLS that is passed through", async (t) => {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const behind = await tcpUpstream(t, (socket) => socket.once("data", resolve));
  const listener = { protocol: "tls", tls: { mode: "Passthrough" }, ...trusting };
  await edge.reload(bytesTo(behind.port, { listener, route: { hostnames: ["site.example"] } }));
  const hello = await clientHello({ servername: "site.example" });
  const connection = await fromBalancer(t);
  await connection.send(Buffer.concat([latin(headerV1(client)), hello]));
  assert.ok(hello.equals(await promise), "the ClientHello alone goes on");
});

test("others are not asked for one, and theirs is no header", async (t) => {
  await edge.reload(plain);
  const port = edge.port("main");
  const honest = await RawClient.open(t, { port });
  await honest.send(get);
  assert.equal(readEcho((await honest.response()).body).headers["x-forwarded-for"], "127.0.0.1");
  for (const header of [latin(headerV1(client)), headerV2(client)]) {
    const liar = await RawClient.open(t, { port });
    await liar.send(Buffer.concat([header, latin(get)]));
    assert.equal(await liar.ended(), "fin");
    assert.match(liar.text, /^HTTP\/1.1 400 /);
  }
});

test("a listener without it takes no header from anybody", async (t) => {
  await edge.reload(proxyTo(upstream.url));
  const connection = await fromBalancer(t);
  await connection.send(`${headerV1(client)}${get}`);
  assert.equal(await connection.ended(), "fin");
  assert.doesNotMatch(connection.text, / 200 /);
});

const malformed: readonly (readonly [what: string, bytes: Buffer])[] = [
  ["no header at all", latin(get)],
  ["version 1 without its end", latin(`PROXY TCP4 ${"1".repeat(200)}`)],
  ["version 1 with LF alone", latin(headerV1(client).replace("\r\n", "\n") + get)],
  ["version 1 with an address of the wrong family", latin(`PROXY TCP4 ::1 ::1 1 2\r\n${get}`)],
  ["version 1 with a port too large", latin(`PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n${get}`)],
  ["version 1 with leading zeros", latin(`PROXY TCP4 1.2.3.4 1.2.3.4 007 2\r\n${get}`)],
  ["version 1 with two spaces", latin(`PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n${get}`)],
  ["version 1 with too little", latin(`PROXY TCP4 1.2.3.4\r\n${get}`)],
  ["version 1 of an unknown protocol", latin(`PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n${get}`)],
  ["version 3", frameV2(0x31, 0x11, Buffer.alloc(12))],
  ["version 2 of an unknown command", frameV2(0x22, 0x11, Buffer.alloc(12))],
  ["version 2 with addresses too short", frameV2(0x21, 0x11, Buffer.alloc(11))],
  ["version 2 with a TLV beyond its end", headerV2(client).fill(31, 15, 16)],
  ["version 2 of 65,535 bytes", Buffer.concat([localV2.subarray(0, 14), Buffer.alloc(65_537, 0xff)])],
  ["a signature that breaks off", Buffer.concat([localV2.subarray(0, 11), latin("x".repeat(20))])],
];

for (const [what, bytes] of malformed) {
  test(`${what}: the connection ends with a reason, and no request comes of it`, async (t) => {
    await edge.reload(plain);
    const before = upstream.requests();
    const connection = await fromBalancer(t);
    void connection.send(bytes);
    // Where more might follow, the end of the input decides.
    if (what === "version 2 with a TLV beyond its end") connection.finish();
    await connection.ended();
    assert.doesNotMatch(connection.text, / 200 /);
    assert.equal(upstream.requests(), before);
    const [event] = (await edge.events(({ trigger }) => trigger === "protocolError")).slice(-1);
    assert.match(String(event?.["reason"]), /^proxy-protocol-/);
  });
}

test("a header that never comes, or never ends, runs out of time", async (t) => {
  await edge.reload(proxyTo(upstream.url, { listener: { ...trusting, timeouts: { handshake: "300ms" } } }));
  for (const part of ["", "PROXY TCP4 1.2.3.4"]) {
    const connection = await fromBalancer(t);
    if (part !== "") await connection.send(part);
    await connection.ended();
  }
});

test("policies see the client, not the balancer: ipDeny, rateLimit", async (t) => {
  const policies = {
    guarded: { ipDeny: ["198.51.100.0/24"], rateLimit: { requests: 1, per: "1h" } },
  };
  await edge.reload(
    proxyTo(upstream.url, { listener: { ...trusting, policy: "guarded" }, top: { policies } }),
  );
  const ask = async (source: string): Promise<number | string> => {
    const connection = await fromBalancer(t);
    await connection.send(headerV1({ ...client, source }) + get);
    return connection.response().then(
      ({ status }) => status,
      () => "closed",
    );
  };
  assert.equal(await ask("198.51.100.9"), "closed");
  assert.equal(await ask("192.0.2.1"), 200);
  assert.equal(await ask("192.0.2.1"), 429);
  assert.equal(await ask("192.0.2.2"), 200);
});

test("the unique id of the balancer goes on to an upstream that is sent headers", async (t) => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const behind = await tcpUpstream(t, (socket) => {
    takeHeader(socket, ({ tlvs }) => resolve(tlvs.get(tlvTypes.uniqueId)?.toString() ?? ""));
  });
  await edge.reload(bytesTo(behind.port, { listener: trusting, upstream: { proxyProtocol: "v2" } }));
  const connection = await fromBalancer(t);
  await connection.send(headerV2(client, [{ type: tlvTypes.uniqueId, value: "balancer-0001" }]));
  assert.equal(await promise, "balancer-0001");
});
