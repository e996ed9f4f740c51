// SPDX-License-Identifier: Apache-2.0
// TLS that does not end here: the name in the ClientHello finds the route, however it is cut into segments and
// records, and not a byte of it is changed. What is no ClientHello goes nowhere.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { createServer as createTls, type TLSSocket } from "node:tls";
import { hashOf, hashOfBlocks, writeBlocks } from "../support/bulk.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { byteByByte, clientHello, connectOddly, inRecords, sendApart } from "../support/client_hello.ts";
import { proxyTo } from "../support/configs.ts";
import { type Config, startEdge } from "../support/edge.ts";
import { H2Client } from "../support/http2_client.ts";
import { h2Upstream, logHandshakes } from "../support/http2_upstream.ts";
import { RawClient } from "../support/raw_client.ts";
import { fileScope, type Scope, temporaryFolder, withPatience } from "../support/scope.ts";
import { serve, tcpUpstream, type Upstream } from "../support/upstreams.ts";

const authority = new CertificateAuthority(temporaryFolder(fileScope));
const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1"));

// A TLS server of its own name and certificate that says who it is and then echoes.
async function tlsServer(scope: Scope, name: string, hostnames: readonly string[]): Promise<Upstream> {
  const server = createTls({ ...authority.issue(name, hostnames), allowHalfOpen: true });
  const upstream = await serve(scope, server, {}, () => 0);
  logHandshakes(upstream);
  server.on("secureConnection", (socket: TLSSocket) => {
    socket.write(`I am ${name};`);
    socket.pipe(socket);
  });
  return upstream;
}

interface Target {
  readonly port: number;
  readonly hostnames: readonly string[];
}

function passthrough(
  targets: Readonly<Record<string, Target>>,
  listener: Config = {},
  top: Config = {},
): Config {
  const entries = Object.entries(targets);
  return {
    listeners: {
      main: { address: "127.0.0.1:0", protocol: "tls", tls: { mode: "Passthrough" }, ...listener },
    },
    routes: entries.map(([name, { hostnames }]) => ({
      name,
      listeners: ["main"],
      hostnames,
      backendRefs: [{ name }],
    })),
    upstreams: Object.fromEntries(
      entries.map(([name, { port }]) => [name, { servers: [{ url: `tcp://127.0.0.1:${port}` }] }]),
    ),
    ...top,
  };
}

const one = await tlsServer(fileScope, "one", ["one.example"]);
const two = await tlsServer(fileScope, "two", ["two.example", "*.wild.example"]);
const both: Readonly<Record<string, Target>> = {
  one: { port: one.port, hostnames: ["one.example"] },
  two: { port: two.port, hostnames: ["two.example", "*.wild.example"] },
};

// A verified handshake, and whom it was with.
async function metBy(scope: Scope, servername: string, send = (hello: Buffer) => [hello]): Promise<string> {
  const how = { port: edge.port("main"), servername, ca: authority.certificate.cert };
  const socket = await connectOddly(scope, how, send);
  const [greeting] = (await withPatience(once(socket, "data"), () => "a greeting")) as [Buffer];
  assert.equal(greeting.toString(), `I am ${socket.getPeerCertificate().subject.CN};`);
  socket.destroy();
  return greeting.toString();
}

test("the name decides, and the certificate is the server's own", async (t) => {
  await edge.reload(passthrough(both));
  assert.equal(await metBy(t, "one.example"), "I am one;");
  assert.equal(await metBy(t, "two.example"), "I am two;");
  assert.equal(await metBy(t, "a.wild.example"), "I am two;");
});

const cuts: readonly (readonly [how: string, send: (hello: Buffer) => Buffer[]])[] = [
  ["a byte at a time", byteByByte],
  ["in records of one byte", (hello) => [inRecords(hello, 1)]],
  ["in records of 7 bytes, a byte at a time", (hello) => byteByByte(inRecords(hello, 7))],
  ["cut in the middle of its record header", (hello) => [hello.subarray(0, 3), hello.subarray(3)]],
  ["without its last byte at first", (hello) => [hello.subarray(0, -1), hello.subarray(-1)]],
];

for (const [how, send] of cuts) {
  test(`a ClientHello ${how} completes its handshake`, async (t) => {
    await edge.reload(passthrough(both));
    assert.equal(await metBy(t, "one.example", send), "I am one;");
    assert.equal(await metBy(t, "two.example", send), "I am two;");
  });

  test(`a ClientHello ${how} arrives as it was sent`, async (t) => {
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    const upstream = await tcpUpstream(t, (socket) => {
      void socket.toArray().then((parts) => resolve(Buffer.concat(parts)));
    });
    await edge.reload(passthrough({ one: { port: upstream.port, hostnames: ["one.example"] } }));
    const parts = send(await clientHello({ servername: "one.example" }));
    const client = await RawClient.open(t, { port: edge.port("main") });
    await sendApart(client.socket, [...parts, Buffer.from("and what follows")]);
    client.finish();
    const expected = Buffer.concat([...parts, Buffer.from("and what follows")]);
    assert.ok(expected.equals(await promise), "the bytes were changed");
  });
}

test("a large ClientHello of many records passes", async (t) => {
  await edge.reload(passthrough(both));
  const ALPNProtocols = Array.from({ length: 40 }, (_, i) => `${"protocol".repeat(25)}${i}`);
  const hello = await clientHello({ servername: "one.example", ALPNProtocols });
  assert.ok(hello.length > 8000, `only ${hello.length} bytes`);
  const how = { port: edge.port("main"), servername: "one.example", ca: authority.certificate.cert };
  const socket = await connectOddly(t, { ...how, ALPNProtocols }, (all) => [inRecords(all, 300)]);
  assert.equal(String((await once(socket, "data"))[0]), "I am one;");
});

test("names are compared without regard to case", async (t) => {
  await edge.reload(passthrough(both));
  const client = await RawClient.open(t, { port: edge.port("main"), tls: { servername: "ONE.Example" } });
  await client.receive("I am one;");
});

test("TLS 1.2, resumption and client certificates are between the client and its server", async (t) => {
  await edge.reload(passthrough(both));
  const how = { port: edge.port("main"), servername: "one.example", ca: authority.certificate.cert };
  const first = await connectOddly(t, { ...how, maxVersion: "TLSv1.2" }, (hello) => [hello]);
  const session = first.getSession();
  first.destroy();
  const again = { ...how, maxVersion: "TLSv1.2" as const, ...(session === undefined ? {} : { session }) };
  const second = await connectOddly(t, again, (hello) => [hello]);
  assert.ok(second.isSessionReused());
  assert.equal(second.getProtocol(), "TLSv1.2");
});

test("HTTP/2 by ALPN works through it", async (t) => {
  const upstream = await h2Upstream(t, undefined, { tls: authority.issue("h2", ["h2.example"]) });
  await edge.reload(passthrough({ h2: { port: upstream.port, hostnames: ["h2.example"] } }));
  const client = await H2Client.open(t, { port: edge.port("main"), authority: "h2.example", tls: true });
  assert.equal((await client.ask()).status, 200);
});

test("32 MiB each way arrive intact; half-closes pass", async (t) => {
  await edge.reload(passthrough(both));
  const how = { port: edge.port("main"), servername: "one.example", ca: authority.certificate.cert };
  const socket = await connectOddly(t, how, (hello) => [hello]);
  await once(socket, "data"); // the greeting
  const hash = hashOf(socket);
  await writeBlocks(socket, 32);
  assert.equal(await hash, hashOfBlocks(32));
});

test("a route without hostnames takes what no other does, also without a name", async (t) => {
  await edge.reload(passthrough({ ...both, rest: { port: two.port, hostnames: [] } }));
  assert.equal(await metBy(t, "one.example"), "I am one;");
  const client = await RawClient.open(t, { port: edge.port("main"), tls: {} });
  await client.receive("I am two;");
  const other = await RawClient.open(t, {
    port: edge.port("main"),
    tls: { servername: "elsewhere.example" },
  });
  await other.receive("I am two;");
});

for (const [what, options] of [
  ["of a name that no route has", { servername: "elsewhere.example" }],
  ["without a name", {}],
] as const) {
  test(`a ClientHello ${what} ends its connection, with a reason`, async (t) => {
    await edge.reload(passthrough(both));
    const from = edge.accessLog.all.length;
    const client = await RawClient.open(t, { port: edge.port("main") });
    await client.send(await clientHello(options));
    await client.ended();
    const record = await edge.accessRecord(({ listener }) => listener === "main", from);
    assert.equal(record["reason"], "no_route");
  });
}

const hello = await clientHello({ servername: "one.example" });
const altered = (at: number, value: number): Buffer => {
  const copy = Buffer.from(hello);
  copy.writeUInt8(value, at);
  return copy;
};

const garbage: readonly (readonly [what: string, bytes: Buffer])[] = [
  ["an HTTP request", Buffer.from("GET / HTTP/1.1\r\nHost: one.example\r\n\r\n")],
  ["a record of application data", altered(0, 23)],
  ["another handshake message", altered(5, 2)],
  ["a record of length 0", Buffer.from([22, 3, 1, 0, 0, ...hello])],
  ["a record too long", altered(3, 0xff)],
  ["a ClientHello that promises 16 MiB", altered(6, 0xff)],
  ["a session id too long", altered(43, 0xff)],
  ["zeros", Buffer.alloc(4096)],
];

for (const [what, bytes] of garbage) {
  test(`${what} goes nowhere, and its connection ends`, async (t) => {
    await edge.reload(passthrough({ ...both, rest: { port: two.port, hostnames: [] } }));
    const before = one.connections() + two.connections();
    const client = await RawClient.open(t, { port: edge.port("main") });
    void client.send(bytes);
    await client.ended();
    assert.equal(one.connections() + two.connections(), before);
    const [event] = (await edge.events(({ trigger }) => trigger === "handshakeError")).slice(-1);
    assert.notEqual(event?.["reason"] ?? "", "");
  });
}

test("half a ClientHello: its time runs out, and a client that leaves is forgotten", async (t) => {
  await edge.reload(passthrough(both, { timeouts: { handshake: "300ms" } }));
  const slow = await RawClient.open(t, { port: edge.port("main") });
  await slow.send(hello.subarray(0, 100));
  await slow.ended();
  const [event] = await edge.events(({ trigger }) => trigger === "handshakeTimeout");
  assert.equal(event?.["listener"], "main");
  await edge.reload(passthrough(both));
  const leaving = await RawClient.open(t, { port: edge.port("main") });
  await leaving.send(hello.subarray(0, 100));
  leaving.finish();
  await leaving.ended();
});

test("the log tells the name, the route and the server", async (t) => {
  const from = edge.accessLog.all.length;
  await edge.reload(passthrough(both));
  await metBy(t, "one.example");
  const record = await edge.accessRecord(({ sni }) => sni === "one.example", from);
  assert.deepEqual([record["route"], record["upstream"]], ["one", "one"]);
  assert.equal(record["server"], `tcp://127.0.0.1:${one.port}`);
});

test("a connection survives a reload that moves its name", async (t) => {
  await edge.reload(passthrough(both));
  const how = { port: edge.port("main"), servername: "one.example", ca: authority.certificate.cert };
  const socket = await connectOddly(t, how, (all) => [all]);
  await once(socket, "data");
  await edge.reload(passthrough({ two: { port: two.port, hostnames: ["one.example"] } }));
  socket.write("still here");
  assert.equal(String((await once(socket, "data"))[0]), "still here");
});
