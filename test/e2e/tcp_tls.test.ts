// SPDX-License-Identifier: Apache-2.0
// What TLS adds where it ends and bytes go on: client certificates, routes by name, and TLS again towards the server.
// (The rest is as for plain TCP: tcp.test.ts.)
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { bytesTo, proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { httpsUpstream } from "../support/http2_upstream.ts";
import { RawClient } from "../support/raw_client.ts";
import { fileScope, temporaryFolder } from "../support/scope.ts";
import { tcpUpstream } from "../support/upstreams.ts";

const authority = new CertificateAuthority(temporaryFolder(fileScope));
const site = authority.issue("site", ["site.example", "other.example"]);
const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1"));
const echo = (socket: Socket): void => void socket.pipe(socket);
const tls = { protocol: "tls", tls: { certificates: ["site"] } };
const certificates = { site: { certFile: site.certFile, keyFile: site.keyFile } };

test("a client certificate can be required", async (t) => {
  const upstream = await tcpUpstream(t, echo);
  const own = authority.issueClient("visitor");
  const clientAuth = { mode: "require", ca: authority.certificate.certFile };
  const listener = { protocol: "tls", tls: { certificates: ["site"], clientAuth } };
  await edge.reload(bytesTo(upstream.port, { listener, top: { certificates } }));
  const port = edge.port("main");
  const known = await RawClient.open(t, {
    port,
    tls: { servername: "site.example", cert: own.cert, key: own.key },
  });
  await known.send("hello");
  await known.receive("hello");
  const stranger = RawClient.start(t, { port, tls: { servername: "site.example" } });
  await stranger.ended();
  assert.equal(upstream.connections(), 1);
});

test("routes by the name that the client asked for", async (t) => {
  const says = (text: string) => tcpUpstream(t, (socket) => void socket.end(text));
  const [one, two] = [await says("one"), await says("two")];
  const route = (name: string, hostname: string) => ({
    name,
    listeners: ["main"],
    hostnames: [hostname],
    backendRefs: [{ name }],
  });
  await edge.reload({
    ...bytesTo(one.port, { listener: tls, top: { certificates } }),
    routes: [route("one", "site.example"), route("two", "other.example")],
    upstreams: {
      one: { servers: [{ url: `tcp://127.0.0.1:${one.port}` }] },
      two: { servers: [{ url: `tcp://127.0.0.1:${two.port}` }] },
    },
  });
  for (const [servername, text] of [
    ["site.example", "one"],
    ["other.example", "two"],
  ] as const) {
    const client = await RawClient.open(t, { port: edge.port("main"), tls: { servername } });
    await client.receive(text);
  }
});

test("bytes are encrypted anew, and the server is verified", async (t) => {
  const upstream = await httpsUpstream(t, authority.issue("up", ["up.example"]));
  const verified = { ca: authority.certificate.certFile, serverName: "up.example" };
  const config = (name: string) => ({
    ...bytesTo(upstream.port, { listener: tls, top: { certificates } }),
    upstreams: {
      app: { servers: [{ url: `tls://127.0.0.1:${upstream.port}` }], tls: { ...verified, serverName: name } },
    },
  });
  await edge.reload(config("up.example"));
  const target = { port: edge.port("main"), tls: { servername: "site.example" } };
  const client = await RawClient.open(t, target);
  await client.send("GET /through HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal((await client.response()).status, 200);
  await edge.reload(config("wrong.example"));
  const refused = await RawClient.open(t, target);
  await refused.ended();
  assert.equal(refused.text, "");
});
