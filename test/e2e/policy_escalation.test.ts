// SPDX-License-Identifier: Apache-2.0
// Repeated trouble becomes a ban, a ban ends by itself or by hand; rate limits and address lists by client.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { proxyTo, secureProxyTo } from "../support/configs.ts";
import { type Config, startEdge } from "../support/edge.ts";
import { exchange, RawClient, type RawTarget } from "../support/raw_client.ts";
import { eventually, fileScope, type Scope, temporaryFolder } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const upstream = await httpUpstream(fileScope, (_request, response) => response.end("ok"));
const get = "GET / HTTP/1.1\r\nHost: site.example\r\n\r\n";
const broken = "GET / HTTP/1.1\r\n\r\n"; // no Host

// One proxy for all, reloaded by every test. Bans outlive a reload, so each test bans an address of its own.
const edge = await startEdge(fileScope, proxyTo(upstream.url));
const listener = { policy: "p" };
const apply = (policy: Config): Promise<void> =>
  edge.reload(proxyTo(upstream.url, { listener, top: { policies: { p: policy } } }));

async function offend(scope: Scope, target: RawTarget, times: number): Promise<void> {
  for (let i = 0; i < times; i += 1) assert.equal((await exchange(scope, target, broken)).status, 400);
}

const banCount = async (): Promise<number> =>
  (await edge.adminJson<{ bans: unknown[] }>("/v1/bans")).bans.length;

async function isServed(scope: Scope, target: RawTarget): Promise<boolean> {
  const client = RawClient.start(scope, target);
  try {
    await client.connected();
    void client.send(get);
    return (await client.response()).status === 200;
  } catch {
    return false;
  } finally {
    client.socket.destroy();
  }
}

test("after enough offences a client is banned, others are not, and lifting the ban lets it in again", async (t) => {
  const rule = { trigger: "protocolError", after: 3, within: "1m", by: "client", action: "abort", ban: "1h" };
  await apply({ escalation: [rule] });
  const [offender, bystander] = [
    { port: edge.port("main"), localAddress: "127.0.0.2" },
    { port: edge.port("main"), localAddress: "127.0.0.3" },
  ];
  await offend(t, offender, 2);
  assert.equal(await isServed(t, offender), true);
  await offend(t, offender, 1);
  await eventually(banCount, (count) => count === 1, "the ban");
  await eventually(
    () => isServed(t, offender),
    (served) => !served,
    "the ban to hold",
  );
  const refused = RawClient.start(t, offender);
  assert.equal(await refused.ended(), "rst");
  assert.equal(await isServed(t, bystander), true);
  await edge.events((event) => event["trigger"] === "ban" && event["client"] === "127.0.0.2");
  await edge.adminJson("/v1/bans?by=client&value=127.0.0.2", { method: "DELETE" });
  await eventually(
    () => isServed(t, offender),
    (served) => served,
    "the ban to be lifted",
  );
});

test("a ban ends by itself", async (t) => {
  const rule = { trigger: "protocolError", after: 1, within: "1m", by: "client", action: "abort", ban: "2s" };
  await apply({ escalation: [rule] });
  const target = { port: edge.port("main"), localAddress: "127.0.0.11" };
  await offend(t, target, 1);
  await eventually(
    () => isServed(t, target),
    (served) => !served,
    "the ban to hold",
  );
  await eventually(
    () => isServed(t, target),
    (served) => served,
    "the ban to end",
  );
});

test("a ban can answer with a status", async (t) => {
  const rule = { after: 1, within: "1m", by: "client", action: "respond", status: 451, ban: "1h" };
  await apply({ escalation: [rule] });
  const target = { port: edge.port("main"), localAddress: "127.0.0.12" };
  await offend(t, target, 1);
  await eventually(
    () => isServed(t, target),
    (served) => !served,
    "the ban to hold",
  );
  assert.equal((await exchange(t, target, get)).status, 451);
});

test("a ban by server name leaves other names alone", async (t) => {
  const authority = new CertificateAuthority(temporaryFolder(t));
  const certificates = { a: authority.issue("a", ["a.example"]), b: authority.issue("b", ["b.example"]) };
  const rule = { trigger: "protocolError", after: 1, within: "1m", by: "sni", action: "abort", ban: "1h" };
  await edge.reload(
    secureProxyTo(upstream.url, certificates, {
      listener,
      top: { policies: { p: { escalation: [rule] } } },
    }),
  );
  const port = edge.port("main");
  const ask = async (servername: string): Promise<boolean> => {
    const client = RawClient.start(t, { port, tls: { servername } });
    try {
      await client.connected();
      void client.send(get.replace("site.example", servername));
      return (await client.response()).status === 200;
    } catch {
      return false;
    }
  };
  await offend(t, { port, tls: { servername: "a.example" } }, 1);
  await eventually(
    () => ask("a.example"),
    (served) => !served,
    "the ban to hold",
  );
  assert.equal(await ask("b.example"), true);
});

test("bans survive a reload", async (t) => {
  const rule = { trigger: "protocolError", after: 1, within: "1m", by: "client", action: "abort", ban: "1h" };
  const vary = { listener, top: { policies: { p: { escalation: [rule] } } } };
  await edge.reload(proxyTo(upstream.url, vary));
  const target = { port: edge.port("main"), localAddress: "127.0.0.13" };
  await offend(t, target, 1);
  await eventually(
    () => isServed(t, target),
    (served) => !served,
    "the ban to hold",
  );
  await edge.reload({ ...proxyTo(upstream.url, vary), limits: { drain: "20s" } });
  assert.equal(await isServed(t, target), false);
});

test("the rate limit counts by client, over connections, and answers 429 with Retry-After", async (t) => {
  await apply({ rateLimit: { requests: 5, per: "1h", burst: 5 } });
  const flooder = { port: edge.port("main"), localAddress: "127.0.0.4" };
  for (let i = 0; i < 5; i += 1) assert.equal((await exchange(t, flooder, get)).status, 200);
  const limited = await exchange(t, flooder, get);
  assert.equal(limited.status, 429);
  assert.match(limited.head, /retry-after: \d+/i);
  assert.equal((await exchange(t, { ...flooder, localAddress: "127.0.0.5" }, get)).status, 200);
  await edge.accessRecord((record) => record["status"] === 429 && /rate/i.test(String(record["reason"])));
});

test("ipDeny and ipAllow decide who may come in; deny wins", async (t) => {
  await apply({ ipAllow: ["127.0.0.0/29"], ipDeny: ["127.0.0.6"] });
  const from = (localAddress: string): Promise<boolean> =>
    isServed(t, { port: edge.port("main"), localAddress });
  const served = await Promise.all(["127.0.0.2", "127.0.0.6", "127.0.0.9"].map(from));
  assert.deepEqual(served, [true, false, false]);
});

test("maxRequests announces the end and closes after that many", async (t) => {
  await apply({ maxRequests: 3 });
  const client = await RawClient.open(t, { port: edge.port("main") });
  for (let i = 1; i <= 3; i += 1) {
    await client.send(get);
    const response = await client.response();
    assert.equal(response.status, 200);
    assert.equal(/connection: close/i.test(response.head), i === 3, `response ${i}`);
  }
  assert.equal(await client.ended(), "fin");
});
