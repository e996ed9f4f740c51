// SPDX-License-Identifier: Apache-2.0
// How requests spread over the servers of an upstream, and which servers get none.
import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { ask } from "../support/client.ts";
import { proxyTo } from "../support/configs.ts";
import { type Config, startEdge } from "../support/edge.ts";
import { fileScope, type Scope } from "../support/scope.ts";
import { httpUpstream, type Upstream } from "../support/upstreams.ts";

const three = (scope: Scope): Promise<Upstream[]> =>
  Promise.all([0, 1, 2].map((i) => httpUpstream(scope, (_request, response) => response.end(String(i)))));

const withServers = (servers: readonly Config[], upstream: Config = {}): Config =>
  proxyTo([], { upstream: { servers, ...upstream }, top: { workers: 1 } });

// One proxy for all, reloaded by every test.
const edge = await startEdge(fileScope, withServers([{ url: "http://127.0.0.1:1" }]));

const counts = (servers: readonly Upstream[]): number[] => servers.map((server) => server.requests());

test("round robin gives every server its weight, exactly", async (t) => {
  const servers = await three(t);
  const weighted = servers.map(({ url }, i) => ({ url, weight: [5, 2, 1][i] }));
  await edge.reload(withServers(weighted));
  for (let i = 0; i < 80; i += 1) await ask({ port: edge.port("main") });
  assert.deepEqual(counts(servers), [50, 20, 10]);
});

test("round robin interleaves: the heavy server does not get its share in one go", async (t) => {
  const servers = await three(t);
  await edge.reload(withServers(servers.map(({ url }, i) => ({ url, weight: [2, 1, 1][i] }))));
  const order: string[] = [];
  for (let i = 0; i < 16; i += 1) order.push((await ask({ port: edge.port("main") })).body);
  assert.doesNotMatch(order.join(""), /000/);
});

test("least requests avoids the server that is still busy", async (t) => {
  const held: ServerResponse[] = [];
  const slow = await httpUpstream(t, (_request, response) => void held.push(response));
  const quick = await httpUpstream(t, (_request, response) => response.end("quick"));
  const servers = [{ url: slow.url }, { url: quick.url }];
  await edge.reload(withServers(servers, { loadBalancer: { type: "LeastRequest" } }));
  const port = edge.port("main");
  const stuck: Promise<unknown>[] = [];
  while (slow.requests() === 0) {
    const asked = ask({ port });
    stuck.push(asked);
    await Promise.race([asked, slow.log.wait("request")]);
  }
  for (let i = 0; i < 20; i += 1) assert.equal((await ask({ port })).body, "quick");
  assert.equal(slow.requests(), 1);
  for (const response of held) response.end("at last");
  await Promise.all(stuck);
});

test("a draining server and one of weight 0 get nothing", async (t) => {
  const servers = await three(t);
  const [a, b, c] = servers.map(({ url }) => url);
  await edge.reload(withServers([{ url: a }, { url: b, drain: true }, { url: c, weight: 0 }]));
  for (let i = 0; i < 10; i += 1) await ask({ port: edge.port("main") });
  assert.deepEqual(counts(servers), [10, 0, 0]);
});

test("maxConnections holds: more requests than that wait or are refused with a reason, never dropped", async (t) => {
  let open = 0;
  let most = 0;
  const upstream = await httpUpstream(t, (_request, response) => {
    open += 1;
    most = Math.max(most, open);
    setImmediate(() => {
      open -= 1;
      response.end();
    });
  });
  const pool = { connectionPool: { maxConnections: 2 } };
  await edge.reload(withServers([{ url: upstream.url }], pool));
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask({ port: edge.port("main") })));
  for (const { status } of answers) assert.ok([200, 503].includes(status), `status ${status}`);
  assert.ok(most <= 2 && upstream.connections() <= 2 + answers.length, `${most} requests at once`);
});
