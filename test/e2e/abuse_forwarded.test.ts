// SPDX-License-Identifier: Apache-2.0
// What reaches the upstream when a client tries to speak in the proxy's name, or in ambiguous paths.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { exchange, RawClient } from "../support/raw_client.ts";
import { fileScope } from "../support/scope.ts";
import { type Echo, httpUpstream, readEcho } from "../support/upstreams.ts";

const upstream = await httpUpstream(fileScope);
const guardedMatch = [{ path: { type: "PathPrefix", value: "/admin" } }];
const edge = await startEdge(fileScope, {
  ...proxyTo(upstream.url),
  routes: [
    { name: "all", backendRefs: [{ name: "app" }] },
    {
      name: "guarded",
      matches: guardedMatch,
      filters: [{ requestRedirect: { hostname: "login.example" } }],
    },
  ],
});
const port = edge.port("main");

async function seenUpstream(fields: string): Promise<Echo> {
  const response = await exchange(
    fileScope,
    { port },
    `GET /x HTTP/1.1\r\nHost: real.example\r\n${fields}\r\n\r\n`,
  );
  assert.equal(response.status, 200);
  return readEcho(response.body);
}

const values = (seen: Echo, name: string): string[] =>
  seen.fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);

const ours: readonly (readonly [name: string, value: string])[] = [
  ["x-forwarded-host", "real.example"],
  ["x-forwarded-proto", "http"],
  ["x-forwarded-for", "127.0.0.1"],
];

for (const [name, value] of ours) {
  test(`abuse 8: Connection naming ${name} strips the client's field, not ours`, async () => {
    const seen = await seenUpstream(`Connection: ${name}\r\n${name}: forged`);
    assert.deepEqual(values(seen, name), [value]);
  });
}

for (const name of ["X_Forwarded_Proto", "X_Forwarded_For", "Remote.User", "X.Forwarded.Host", "x_real_ip"]) {
  test(`abuse 9: ${name} is dropped`, async () => {
    assert.deepEqual(values(await seenUpstream(`${name}: forged`), name.toLowerCase()), []);
  });
}

for (const name of [
  "X-Forwarded-For",
  "X-Forwarded-Proto",
  "X-Forwarded-Host",
  "X-Forwarded-Port",
  "X-Real-IP",
  "Forwarded",
]) {
  test(`abuse 24: ${name} from a stranger is overwritten or dropped`, async () => {
    const seen = await seenUpstream(`${name}: for=203.0.113.66\r\n${name}: 203.0.113.66`);
    assert.ok(!JSON.stringify(seen.fields).includes("203.0.113.66"));
  });
}

test("abuse 24: a PROXY protocol line from a stranger is a bad request", async (t) => {
  const client = await RawClient.open(t, { port });
  await client.send("PROXY TCP4 203.0.113.66 10.0.0.1 4000 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal((await client.response()).status, 400);
  await client.ended();
  assert.equal(client.text, "");
});

// Normalised once; what is matched is what is forwarded.
const normalised: readonly (readonly [sent: string, forwarded: string])[] = [
  ["/a//b", "/a/b"],
  ["/a/./b", "/a/b"],
  ["/a/c/../b", "/a/b"],
  ["/a/%2e%2e/b", "/b"],
  ["/%61bc", "/abc"],
  ["/a%c3%a9", "/a%C3%A9"],
  ["/a/b/..", "/a/"],
  ["/a?x=/../%2e", "/a?x=/../%2e"],
];

for (const [sent, forwarded] of normalised) {
  test(`abuse 10: ${sent} is forwarded as ${forwarded}`, async () => {
    const response = await exchange(fileScope, { port }, `GET ${sent} HTTP/1.1\r\nHost: a\r\n\r\n`);
    assert.equal(readEcho(response.body).url, forwarded);
  });
}

const ambiguous = [
  "/a/..%2fb",
  "/a%2fb",
  "/a%5cb",
  "/a\\b",
  "/%2e%2e%2fetc",
  "/a/%252e%252e/b",
  "/%252fadmin",
  "/..",
  "/a/../../b",
  "/a%00b",
  "/a%",
  "/a%zz",
  "/a%0ab",
  "/a%0d%0aX:1",
];

for (const sent of ambiguous) {
  test(`abuse 10: ${sent} is refused`, async () => {
    const response = await exchange(fileScope, { port }, `GET ${sent} HTTP/1.1\r\nHost: a\r\n\r\n`);
    assert.equal(response.status, 400);
  });
}

for (const sent of [
  "/admin",
  "//admin",
  "/./admin",
  "/x/../admin",
  "/%61dmin",
  "/a/%2e%2e/admin/x",
  "/admin/",
  "/admin?x",
]) {
  test(`abuse 10: ${sent} does not slip past the route of /admin`, async () => {
    const response = await exchange(fileScope, { port }, `GET ${sent} HTTP/1.1\r\nHost: a\r\n\r\n`);
    assert.equal(response.status, 302);
  });
}
