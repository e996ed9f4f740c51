// SPDX-License-Identifier: Apache-2.0
// PROXY headers that we send: every upstream connection begins with one that names its client, and is nobody else's.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createServer as createHttps } from "node:https";
import type { Server, Socket } from "node:net";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { bytesTo, proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { H2Client } from "../support/http2_client.ts";
import { headerV1, type ReceivedHeader, takeHeader, tlvTypes } from "../support/proxy_protocol.ts";
import { RawClient } from "../support/raw_client.ts";
import { fileScope, type Scope, temporaryFolder } from "../support/scope.ts";
import { echo, tcpUpstream, type Upstream } from "../support/upstreams.ts";

const authority = new CertificateAuthority(temporaryFolder(fileScope));
const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1"));
const get = "GET /sent HTTP/1.1\r\nHost: a\r\n\r\n";

interface Reading {
  readonly upstream: Upstream;
  readonly headers: ReceivedHeader[]; // one for each connection, in order
}

// A server that reads the header and gives the rest of the connection to `behind`.
async function reading(scope: Scope, behind: Server): Promise<Reading> {
  const headers: ReceivedHeader[] = [];
  const upstream = await tcpUpstream(scope, (socket: Socket) => {
    takeHeader(socket, (header) => {
      headers.push(header);
      upstream.log.push(`header of ${header.source}:${header.sourcePort}\n`);
      behind.emit("connection", socket);
    });
  });
  return { upstream, headers };
}

const httpBehind = (): Server => createServer(echo);

for (const version of ["v1", "v2"] as const) {
  const number = version === "v1" ? 1 : 2;

  test(`${version}: the header names the client and where it connected`, async (t) => {
    const { upstream, headers } = await reading(t, httpBehind());
    await edge.reload(proxyTo(upstream.url, { upstream: { proxyProtocol: version } }));
    const client = await RawClient.open(t, { port: edge.port("main"), localAddress: "127.0.0.3" });
    await client.send(get);
    assert.equal((await client.response()).status, 200);
    const [header] = headers;
    assert.deepEqual([header?.version, header?.local], [number, false]);
    assert.deepEqual([header?.source, header?.sourcePort], ["127.0.0.3", client.socket.localPort]);
    assert.deepEqual([header?.destination, header?.destinationPort], ["127.0.0.1", edge.port("main")]);
    if (version === "v2") assert.notEqual(header?.tlvs.get(tlvTypes.uniqueId)?.length ?? 0, 0);
  });

  test(`${version}: a connection is one client's, and is reused for that client alone`, async (t) => {
    const { upstream, headers } = await reading(t, httpBehind());
    await edge.reload(proxyTo(upstream.url, { upstream: { proxyProtocol: version } }));
    const clients = await Promise.all([1, 2, 3].map(() => RawClient.open(t, { port: edge.port("main") })));
    for (let round = 0; round < 3; round += 1) {
      for (const client of clients) {
        await client.send(get);
        assert.equal((await client.response()).status, 200);
      }
    }
    const named = new Set(headers.map(({ sourcePort }) => sourcePort));
    assert.deepEqual(named, new Set(clients.map(({ socket }) => socket.localPort)));
  });

  test(`${version}: in front of TLS`, async (t) => {
    const behind = createHttps({ ...authority.issue(`up-${version}`, ["up.example"]) }, echo);
    const { upstream, headers } = await reading(t, behind);
    const tls = { ca: authority.certificate.certFile, serverName: "up.example" };
    const url = `https://127.0.0.1:${upstream.port}`;
    await edge.reload(proxyTo(url, { upstream: { proxyProtocol: version, tls } }));
    const client = await RawClient.open(t, { port: edge.port("main") });
    await client.send(get);
    assert.equal((await client.response()).status, 200);
    assert.equal(headers[0]?.sourcePort, client.socket.localPort);
  });

  test(`${version}: in front of bytes, at once, though the client says nothing`, async (t) => {
    const upstream = await tcpUpstream(t, (socket) => {
      takeHeader(socket, ({ sourcePort }) => socket.end(`hello ${sourcePort}`));
    });
    await edge.reload(bytesTo(upstream.port, { upstream: { proxyProtocol: version } }));
    const client = await RawClient.open(t, { port: edge.port("main") });
    await client.receive(`hello ${client.socket.localPort}`);
  });

  test(`${version}: an IPv6 client`, async (t) => {
    const { upstream, headers } = await reading(t, httpBehind());
    const listener = { address: "[::1]:0" };
    await edge.reload(proxyTo(upstream.url, { listener, upstream: { proxyProtocol: version } }));
    const client = await RawClient.open(t, { port: edge.port("main"), host: "::1" });
    await client.send(get);
    assert.equal((await client.response()).status, 200);
    assert.match(String(headers[0]?.source), /^(0:){7}1$|^::1$/);
  });

  test(`${version}: the client that a header before us named is the one we name`, async (t) => {
    const { upstream, headers } = await reading(t, httpBehind());
    const listener = { proxyProtocol: { trustedCIDRs: ["127.0.0.2/32"] } };
    await edge.reload(proxyTo(upstream.url, { listener, upstream: { proxyProtocol: version } }));
    const named = { source: "192.0.2.9", destination: "192.0.2.1", sourcePort: 99, destinationPort: 443 };
    const client = await RawClient.open(t, { port: edge.port("main"), localAddress: "127.0.0.2" });
    await client.send(headerV1(named) + get);
    assert.equal((await client.response()).status, 200);
    const { source, sourcePort, destination, destinationPort } = headers[0] as ReceivedHeader;
    assert.deepEqual({ source, sourcePort, destination, destinationPort }, named);
  });
}

test("streams of one HTTP/2 client share its connections", async (t) => {
  const { upstream, headers } = await reading(t, httpBehind());
  await edge.reload(proxyTo(upstream.url, { upstream: { proxyProtocol: "v2" } }));
  const client = await H2Client.open(t, { port: edge.port("main") });
  const answers = await Promise.all(Array.from({ length: 10 }, () => client.ask()));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.deepEqual(new Set(headers.map(({ sourcePort }) => sourcePort)), new Set([client.localPort]));
});

test("a reload to another version does not reuse connections that began with the old", async (t) => {
  const { upstream, headers } = await reading(t, httpBehind());
  const client = await RawClient.open(t, { port: edge.port("main") });
  await edge.reload(proxyTo(upstream.url, { upstream: { proxyProtocol: "v1" } }));
  await client.send(get);
  assert.equal((await client.response()).status, 200);
  await edge.reload(proxyTo(upstream.url, { upstream: { proxyProtocol: "v2" } }));
  await client.send(get);
  assert.equal((await client.response()).status, 200);
  assert.deepEqual(
    headers.map(({ version }) => version),
    [1, 2],
  );
});
