// SPDX-License-Identifier: Apache-2.0
// What a client sees of each session action: FIN, RST, a status, or a wait. Triggers are raised for real, and
// every applied action must show in metrics, in the event stream and, where there was an exchange, in the log.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo } from "../support/configs.ts";
import { type Config, type Edge, startEdge } from "../support/edge.ts";
import { type Ending, RawClient } from "../support/raw_client.ts";
import { fileScope } from "../support/scope.ts";
import { closedPort, httpUpstream, rawUpstream } from "../support/upstreams.ts";

// Short limits so that the triggers come soon; nothing here measures them.
const quick = { requestHeaders: "300ms", requestBody: "300ms", idle: "300ms", handshake: "300ms" };

const stalled = await rawUpstream(fileScope, () => {});
const resetting = await rawUpstream(fileScope, (socket) => socket.resetAndDestroy());
const working = await httpUpstream(fileScope, (request, response) => {
  request.resume().on("end", () => response.end("ok"));
});
const nobody = `http://127.0.0.1:${await closedPort(fileScope)}`;

interface Raised {
  readonly trigger: string;
  readonly upstream: string;
  readonly send: string; // what makes it happen
  readonly status: number; // what respond answers
  readonly reads?: number; // responses to take before the trigger
  readonly policy?: Config;
}

const get = "GET /t HTTP/1.1\r\nHost: a\r\n\r\n";
const post = "POST /t HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf";

const raised: readonly Raised[] = [
  { trigger: "headerTimeout", upstream: working.url, send: "GET /t HTTP/1.1\r\nHost:", status: 408 },
  { trigger: "bodyTimeout", upstream: working.url, send: post, status: 408 },
  {
    trigger: "protocolError",
    upstream: working.url,
    send: "GET /t HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    status: 400,
  },
  { trigger: "upstreamConnectError", upstream: nobody, send: get, status: 502 },
  { trigger: "upstreamReset", upstream: resetting.url, send: get.replace("GET", "POST"), status: 502 },
  { trigger: "upstreamTimeout", upstream: stalled.url, send: get, status: 504 },
  {
    trigger: "rateLimited",
    upstream: working.url,
    send: get + get,
    status: 429,
    reads: 1,
    policy: { rateLimit: { requests: 1, per: "1h" } },
  },
  { trigger: "denied", upstream: working.url, send: get, status: 403, policy: { ipDeny: ["127.0.0.0/8"] } },
  { trigger: "idle", upstream: working.url, send: get, status: 0, reads: 1 },
  { trigger: "maxAge", upstream: working.url, send: get, status: 0, reads: 1, policy: { maxAge: "400ms" } },
  {
    trigger: "maxRequests",
    upstream: working.url,
    send: get,
    status: 0,
    reads: 1,
    policy: { maxRequests: 1 },
  },
];

const endings: Readonly<Record<string, Ending>> = { close: "fin", reset: "rst", abort: "rst" };

// One listener per trigger and action, all in one proxy.
const name = (trigger: string, action: string): string => `${trigger}-${action}`;
const actionsFor = ({ status }: Raised): string[] =>
  status === 0 ? ["close", "reset", "abort", "tarpit"] : ["close", "reset", "abort", "respond", "tarpit"];
const pairs = raised.flatMap((each) => actionsFor(each).map((action) => ({ ...each, action })));

function configuration(): Config {
  const upstreams = Object.fromEntries(
    [stalled.url, resetting.url, working.url, nobody].map((url, i) => [
      `u${i}`,
      {
        servers: [{ url }],
        timeouts: { response: "300ms" },
        healthCheck: { passive: { consecutiveFailures: 0 } },
      },
    ]),
  );
  const upstreamOf = (url: string): string =>
    Object.keys(upstreams).find((key) => upstreams[key]?.servers[0]?.url === url) ?? "";
  const byName = <T>(make: (pair: (typeof pairs)[number]) => T): Record<string, T> =>
    Object.fromEntries(pairs.map((pair) => [name(pair.trigger, pair.action), make(pair)]));
  return {
    upstreams,
    listeners: byName(({ trigger, action }) => ({
      address: "127.0.0.1:0",
      protocol: "http",
      policy: name(trigger, action),
      // The idle limit must not come before the one under test.
      timeouts: trigger === "idle" ? quick : { ...quick, idle: "60s" },
    })),
    routes: pairs.map(({ trigger, action, upstream }) => ({
      name: name(trigger, action),
      listeners: [name(trigger, action)],
      backendRefs: [{ name: upstreamOf(upstream) }],
      retry: { attempts: 0 },
    })),
    policies: byName(({ trigger, action, policy }) => ({
      ...policy,
      session: { [trigger]: action === "tarpit" ? { action, delay: "500ms" } : action },
    })),
  };
}

const edge: Edge = await startEdge(fileScope, configuration());

for (const pair of pairs) {
  const { trigger, action, status, send, reads = 0 } = pair;

  test(`${trigger} with ${action}`, async (t) => {
    const client = await RawClient.open(t, { port: edge.port(name(trigger, action)) });
    void client.send(send);
    for (let i = 0; i < reads; i += 1) assert.equal((await client.response()).status, 200);
    if (action === "respond") {
      assert.equal((await client.response()).status, status);
      if (trigger === "protocolError") assert.equal(await client.ended(), "fin");
    } else if (action === "tarpit") {
      // Held, then let go in an orderly way, with or without an answer.
      assert.notEqual(await client.ended(), undefined);
    } else {
      assert.equal(await client.ended(), endings[action]);
      assert.equal(client.text, "", "nothing is said before the connection ends");
    }
    const labels = { policy: name(trigger, action), trigger, action };
    assert.ok((await edge.metric("mango_policy_actions_total", labels)) >= 1, "not counted");
    const [event] = await edge.events((each) => each["policy"] === name(trigger, action));
    assert.deepEqual([event?.["trigger"], event?.["action"]], [trigger, action]);
  });
}

test("none lets the session go on", async (t) => {
  const policies = { lenient: { rateLimit: { requests: 1, per: "1h" }, session: { rateLimited: "none" } } };
  await edge.reload(proxyTo(working.url, { listener: { policy: "lenient" }, top: { policies } }));
  const client = await RawClient.open(t, { port: edge.port("main") });
  for (let i = 0; i < 3; i += 1) {
    await client.send(get);
    assert.equal((await client.response()).status, 200);
  }
});

test("a status of one's own is answered", async (t) => {
  const policies = { own: { session: { protocolError: { action: "respond", status: 418 } } } };
  await edge.reload(proxyTo(working.url, { listener: { policy: "own" }, top: { policies } }));
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send("GET / HTTP/1.1\r\n\r\n");
  assert.equal((await client.response()).status, 418);
  assert.equal(await client.ended(), "fin");
});
