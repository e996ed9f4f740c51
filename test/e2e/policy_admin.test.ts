// SPDX-License-Identifier: Apache-2.0
// Sessions by hand: the admin API and the command line list them and end them, one by id or all that match.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo, upstreamOf } from "../support/configs.ts";
import { type Edge, runCli, startEdge } from "../support/edge.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually, fileScope } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

interface Session {
  readonly id: number;
  readonly client: string;
  readonly listener: string;
  readonly state: string;
  readonly requests: number;
  readonly route: string;
  readonly upstream: string;
}

const upstream = await httpUpstream(fileScope, (_request, response) => response.end("ok"));
const routes = [
  { name: "red", hostnames: ["red.example"], backendRefs: [{ name: "app" }] },
  { name: "blue", hostnames: ["blue.example"], backendRefs: [{ name: "other" }] },
];
const config = {
  ...proxyTo(upstream.url),
  routes,
  upstreams: { app: upstreamOf(upstream.url), other: upstreamOf(upstream.url) },
};
const edge: Edge = await startEdge(fileScope, config);
const port = edge.port("main");

async function visit(
  t: { after(undo: () => unknown): void },
  host: string,
  localAddress = "127.0.0.1",
): Promise<RawClient> {
  const client = await RawClient.open(t, { port, localAddress });
  await client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  assert.equal((await client.response()).status, 200);
  return client;
}

const sessions = async (query = ""): Promise<readonly Session[]> =>
  (await edge.adminJson<{ sessions: Session[] }>(`/v1/sessions${query}`)).sessions;

const clientOf = (client: RawClient): string => `${client.socket.localAddress}:${client.socket.localPort}`;

async function sessionOf(client: RawClient): Promise<Session> {
  const found = (await sessions()).find((session) => session.client === clientOf(client));
  return found ?? assert.fail(`${clientOf(client)} is not listed`);
}

test("a session is listed with what is known of it", async (t) => {
  const session = await sessionOf(await visit(t, "red.example"));
  assert.deepEqual(
    [session.listener, session.state, session.requests, session.route, session.upstream],
    ["main", "idle", 1, "red", "app"],
  );
});

for (const [action, ending] of [
  ["close", "fin"],
  ["reset", "rst"],
  ["abort", "rst"],
] as const) {
  test(`${action} by id: that client sees ${ending}, its neighbour nothing`, async (t) => {
    const [target, neighbour] = [await visit(t, "red.example"), await visit(t, "red.example")];
    const { id } = await sessionOf(target);
    await edge.adminJson(`/v1/sessions/${id}/${action}`, { method: "POST" });
    assert.equal(await target.ended(), ending);
    await neighbour.send("GET / HTTP/1.1\r\nHost: red.example\r\n\r\n");
    assert.equal((await neighbour.response()).status, 200);
    await edge.events((event) => event["trigger"] === "admin" && event["session"] === id);
    target.socket.destroy();
    const listed = async (): Promise<boolean> => (await sessions()).some((session) => session.id === id);
    await eventually(listed, (found) => !found, "the session to leave the list");
  });
}

const selectors: readonly (readonly [string, Record<string, unknown>])[] = [
  ["route", { route: "blue" }],
  ["upstream", { upstream: "other" }],
  ["client network", { client: "127.0.0.16/28" }],
  ["several fields together", { listener: "main", client: "127.0.0.17" }],
];

for (const [what, selector] of selectors) {
  test(`a selector by ${what} ends all that match and no other`, async (t) => {
    const spared = await visit(t, "red.example");
    const hit = [await visit(t, "blue.example", "127.0.0.17"), await visit(t, "blue.example", "127.0.0.17")];
    const { affected } = await edge.adminJson<{ affected: number }>("/v1/sessions/abort", {
      method: "POST",
      body: selector,
    });
    assert.equal(affected, 2);
    for (const client of hit) assert.equal(await client.ended(), "rst");
    await spared.send("GET / HTTP/1.1\r\nHost: red.example\r\n\r\n");
    assert.equal((await spared.response()).status, 200);
  });
}

test("an empty selector and an unknown id are refused", async () => {
  assert.equal((await edge.admin("/v1/sessions/abort", { method: "POST", body: {} })).status, 400);
  assert.equal((await edge.admin("/v1/sessions/999999999/close", { method: "POST" })).status, 404);
});

test("mango-edge sessions lists and aborts", async (t) => {
  const client = await visit(t, "red.example");
  const { id } = await sessionOf(client);
  const listed = await runCli(t, ["sessions", "--admin", edge.adminOrigin]);
  assert.equal(listed.code, 0, listed.stderr);
  assert.match(listed.stdout, new RegExp(clientOf(client)));
  const ended = await runCli(t, ["sessions", "abort", "--id", String(id), "--admin", edge.adminOrigin]);
  assert.equal(ended.code, 0, ended.stderr);
  assert.equal(await client.ended(), "rst");
});
