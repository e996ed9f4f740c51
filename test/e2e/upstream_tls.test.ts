// SPDX-License-Identifier: Apache-2.0
// TLS to upstreams: verified unless told otherwise, with certificates of our own where asked for, and resumed.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TlsOptions } from "node:tls";
import { hashOf, hashOfBlocks, writeBlocks } from "../support/bulk.ts";
import { type Certificate, CertificateAuthority } from "../support/certificates.ts";
import { type Answer, ask } from "../support/client.ts";
import { proxyTo } from "../support/configs.ts";
import { type AccessRecord, type Config, startEdge } from "../support/edge.ts";
import { exchangesOver } from "../support/exchanges.ts";
import { httpsUpstream } from "../support/http2_upstream.ts";
import { Load } from "../support/load.ts";
import { fileScope, type Scope, temporaryFolder } from "../support/scope.ts";
import { httpUpstream, readEcho, type Upstream } from "../support/upstreams.ts";

const folder = temporaryFolder(fileScope);
const authority = new CertificateAuthority(folder);
const stranger = new CertificateAuthority(folder, "stranger");
const server = authority.issue("server", ["up.example", "*.pool.example"]);
const verified = { ca: authority.certificate.certFile, serverName: "up.example" };
const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1"));

function configFor(port: number, tls: Config, host = "127.0.0.1"): Config {
  return proxyTo(`https://${host}:${port}`, { upstream: { tls } });
}

interface Tried {
  readonly answer: Answer;
  readonly upstream: Upstream;
  readonly record: AccessRecord;
}

let tries = 0;

// One request to a server with these options, by a proxy with those.
async function tried(scope: Scope, options: TlsOptions, tls: Config, host?: string): Promise<Tried> {
  const upstream = await httpsUpstream(scope, options);
  await edge.reload(configFor(upstream.port, tls, host));
  const path = `/try/${tries++}`;
  const answer = await ask({ port: edge.port("main"), path });
  const record = await edge.accessRecord((each) => each["path"] === path);
  return { answer, upstream, record };
}

test("a server whose certificate is right is asked; it sees the configured name", async (t) => {
  const { answer, upstream, record } = await tried(t, server, verified);
  assert.equal(answer.status, 200);
  assert.equal(readEcho(answer.body).headers["x-forwarded-proto"], "http");
  assert.match(await upstream.log.wait("secure"), /^secure TLSv1\.3 full .* name=up\.example client=$/);
  assert.equal(record["server"], `https://127.0.0.1:${upstream.port}`);
});

test("without a serverName the URL's host is the name", async (t) => {
  const local = authority.issue("local", ["localhost"]);
  const { answer, upstream } = await tried(t, local, { ca: verified.ca }, "localhost");
  assert.equal(answer.status, 200);
  assert.match(await upstream.log.wait("secure"), /name=localhost /);
});

test("an address in the URL must be in the certificate, and is no name for SNI", async (t) => {
  const byAddress = authority.issue("address", ["127.0.0.1"]);
  const { answer, upstream } = await tried(t, byAddress, { ca: verified.ca });
  assert.equal(answer.status, 200);
  assert.match(await upstream.log.wait("secure"), /name= /);
});

const mistakes: readonly (readonly [what: string, shown: Certificate, tls: Config])[] = [
  ["of an unknown authority", stranger.issue("strange", ["up.example"]), verified],
  ["for another name", authority.issue("elsewhere", ["elsewhere.example"]), verified],
  ["that has expired", authority.issueExpired("expired", ["up.example"]), verified],
  ["of a client", authority.issueClient("up.example"), verified],
  ["without the address it was asked by", server, { ca: verified.ca }],
  ["that the system does not know, where no ca is given", server, { serverName: "up.example" }],
  ["without a pinned name", server, { ...verified, subjectAltNames: ["other.example"] }],
];

for (const [what, shown, tls] of mistakes) {
  test(`a certificate ${what}: 502 with a reason, and the server gets no request`, async (t) => {
    const { answer, upstream, record } = await tried(t, shown, tls);
    assert.equal(answer.status, 502);
    assert.equal(upstream.requests(), 0);
    assert.match(String(record["reason"]), /tls|certificate/);
  });

  test(`a certificate ${what} is believed with insecureSkipVerify`, async (t) => {
    const { answer } = await tried(t, shown, { serverName: "up.example", insecureSkipVerify: true });
    assert.equal(answer.status, 200);
  });
}

test("a pinned name that is in the certificate will do, a wildcard's, too", async (t) => {
  const pinned = { ...verified, subjectAltNames: ["other.example", "up.example"] };
  assert.equal((await tried(t, server, pinned)).answer.status, 200);
  const wild = { ca: verified.ca, serverName: "a.pool.example" };
  assert.equal((await tried(t, server, wild)).answer.status, 200);
});

test("our own certificate is shown to a server that asks for one", async (t) => {
  const own = authority.issueClient("edge");
  const asking = { ...server, ca: authority.certificate.cert, requestCert: true, rejectUnauthorized: true };
  const shown = { ...verified, certFile: own.certFile, keyFile: own.keyFile };
  const { answer, upstream } = await tried(t, asking, shown);
  assert.equal(answer.status, 200);
  assert.match(await upstream.log.wait("secure"), /client=edge$/);
});

test("a server that asks for a certificate and gets none: 502 with a reason", async (t) => {
  const asking = { ...server, ca: authority.certificate.cert, requestCert: true, rejectUnauthorized: true };
  const { answer, record } = await tried(t, asking, verified);
  assert.equal(answer.status, 502);
  assert.notEqual(record["reason"] ?? "", "");
});

test("a server that is too old for minVersion: 502 with a reason", async (t) => {
  const old = { ...server, maxVersion: "TLSv1.2" as const };
  const { answer, record } = await tried(t, old, { ...verified, minVersion: "1.3" });
  assert.equal(answer.status, 502);
  assert.match(String(record["reason"]), /tls/);
});

test("a server that speaks no TLS at all: 502 with a reason", async (t) => {
  const plain = await httpUpstream(t);
  await edge.reload(configFor(plain.port, verified));
  assert.equal((await ask({ port: edge.port("main"), path: "/plain" })).status, 502);
  const record = await edge.accessRecord(({ path }) => path === "/plain");
  assert.match(String(record["reason"]), /tls/);
});

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`sessions of ${version} are resumed on new connections`, async (t) => {
    const options = { ...server, minVersion: version, maxVersion: version };
    const upstream = await httpsUpstream(t, options, (_request, response) => {
      response.setHeader("connection", "close").end("ok");
    });
    await edge.reload(configFor(upstream.port, verified));
    const count = 12;
    for (let i = 0; i < count; i += 1) assert.equal((await ask({ port: edge.port("main") })).status, 200);
    const handshakes = upstream.log.all.filter((line) => line.startsWith(`secure ${version}`));
    assert.equal(handshakes.length, count);
    const full = handshakes.filter((line) => line.includes(" full ")).length;
    assert.ok(full <= 2, `${full} full handshakes by two workers`);
  });
}

test("connections are kept and reused", async (t) => {
  const upstream = await httpsUpstream(t, server);
  await edge.reload(configFor(upstream.port, verified));
  const load = new Load({ port: edge.port("main"), clients: 1 });
  await load.more(50);
  assert.deepEqual((await load.stop()).failures, []);
  assert.equal(upstream.connections(), 1);
});

test("a reload that believes another authority does not reuse what the old one vouched for", async (t) => {
  const upstream = await httpsUpstream(t, server);
  await edge.reload(configFor(upstream.port, verified));
  assert.equal((await ask({ port: edge.port("main") })).status, 200);
  await edge.reload(configFor(upstream.port, { ...verified, ca: stranger.certificate.certFile }));
  assert.equal((await ask({ port: edge.port("main") })).status, 502);
  await edge.reload(configFor(upstream.port, verified));
  assert.equal((await ask({ port: edge.port("main") })).status, 200);
});

test("32 MiB each way arrive intact", async (t) => {
  const upstream = await httpsUpstream(t, server, (request, response) => void request.pipe(response));
  await edge.reload(configFor(upstream.port, verified));
  const start = await exchangesOver(t, "HTTP/1.1", edge.port("main"));
  const { content, response } = start();
  const writing = writeBlocks(content, 32);
  assert.equal(await hashOf((await response).body), hashOfBlocks(32));
  await writing;
});

test("a response that only the end of the connection frames is not whole without close_notify", async (t) => {
  const upstream = await httpsUpstream(t, server, (request, response) => {
    const { socket } = request;
    response.detachSocket(socket);
    const raw = rawSockets.get(socket.remotePort);
    socket.write("HTTP/1.1 200 OK\r\n\r\nthe beginning", () => raw?.destroy());
  });
  const rawSockets = new Map<number | undefined, { destroy(): void }>();
  upstream.server.on("connection", (raw) => rawSockets.set(raw.remotePort, raw));
  await edge.reload(configFor(upstream.port, verified));
  await assert.rejects(ask({ port: edge.port("main") }), "a cut response was passed on as a whole one");
});

test("a certificate file that is missing or does not fit its key is refused, the old configuration goes on", async (t) => {
  const upstream = await httpsUpstream(t, server);
  await edge.reload(configFor(upstream.port, verified));
  const own = authority.issueClient("mismatch");
  for (const tls of [
    { ...verified, ca: `${folder}/nowhere.crt` },
    { ...verified, certFile: own.certFile, keyFile: server.keyFile },
    { ...verified, certFile: own.certFile },
  ]) {
    await assert.rejects(edge.reload(configFor(upstream.port, tls)), /upstreams\.app\.tls|:\d+:\d+/);
    assert.equal((await ask({ port: edge.port("main") })).status, 200);
  }
});
