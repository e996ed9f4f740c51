// SPDX-License-Identifier: Apache-2.0
// The admin API against pages in the operator's own browser and against malformed or huge requests.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Ask, ask } from "../support/client.ts";
import { proxyTo } from "../support/configs.ts";
import { runCli, startEdge, writeConfig } from "../support/edge.ts";
import { fileScope } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const upstream = await httpUpstream(fileScope, (_request, response) => response.end("ok"));
const token = "a-token-of-enough-letters";
const open = await startEdge(fileScope, proxyTo(upstream.url));
const guarded = await startEdge(fileScope, {
  ...proxyTo(upstream.url),
  admin: { address: "127.0.0.1:0", token },
});

const portOf = (edge: typeof open): number => Number(new URL(edge.adminOrigin).port);
const json = { "content-type": "application/json" };
const attacks: readonly (readonly [what: string, attack: Partial<Ask>, status: RegExp])[] = [
  [
    "a cross-origin POST",
    { method: "POST", path: "/v1/drain", headers: { origin: "https://evil.example" } },
    /403/,
  ],
  ["a POST from a sandboxed page", { method: "POST", path: "/v1/drain", headers: { origin: "null" } }, /403/],
  [
    "a cross-site POST by fetch metadata",
    { method: "POST", path: "/v1/reload", headers: { "sec-fetch-site": "cross-site" } },
    /403/,
  ],
  [
    "a simple form POST",
    {
      method: "POST",
      path: "/v1/sessions/abort",
      headers: { "content-type": "text/plain" },
      body: '{"listener":"main"}',
    },
    /4\d\d/,
  ],
  ["a rebound name", { path: "/v1/config", host: "evil.example" }, /403/],
  ["a rebound name with a port", { path: "/metrics", host: "evil.example:9901" }, /403/],
  ["a cross-origin read", { path: "/v1/config", headers: { origin: "https://evil.example" } }, /403/],
  [
    "broken JSON",
    { method: "POST", path: "/v1/sessions/abort", headers: json, body: '{"listener": ' },
    /400/,
  ],
  [
    "an unknown selector field",
    { method: "POST", path: "/v1/sessions/abort", headers: json, body: '{"listner":"main"}' },
    /400/,
  ],
  [
    "a huge body",
    { method: "POST", path: "/v1/sessions/abort", headers: json, body: `{"sni":"${"x".repeat(8_000_000)}"}` },
    /4\d\d/,
  ],
  [
    "deep nesting",
    { method: "POST", path: "/v1/config/validate", headers: json, body: "[".repeat(100_000) },
    /4\d\d/,
  ],
  ["a path that leads out", { path: "/../../etc/passwd" }, /4\d\d/],
  ["an unknown path", { path: "/v2/nothing" }, /404/],
  ["a wrong method", { method: "DELETE", path: "/metrics" }, /40[45]/],
];

for (const [what, attack, status] of attacks) {
  test(`abuse 25: ${what} is refused and changes nothing`, async () => {
    // A server may answer a huge body before it was sent whole; the broken pipe is then the answer.
    const answer = await ask({ port: portOf(open), ...attack }).catch(
      (error: NodeJS.ErrnoException) => error,
    );
    if (answer instanceof Error) assert.match(String(answer.code), /EPIPE|ECONNRESET/);
    else assert.match(String(answer.status), status, answer.body);
    assert.equal((await open.admin("/readyz")).status, 200);
    assert.equal((await ask({ port: open.port("main") })).status, 200);
  });
}

test("errors are problem documents", async () => {
  const response = await open.admin("/v2/nothing");
  assert.match(response.headers.get("content-type") ?? "", /application\/problem\+json/);
  const problem = (await response.json()) as Record<string, unknown>;
  assert.deepEqual([problem["status"], typeof problem["title"]], [404, "string"]);
});

for (const authorization of [
  "",
  "Bearer ",
  "Bearer wrong-token-of-letters",
  `Basic ${token}`,
  `Bearer ${token}x`,
]) {
  test(`abuse 25: with a token set, "${authorization.slice(0, 14)}" opens nothing`, async () => {
    for (const path of ["/v1/config", "/metrics", "/v1/sessions"]) {
      const answer = await guarded.admin(path, { headers: authorization === "" ? {} : { authorization } });
      assert.equal(answer.status, 401);
    }
  });
}

test("the right token opens, and never shows in a dump", async () => {
  const answer = await guarded.admin("/v1/config", { headers: { authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200);
  assert.ok(!(await answer.text()).includes(token));
});

test("an address beyond the loopback without a token does not start", async (t) => {
  const config = { ...proxyTo(upstream.url), admin: { address: "0.0.0.0:0" } };
  const { code, stderr } = await runCli(t, ["run", "--config", writeConfig(t, config)]);
  assert.equal(code, 3, stderr);
  assert.match(stderr, /token/);
});
