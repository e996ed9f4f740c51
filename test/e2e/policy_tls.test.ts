// SPDX-License-Identifier: Apache-2.0
// Session triggers of the handshake and of slow content, and what the client sees of each action.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { proxyTo, secureProxyTo } from "../support/configs.ts";
import { type Config, startEdge } from "../support/edge.ts";
import { RawClient } from "../support/raw_client.ts";
import { fileScope, temporaryFolder } from "../support/scope.ts";
import { httpUpstream, rawUpstream } from "../support/upstreams.ts";

const site = new CertificateAuthority(temporaryFolder(fileScope)).issue("site", ["site.example"]);
const upstream = await httpUpstream(fileScope);

const behindPolicy = (policy: string, session: Config): Config =>
  secureProxyTo(
    upstream.url,
    { site },
    {
      listener: { policy, timeouts: { handshake: "300ms", requestHeaders: "300ms" } },
      top: { policies: { [policy]: { session } } },
    },
  );

// One proxy for all, reloaded by every test.
const edge = await startEdge(fileScope, behindPolicy("first", {}));

const garbage = "this is not a TLS record, it is a sentence\r\n\r\n";
// A record header that promises a handshake message which never comes.
const halfHello = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc]);

const cases = [
  { trigger: "handshakeTimeout", what: "nothing", send: "" },
  { trigger: "handshakeTimeout", what: "half a ClientHello", send: halfHello },
  { trigger: "handshakeError", what: "no TLS at all", send: garbage },
  { trigger: "handshakeError", what: "plain HTTP", send: "GET / HTTP/1.1\r\nHost: a\r\n\r\n" },
] as const;

for (const { trigger, what, send } of cases) {
  for (const [action, ending] of [
    ["close", "fin"],
    ["reset", "rst"],
    ["abort", "rst"],
  ] as const) {
    test(`${trigger} by ${what} with ${action}: the client sees ${ending}`, async (t) => {
      const policy = `${action} ${what}`.replaceAll(" ", "-"); // tells its events from those of the others
      await edge.reload(behindPolicy(policy, { [trigger]: action }));
      const result = trigger === "handshakeTimeout" ? "timeout" : "error";
      const counted = (): Promise<number> => edge.metric("mango_tls_handshakes_total", { result });
      const before = await counted();
      const client = await RawClient.open(t, { port: edge.port("main") });
      if (send !== "") await client.send(send);
      assert.equal(await client.ended(), ending);
      const [event] = await edge.events((each) => each["policy"] === policy);
      assert.deepEqual([event?.["trigger"], event?.["action"]], [trigger, action]);
      assert.equal((await counted()) - before, 1);
    });
  }
}

test("a tarpit holds the session after the others were served, then lets go", async (t) => {
  await edge.reload(behindPolicy("tarpit", { handshakeError: { action: "tarpit", delay: "1s" } }));
  const caught = await RawClient.open(t, { port: edge.port("main") });
  await caught.send(garbage);
  await edge.events((event) => event["action"] === "tarpit");
  const list = await edge.adminJson<{ sessions: { state: string }[] }>("/v1/sessions");
  assert.deepEqual(
    list.sessions.map(({ state }) => state),
    ["tarpit"],
  );
  const honest = await RawClient.open(t, { port: edge.port("main"), tls: { servername: "site.example" } });
  await honest.send("GET / HTTP/1.1\r\nHost: site.example\r\n\r\n");
  assert.equal((await honest.response()).status, 200);
  assert.equal(caught.ending, undefined, "the honest client was served while the other one was still held");
  await caught.ended();
});

test("a TLS session is closed with close_notify after a refusal", async (t) => {
  await edge.reload(behindPolicy("none", {}));
  const client = await RawClient.open(t, { port: edge.port("main"), tls: { servername: "site.example" } });
  await client.send("GET / HTTP/1.1\r\nHost:");
  assert.equal((await client.response()).status, 408);
  assert.equal(await client.ended(), "fin");
});

test("content slower than the minimum rate is ended, a pause-free fast one is not", async (t) => {
  const minRate = { bytesPerSecond: 100_000, after: "300ms" };
  await edge.reload(proxyTo(upstream.url, { listener: { timeouts: { minRate, requestBody: "60s" } } }));
  const slow = await RawClient.open(t, { port: edge.port("main") });
  await slow.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  const drip = setInterval(() => void slow.send("x"), 20);
  t.after(() => clearInterval(drip));
  const fast = await RawClient.open(t, { port: edge.port("main") });
  await fast.send(
    `POST /fast HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n${"y".repeat(1_000_000)}`,
  );
  assert.equal((await fast.response()).status, 200);
  assert.equal(await slow.ended(), "rst");
  clearInterval(drip);
  await edge.events((event) => event["trigger"] === "minRate");
});

test("a client that goes away mid-exchange is a clientAbort, and its upstream connection is not kept", async (t) => {
  const silent = await rawUpstream(t, () => {});
  await edge.reload(proxyTo(silent.url));
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send("GET /gone HTTP/1.1\r\nHost: a\r\n\r\n");
  await silent.log.wait("request GET /gone");
  client.reset();
  await silent.log.wait("closed");
  const record = await edge.accessRecord((each) => each["path"] === "/gone");
  assert.match(String(record["reason"]), /client/i);
  await edge.events((event) => event["trigger"] === "clientAbort");
});

test("above maxSessions the next one meets overload; when one leaves, the next is served", async (t) => {
  const gate = Promise.withResolvers<void>();
  const busy = await httpUpstream(
    t,
    (_request, response) => void gate.promise.then(() => response.end("ok")),
  );
  const own = await startEdge(t, proxyTo(busy.url, { top: { workers: 1, limits: { maxSessions: 3 } } }));
  const port = own.port("main");
  const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const inside: RawClient[] = [];
  for (let i = 1; i <= 3; i += 1) {
    const client = await RawClient.open(t, { port });
    await client.send(get);
    await busy.log.until(
      () => (busy.requests() === i ? true : undefined),
      () => `request ${i}`,
    );
    inside.push(client);
  }
  const tooMany = await RawClient.open(t, { port });
  void tooMany.send(get);
  await tooMany.ended();
  assert.match(tooMany.text, /^(HTTP\/1\.1 503|$)/);
  await own.events((event) => event["trigger"] === "overload");
  gate.resolve();
  for (const client of inside) assert.equal((await client.response()).status, 200);
  // Now they are idle: whoever has been so longest makes room for the newcomer.
  const next = await RawClient.open(t, { port });
  await next.send(get);
  assert.equal((await next.response()).status, 200);
  await inside[0]?.ended();
  assert.equal(inside[2]?.ending, undefined);
});
