// SPDX-License-Identifier: Apache-2.0
// Reloads: in place, under load, without a failed request; listeners come and go; refused ones change nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { ask, refused } from "../support/client.ts";
import { proxyTo, secureProxyTo, upstreamOf } from "../support/configs.ts";
import { type Config, startEdge } from "../support/edge.ts";
import { Load } from "../support/load.ts";
import { RawClient } from "../support/raw_client.ts";
import { fileScope, temporaryFolder } from "../support/scope.ts";
import { httpUpstream, readEcho } from "../support/upstreams.ts";

const upstream = await httpUpstream(fileScope);
const edge = await startEdge(fileScope, proxyTo(upstream.url));
const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

test("twenty reloads under plain and TLS load fail not one request and drop no connection", async (t) => {
  const site = new CertificateAuthority(temporaryFolder(t)).issue("site", ["site.example"]);
  const secure = secureProxyTo(upstream.url, { site });
  const plain = { address: "127.0.0.1:0", protocol: "http" };
  const config = { ...secure, listeners: { ...(secure["listeners"] as Config), plain } };
  const own = await startEdge(t, config);
  const ports = [own.port("main"), own.port("plain")];
  const loads = [
    new Load({ port: own.port("main"), host: "site.example", tls: true }),
    new Load({ port: own.port("plain"), method: "POST", body: "content", clients: 4 }),
  ];
  for (let round = 0; round < 20; round += 1) {
    const second = await httpUpstream(t);
    const upstreams = { app: upstreamOf(round % 2 === 0 ? [upstream.url, second.url] : upstream.url) };
    await own.reload({
      ...config,
      upstreams,
      routes: [{ name: `r${round}`, backendRefs: [{ name: "app" }] }],
    });
    for (const load of loads) await load.more(20);
  }
  for (const load of loads) {
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, [], `of ${ok + failures.length}`);
  }
  assert.deepEqual([own.port("main"), own.port("plain")], ports, "unchanged listeners keep their sockets");
  const accepted = (await own.metric("mango_listener_sessions_total")) as number;
  assert.ok(accepted <= 8, `${accepted} sessions for 8 clients: some connection was dropped`);
});

test("a reload changes where the next request of an open connection goes", async (t) => {
  const next = await httpUpstream(t, (_request, response) => response.end("next"));
  await edge.reload(proxyTo(upstream.url));
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send(get);
  assert.equal(readEcho((await client.response()).body).url, "/");
  await edge.reload(proxyTo(next.url));
  await client.send(get);
  assert.equal((await client.response()).body.toString(), "next");
});

test("an exchange in progress ends on the old configuration", async (t) => {
  const release = Promise.withResolvers<void>();
  const old = await httpUpstream(
    t,
    (_request, response) => void release.promise.then(() => response.end("old")),
  );
  await edge.reload(proxyTo(old.url));
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send(get);
  await old.log.wait("request");
  await edge.reload(proxyTo(upstream.url));
  release.resolve();
  assert.equal((await client.response()).body.toString(), "old");
});

test("a listener added by a reload accepts; a removed one refuses, and its sessions drain", async (t) => {
  const one = proxyTo(upstream.url);
  const extra = { address: "127.0.0.1:0", protocol: "http" };
  const two = { ...one, listeners: { ...(one["listeners"] as Config), extra } };
  await edge.reload(one);
  await edge.reload(two);
  const port = edge.port("extra");
  const idle = await RawClient.open(t, { port });
  await idle.send(get);
  assert.equal((await idle.response()).status, 200);
  await edge.reload(one);
  assert.equal(await idle.ended(), "fin");
  await refused({ port });
  assert.equal((await ask({ port: edge.port("main") })).status, 200);
});

test("a listener whose address changes moves; nothing is lost on the others", async () => {
  await edge.reload(proxyTo(upstream.url));
  const before = edge.port("main");
  await edge.reload(proxyTo(upstream.url, { listener: { address: "127.0.0.9:0" } }));
  assert.equal((await ask({ port: edge.port("main"), address: "127.0.0.9" })).status, 200);
  await refused({ port: before });
});

const mistakes: readonly (readonly [what: string, config: Config | string, says: RegExp])[] = [
  ["a syntax error", "listeners: [\n", /edge\.yaml:\d+:\d+/],
  ["an unknown key", proxyTo(upstream.url, { listener: { adress: "x" } }), /address/],
  ["a route to nowhere", proxyTo(upstream.url, { route: { backendRefs: [{ name: "ap" }] } }), /app/],
  [
    "a bad regular expression",
    proxyTo(upstream.url, { route: { matches: [{ path: { type: "RegularExpression", value: "/(" } }] } }),
    /:\d+:\d+/,
  ],
  [
    "a port that somebody else has",
    proxyTo(upstream.url, { listener: { address: `127.0.0.1:${upstream.port}` } }),
    new RegExp(String(upstream.port)),
  ],
];

for (const [what, config, says] of mistakes) {
  test(`abuse 30: ${what} is refused with what and where, and the running configuration goes on`, async () => {
    await edge.reload(proxyTo(upstream.url));
    const load = new Load({ port: edge.port("main"), clients: 2 });
    await load.more(10);
    await assert.rejects(edge.reload(config), says);
    await load.more(10);
    assert.deepEqual((await load.stop()).failures, []);
    assert.equal(await edge.metric("mango_config_last_reload_successful"), 0);
    await edge.reload(proxyTo(upstream.url, { top: { limits: { drain: "20s" } } }));
    assert.equal(await edge.metric("mango_config_last_reload_successful"), 1);
  });
}

test("SIGHUP reloads, too", async (t) => {
  const next = await httpUpstream(t, (_request, response) => response.end("next"));
  await edge.reload(proxyTo(upstream.url));
  edge.write(proxyTo(next.url));
  const from = edge.stderr.all.length;
  edge.signal("SIGHUP");
  await edge.stderr.wait(/reload|applied|configuration/i, from);
  assert.equal((await ask({ port: edge.port("main") })).body, "next");
});
