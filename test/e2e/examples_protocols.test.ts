// SPDX-License-Identifier: Apache-2.0
// The examples of what is spoken: HTTP/2 and gRPC, WebSocket, TLS to upstreams, PROXY headers, bytes.
import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createServer as createTls, type TlsOptions } from "node:tls";
import { CertificateAuthority } from "../support/certificates.ts";
import { ask } from "../support/client.ts";
import { elsewhere, startExample } from "../support/examples.ts";
import { H2Client } from "../support/http2_client.ts";
import { h2Upstream } from "../support/http2_upstream.ts";
import { headerV1, takeHeader } from "../support/proxy_protocol.ts";
import { RawClient } from "../support/raw_client.ts";
import { type Scope, temporaryFolder } from "../support/scope.ts";
import { serve, tcpUpstream, type Upstream } from "../support/upstreams.ts";
import { echoed, echoSockets, openSocketH2 } from "../support/websockets.ts";

const otherScheme = ({ url }: Upstream, scheme: string): string => url.replace(/^http:/, `${scheme}:`);

// Says its name to whoever connects, and sends back what it gets.
function namedEcho(scope: Scope, name: string): Promise<Upstream> {
  return tcpUpstream(scope, (socket) => {
    socket.write(`${name}\n`);
    socket.pipe(socket);
  });
}

function namedTlsEcho(scope: Scope, name: string, tls: TlsOptions): Promise<Upstream> {
  const server = createTls(tls, (socket) => {
    socket.on("error", () => {});
    socket.write(`${name}\n`);
    socket.pipe(socket);
  });
  return serve(scope, server, {}, () => 0);
}

async function heard(client: RawClient, name: string): Promise<void> {
  await client.receive(new RegExp(`^${name}\n`));
  await client.send("ping");
  await client.receive(/ping$/);
}

test("grpc: a call with trailers over h2c, and the demo beside it", async (t) => {
  const greeter = await h2Upstream(t, undefined, {
    onStream: (stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(Buffer.from([0, 0, 0, 0, 0]));
    },
  });
  const edge = await startExample(t, "grpc", {
    ...elsewhere(temporaryFolder(t)),
    MANGO_GREETER: greeter.url,
  });
  const call = {
    ":method": "POST",
    ":path": "/helloworld.Greeter/SayHello",
    "content-type": "application/grpc+proto",
    te: "trailers",
  };
  for (const [listener, tls] of [
    ["https", true],
    ["plain", undefined],
  ] as const) {
    const port = edge.port(listener);
    const target = { port, authority: "localhost" };
    const client = await H2Client.open(t, tls === undefined ? target : { ...target, tls });
    const answer = await client.ask(call, { body: Buffer.from([0, 0, 0, 0, 0]) });
    assert.deepEqual([answer.status, answer.trailers["grpc-status"]], [200, "0"]);
    assert.equal((await client.ask()).status, 200);
  }
  assert.equal(greeter.requests(), 2);
});

test("websocket: over HTTP/2 to a server of HTTP/1.1", async (t) => {
  const chat = await echoSockets(t);
  const edge = await startExample(t, "websocket", {
    ...elsewhere(temporaryFolder(t)),
    MANGO_CHAT: chat.url,
  });
  const client = await H2Client.open(t, { port: edge.port("https"), authority: "localhost", tls: true });
  const socket = await openSocketH2(client);
  assert.equal((await echoed(socket, "hello")).toString(), "hello");
  assert.equal((await client.ask()).status, 200);
});

test("upstream-tls: servers of our own authority that ask for a certificate", async (t) => {
  const folder = temporaryFolder(t);
  const authority = new CertificateAuthority(folder, "internal-ca");
  const server = authority.issue("payments", ["payments.internal.example.org"]);
  authority.issueClient("edge");
  for (const name of ["internal-ca", "edge"])
    copyFileSync(join(folder, `${name}.crt`), join(folder, `${name}.pem`));
  const tls: TlsOptions = {
    cert: server.cert,
    key: server.key,
    ca: authority.certificate.cert,
    requestCert: true,
    rejectUnauthorized: true,
  };
  const [one, two] = [await h2Upstream(t, undefined, { tls }), await h2Upstream(t, undefined, { tls })];
  const edge = await startExample(t, "upstream-tls", {
    ...elsewhere(folder),
    MANGO_CERTS: folder,
    MANGO_PAYMENTS_1: otherScheme(one, "https"),
    MANGO_PAYMENTS_2: otherScheme(two, "https"),
  });
  assert.equal((await ask({ port: edge.port("http"), path: "/payments/1" })).status, 200);
  const used = one.requests() === 1 ? one : two;
  const handshake = await used.log.wait(/^secure/);
  assert.match(handshake, /^secure TLSv1.3 full alpn=h2 name=payments.internal.example.org client=edge/);
});

test("proxy-protocol: the client's address comes in and goes on", async (t) => {
  const app = await tcpUpstream(t, (socket) => {
    takeHeader(socket, ({ version, source, sourcePort }) => {
      app.log.push(`client ${version} ${source} ${sourcePort}\n`);
      socket.once("data", () => socket.end("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"));
    });
  });
  const edge = await startExample(t, "proxy-protocol", {
    ...elsewhere(temporaryFolder(t)),
    MANGO_BALANCER: "127.0.0.1",
    MANGO_APP: app.url,
  });
  const port = edge.port("https");
  const source = { source: "203.0.113.9", sourcePort: 4711, destination: "192.0.2.1", destinationPort: 443 };
  const client = await H2Client.open(t, {
    port,
    authority: "localhost",
    tls: true,
    before: headerV1(source),
  });
  assert.equal((await client.ask()).status, 204);
  await app.log.wait(/^client 2 203\.0\.113\.9 4711$/);
});

test("tcp: TLS ended, TLS passed through by its name, and plain bytes", async (t) => {
  const folder = temporaryFolder(t);
  const { cert, key } = new CertificateAuthority(folder).issue("shop", ["shop.example.org"]);
  const [one, two] = [
    await namedTlsEcho(t, "shop", { cert, key }),
    await namedTlsEcho(t, "shop", { cert, key }),
  ];
  const legacy = await namedTlsEcho(t, "legacy", { cert, key });
  const [mail, database] = [await namedEcho(t, "mail"), await namedEcho(t, "database")];
  const edge = await startExample(t, "tcp", {
    ...elsewhere(folder),
    MANGO_MAIL_SERVER: otherScheme(mail, "tcp"),
    MANGO_SHOP_1: otherScheme(one, "tcp"),
    MANGO_SHOP_2: otherScheme(two, "tcp"),
    MANGO_LEGACY: otherScheme(legacy, "tcp"),
    MANGO_POSTGRES: otherScheme(database, "tcp"),
  });
  const open = (listener: string, servername?: string) =>
    RawClient.open(t, {
      port: edge.port(listener),
      ...(servername === undefined ? {} : { tls: { servername } }),
    });
  await heard(await open("mail", "mail.example.org"), "mail");
  await heard(await open("sni", "shop.example.org"), "shop");
  await heard(await open("sni", "a.shop.example.org"), "shop");
  await heard(await open("sni", "elsewhere.example.org"), "legacy");
  await heard(await open("database"), "database");
});
