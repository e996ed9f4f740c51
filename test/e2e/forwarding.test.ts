// SPDX-License-Identifier: Apache-2.0
// Forwarding fields: what strangers claim is overwritten, what trusted peers say is kept and extended.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { ask } from "../support/client.ts";
import { proxyTo, secureProxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { exchange } from "../support/raw_client.ts";
import { fieldValue } from "../support/responses.ts";
import { fileScope, temporaryFolder } from "../support/scope.ts";
import { type Echo, httpUpstream, readEcho } from "../support/upstreams.ts";

const upstream = await httpUpstream(fileScope);
const stranger = await startEdge(fileScope, proxyTo(upstream.url));
const trusting = await startEdge(
  fileScope,
  proxyTo(upstream.url, { listener: { forwardedHeaders: { trustedCIDRs: ["127.0.0.0/8"] } } }),
);

const claims = {
  "x-forwarded-for": "203.0.113.9",
  "x-forwarded-proto": "https",
  "x-forwarded-host": "claimed.example",
  "x-request-id": "their-id-1",
  forwarded: "for=203.0.113.9;proto=https;host=claimed.example",
};

const all = (seen: Echo, name: string): string[] =>
  seen.fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);

test("a request without forwarding fields gets ours", async () => {
  const seen = readEcho((await ask({ port: stranger.port("main"), host: "site.example:81" })).body);
  assert.deepEqual(all(seen, "x-forwarded-for"), ["127.0.0.1"]);
  assert.deepEqual(all(seen, "x-forwarded-proto"), ["http"]);
  assert.deepEqual(all(seen, "x-forwarded-host"), ["site.example:81"]);
  assert.match(all(seen, "forwarded").join(), /for="?127\.0\.0\.1"?/);
  assert.match(all(seen, "forwarded").join(), /proto=http(;|$)/);
});

test("a stranger's claims are overwritten", async () => {
  const answer = await ask({ port: stranger.port("main"), host: "site.example", headers: claims });
  const seen = readEcho(answer.body);
  assert.deepEqual(all(seen, "x-forwarded-for"), ["127.0.0.1"]);
  assert.deepEqual(all(seen, "x-forwarded-proto"), ["http"]);
  assert.deepEqual(all(seen, "x-forwarded-host"), ["site.example"]);
  assert.ok(!JSON.stringify(seen.fields).includes("203.0.113.9"));
  assert.ok(!JSON.stringify(seen.fields).includes("claimed.example"));
  assert.ok(!JSON.stringify(seen.fields).includes("their-id-1"));
});

test("a trusted peer's fields are kept and the peer is added", async () => {
  const seen = readEcho(
    (await ask({ port: trusting.port("main"), host: "site.example", headers: claims })).body,
  );
  assert.equal(all(seen, "x-forwarded-for").join(", "), "203.0.113.9, 127.0.0.1");
  assert.deepEqual(all(seen, "x-forwarded-proto"), ["https"]);
  assert.deepEqual(all(seen, "x-forwarded-host"), ["claimed.example"]);
  const forwarded = all(seen, "forwarded").join(", ");
  assert.match(forwarded, /^for=203\.0\.113\.9;proto=https;host=claimed\.example, ?for="?127\.0\.0\.1"?/);
});

test("an X-Request-Id is made, sent both ways and logged; a trusted one is kept", async () => {
  const made = await ask({ port: stranger.port("main"), headers: claims, path: "/made" });
  const id = readEcho(made.body).headers["x-request-id"] as string;
  assert.match(id, /^[\w-]{16,}$/);
  assert.equal(made.headers["x-request-id"], id);
  await stranger.accessRecord((record) => record["path"] === "/made" && JSON.stringify(record).includes(id));
  const kept = await ask({ port: trusting.port("main"), headers: claims });
  assert.equal(readEcho(kept.body).headers["x-request-id"], "their-id-1");
});

test("request ids differ from request to request", async () => {
  const ids = new Set<unknown>();
  for (let i = 0; i < 50; i += 1)
    ids.add((await ask({ port: stranger.port("main") })).headers["x-request-id"]);
  assert.equal(ids.size, 50);
});

test("over TLS the protocol is https", async (t) => {
  const site = new CertificateAuthority(temporaryFolder(t)).issue("site", ["site.example"]);
  const edge = await startEdge(t, secureProxyTo(upstream.url, { site }));
  const seen = readEcho((await ask({ port: edge.port("main"), host: "site.example", tls: true })).body);
  assert.deepEqual(all(seen, "x-forwarded-proto"), ["https"]);
  assert.match(all(seen, "forwarded").join(), /proto=https/);
});

test("a client cannot have our own fields removed by naming them in Connection", async () => {
  const named =
    "Connection: X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Forwarded, X-Request-Id, Host";
  const bytes = `GET / HTTP/1.1\r\nHost: site.example\r\n${named}\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n`;
  const response = await exchange(fileScope, { port: stranger.port("main") }, bytes);
  if (response.status === 400) return; // naming Host is malformed enough to be refused
  const seen = readEcho(response.body);
  assert.deepEqual(all(seen, "x-forwarded-for"), ["127.0.0.1"]);
  assert.deepEqual(all(seen, "host"), ["site.example"]);
  assert.notEqual(fieldValue(response, "x-request-id"), undefined);
});

test("names that alias ours with an underscore or a dot do not pass", async () => {
  const aliases =
    "X_Forwarded_Proto: https\r\nX.Forwarded.For: 1.2.3.4\r\nRemote.User: root\r\nRemote_User: root\r\n";
  const bytes = `GET / HTTP/1.1\r\nHost: a\r\n${aliases}X-Fine: 1\r\n\r\n`;
  const seen = readEcho((await exchange(fileScope, { port: stranger.port("main") }, bytes)).body);
  assert.deepEqual(
    seen.fields.filter(([name]) => /[_.]/.test(name)),
    [],
  );
  assert.equal(seen.headers["x-fine"], "1");
});
