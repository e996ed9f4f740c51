// SPDX-License-Identifier: Apache-2.0
// What routes do to requests and responses: weights, header modifiers, redirects, rewrites.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { ask } from "../support/client.ts";
import { proxyTo, secureProxyTo, upstreamOf } from "../support/configs.ts";
import { type Config, startEdge } from "../support/edge.ts";
import { RawClient } from "../support/raw_client.ts";
import { fieldValues } from "../support/responses.ts";
import { fileScope, temporaryFolder } from "../support/scope.ts";
import { echo, httpUpstream, readEcho } from "../support/upstreams.ts";

const upstream = await httpUpstream(fileScope, (request, response) => {
  response.setHeader("x-old", ["one", "two"]);
  response.setHeader("x-keep", "kept");
  echo(request, response);
});

// One proxy for all, reloaded by every test; one worker, so that weights come out exactly.
const top = { workers: 1 };
const edge = await startEdge(fileScope, proxyTo(upstream.url, { top }));
const routeBy = (route: Config): Promise<void> => edge.reload(proxyTo(upstream.url, { route, top }));

test("backendRefs share requests by weight; weight 0 gets none", async (t) => {
  const names = ["heavy", "light", "none"];
  const servers = await Promise.all(
    names.map((name) => httpUpstream(t, (_request, response) => response.end(name))),
  );
  const weights = [3, 1, 0];
  await edge.reload({
    ...proxyTo("http://127.0.0.1:1", { top }),
    routes: [{ name: "split", backendRefs: names.map((name, i) => ({ name, weight: weights[i] })) }],
    upstreams: Object.fromEntries(names.map((name, i) => [name, upstreamOf(servers[i]?.url ?? "")])),
  });
  const counts: Record<string, number> = {};
  for (let i = 0; i < 400; i += 1) {
    const { body } = await ask({ port: edge.port("main") });
    counts[body] = (counts[body] ?? 0) + 1;
  }
  assert.equal(counts["none"], undefined);
  assert.ok(Math.abs((counts["heavy"] ?? 0) - 300) <= 40, JSON.stringify(counts));
});

test("a route whose servers all drain is answered 503 with a reason", async () => {
  const servers = [{ url: upstream.url, drain: true }];
  await edge.reload(proxyTo(upstream.url, { upstream: { servers }, top }));
  assert.equal((await ask({ port: edge.port("main"), path: "/nowhere" })).status, 503);
  const record = await edge.accessRecord((each) => each["path"] === "/nowhere");
  assert.match(String(record["reason"]), /\w/);
});

test("request fields are set, added and removed", async () => {
  const requestHeaderModifier = {
    set: [{ name: "X-Set", value: "new" }],
    add: [{ name: "X-Add", value: "second" }],
    remove: ["X-Gone"],
  };
  await routeBy({ filters: [{ type: "RequestHeaderModifier", requestHeaderModifier }] });
  const headers = { "x-set": "old", "x-add": "first", "x-gone": "secret" };
  const seen = readEcho((await ask({ port: edge.port("main"), headers })).body);
  const values = (name: string): string[] =>
    seen.fields.filter(([key]) => key.toLowerCase() === name).map(([, v]) => v);
  assert.deepEqual([values("x-set"), values("x-add"), values("x-gone")], [["new"], ["first", "second"], []]);
});

test("response fields are set, added and removed", async (t) => {
  const responseHeaderModifier = {
    set: [{ name: "X-Old", value: "replaced" }],
    add: [
      { name: "X-Keep", value: "more" },
      { name: "Strict-Transport-Security", value: "max-age=1" },
    ],
    remove: ["Date"],
  };
  await routeBy({ filters: [{ type: "ResponseHeaderModifier", responseHeaderModifier }] });
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const response = await client.response();
  assert.deepEqual(fieldValues(response, "x-old"), ["replaced"]);
  assert.deepEqual(fieldValues(response, "x-keep"), ["kept", "more"]);
  assert.deepEqual(fieldValues(response, "strict-transport-security"), ["max-age=1"]);
  assert.deepEqual(fieldValues(response, "date"), []);
});

interface Redirection {
  readonly what: string;
  readonly redirect: Config;
  readonly prefix?: string;
  readonly url: string;
  readonly to: RegExp;
  readonly status?: number;
}

const full = (value: string): Config => ({ path: { type: "ReplaceFullPath", replaceFullPath: value } });
const prefixed = (value: string): Config => ({
  path: { type: "ReplacePrefixMatch", replacePrefixMatch: value },
});

const redirections: readonly Redirection[] = [
  {
    what: "scheme",
    redirect: { scheme: "https", statusCode: 301 },
    url: "/a?b=c",
    to: /^https:\/\/h\.example\/a\?b=c$/,
    status: 301,
  },
  {
    what: "hostname",
    redirect: { hostname: "new.example" },
    url: "/a",
    to: /^http:\/\/new\.example(:\d+)?\/a$/,
  },
  { what: "port", redirect: { scheme: "https", port: 8443 }, url: "/", to: /^https:\/\/h\.example:8443\/$/ },
  {
    what: "full path",
    redirect: { scheme: "https", ...full("/moved") },
    url: "/x?q=1",
    to: /^https:\/\/h\.example\/moved\?q=1$/,
  },
  {
    what: "prefix",
    redirect: { scheme: "https", ...prefixed("/new") },
    prefix: "/old",
    url: "/old/a",
    to: /\/\/h\.example\/new\/a$/,
  },
  { what: "308", redirect: { scheme: "https", statusCode: 308 }, url: "/", to: /^https:/, status: 308 },
];

for (const { what, redirect, prefix = "/", url, to, status = 302 } of redirections) {
  test(`a redirect changes the ${what}`, async () => {
    const matches = [{ path: { type: "PathPrefix", value: prefix } }];
    const filters = [{ type: "RequestRedirect", requestRedirect: redirect }];
    await routeBy({ matches, filters, backendRefs: [] });
    const answer = await ask({ port: edge.port("main"), host: "h.example", path: url });
    assert.equal(answer.status, status);
    assert.match(String(answer.headers["location"]), to);
  });
}

test("a redirect does not need the request's content and keeps the framing right", async (t) => {
  const filters = [{ type: "RequestRedirect", requestRedirect: { scheme: "https" } }];
  await routeBy({ filters, backendRefs: [] });
  const client = await RawClient.open(t, { port: edge.port("main") });
  const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
  await client.send(post + post);
  assert.equal((await client.response()).status, 302);
  assert.equal((await client.response()).status, 302);
});

const rewrites: readonly (readonly [
  what: string,
  rewrite: Config,
  prefix: string,
  url: string,
  sent: string,
])[] = [
  ["replaces a prefix", prefixed("/v2"), "/api", "/api/users?x=1", "/v2/users?x=1"],
  ["replaces a whole prefix path", prefixed("/v2"), "/api", "/api", "/v2"],
  ["strips a prefix", prefixed("/"), "/api", "/api/users", "/users"],
  ["strips a prefix that is the whole path", prefixed("/"), "/api", "/api?x", "/?x"],
  ["replaces the full path", full("/fixed"), "/", "/any/thing?q", "/fixed?q"],
];

for (const [what, urlRewrite, prefix, url, sent] of rewrites) {
  test(`a rewrite ${what}: ${url} becomes ${sent}`, async () => {
    const matches = [{ path: { type: "PathPrefix", value: prefix } }];
    await routeBy({ matches, filters: [{ type: "URLRewrite", urlRewrite }] });
    assert.equal(readEcho((await ask({ port: edge.port("main"), path: url })).body).url, sent);
  });
}

test("a rewrite changes the Host that the upstream sees, not what it is told of the client's", async () => {
  await routeBy({
    filters: [{ type: "URLRewrite", urlRewrite: { hostname: "inner.example" } }],
  });
  const seen = readEcho((await ask({ port: edge.port("main"), host: "outer.example" })).body);
  assert.equal(seen.headers["host"], "inner.example");
  assert.equal(seen.headers["x-forwarded-host"], "outer.example");
});

test("an HTTPS redirect listener beside an HTTPS one, as everybody runs it", async (t) => {
  const site = new CertificateAuthority(temporaryFolder(t)).issue("site", ["site.example"]);
  const base = secureProxyTo(upstream.url, { site }, { top });
  const plain = { address: "127.0.0.1:0", protocol: "http" };
  const redirect = {
    name: "to-https",
    listeners: ["plain"],
    filters: [{ type: "RequestRedirect", requestRedirect: { scheme: "https", statusCode: 301 } }],
  };
  await edge.reload({
    ...base,
    listeners: { ...(base["listeners"] as Config), plain },
    routes: [redirect, { name: "all", listeners: ["main"], backendRefs: [{ name: "app" }] }],
  });
  const moved = await ask({ port: edge.port("plain"), host: "site.example", path: "/p" });
  assert.deepEqual([moved.status, moved.headers["location"]], [301, "https://site.example/p"]);
  assert.equal((await ask({ port: edge.port("main"), host: "site.example", tls: true })).status, 200);
});
