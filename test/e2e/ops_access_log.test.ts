// SPDX-License-Identifier: Apache-2.0
// The access log: what a line tells, that no client can write one of its own, and what happens when the disk is full.
import assert from "node:assert/strict";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { ask } from "../support/client.ts";
import { proxyTo, secureProxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { linesOfFile } from "../support/lines.ts";
import { Load } from "../support/load.ts";
import { exchange, RawClient } from "../support/raw_client.ts";
import { eventually, fileScope, temporaryFolder } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const upstream = await httpUpstream(fileScope, (request, response) => {
  request.resume().on("end", () => response.end("0123456789"));
});
const edge = await startEdge(fileScope, proxyTo(upstream.url));
const port = edge.port("main");

test("a line tells who asked for what, where it went, and how it ended", async () => {
  await ask({
    port,
    path: "/told?x=1",
    method: "POST",
    body: "hello",
    host: "told.example",
    headers: { "user-agent": "probe/1" },
  });
  const record = await edge.accessRecord((each) => each["path"] === "/told?x=1" || each["path"] === "/told");
  const text = JSON.stringify(record);
  assert.deepEqual([record["status"], record["route"], record["method"]], [200, "all", "POST"]);
  assert.match(text, /told\.example/);
  assert.match(text, /probe\/1/);
  assert.match(text, /"127\.0\.0\.1/);
  assert.ok(text.includes(new URL(upstream.url).host), `no upstream server in ${text}`);
  assert.ok(!("reason" in record) || record["reason"] === "", "a good exchange has no reason");
});

test("a TLS exchange tells version, server name and cipher", async (t) => {
  const site = new CertificateAuthority(temporaryFolder(t)).issue("site", ["site.example"]);
  const secure = await startEdge(t, secureProxyTo(upstream.url, { site }));
  await ask({ port: secure.port("main"), host: "site.example", tls: true, path: "/tls" });
  const text = JSON.stringify(await secure.accessRecord((each) => each["path"] === "/tls"));
  assert.match(text, /TLSv1\.3/);
  assert.match(text, /"site\.example"/);
});

// Bytes that would forge a line, break JSON, or confuse a terminal, wherever a client can put them.
const hostile = [
  'quote"and\\backslash',
  '{"status":200}',
  "\u00ff\u00fe\u00c0\u0080",
  "tab\there",
  "\u007f\u001b[31m",
];

for (const [i, text] of hostile.entries()) {
  test(`abuse 26: hostile text ${i} in a field stays inside one line of JSON`, async (t) => {
    const client = await RawClient.open(t, { port });
    await client.send(
      `GET /hostile${i} HTTP/1.1\r\nHost: a\r\nUser-Agent: ${text}\r\nReferer: ${text}\r\n\r\n`,
    );
    await client.response();
    await edge.accessLog.wait((line) => line.includes(`/hostile${i}`) || /"status":400/.test(line));
    for (const line of edge.accessLog.all) assert.equal(typeof JSON.parse(line), "object", line);
  });
}

test("abuse 26: a request line that is no request is logged escaped, with its reason", async () => {
  const from = edge.accessLog.all.length;
  const response = await exchange(fileScope, { port }, 'GET /"\\\u0001\u00ff HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.equal(response.status, 400);
  const record = await edge.accessRecord((each) => each["status"] === 400, from);
  assert.notEqual(record["reason"] ?? "", "");
});

test("abuse 27: a full disk under the log is counted, and service goes on", async (t) => {
  const full = await startEdge(t, proxyTo(upstream.url), { accessLog: "/dev/full" });
  const load = new Load({ port: full.port("main"), clients: 4 });
  await load.more(2000);
  assert.deepEqual((await load.stop()).failures, []);
  await eventually(
    () => full.metric("mango_access_log_dropped_total"),
    (dropped) => dropped > 0,
    "drops to be counted",
  );
});

test("SIGUSR1 reopens the log after it was moved away", async (t) => {
  const rotating = await startEdge(t, proxyTo(upstream.url));
  await ask({ port: rotating.port("main"), path: "/one" });
  await rotating.accessLog.wait("/one");
  const path = join(rotating.folder, "access.log");
  renameSync(path, `${path}.1`);
  const fresh = linesOfFile(t, path);
  rotating.signal("SIGUSR1");
  const load = new Load({ port: rotating.port("main"), path: "/two", clients: 1 });
  await fresh.wait("/two");
  assert.deepEqual((await load.stop()).failures, []);
});
