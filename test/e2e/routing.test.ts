// SPDX-License-Identifier: Apache-2.0
// Which route takes a request: the four kinds of match, Gateway API precedence, and `mango-edge routes`, which
// must give for every request the answer that traffic gets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask } from "../support/client.ts";
import { upstreamOf } from "../support/configs.ts";
import { type Config, runCli, startEdge } from "../support/edge.ts";
import { fileScope } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const upstream = await httpUpstream(fileScope, (_request, response) => response.end());

// Every route marks its responses with its name, so one upstream is enough to see which one took a request.
function route(name: string, hostnames: readonly string[], ...matches: Config[]): Config {
  const set = [{ name: "x-route", value: name }];
  const filters = [{ type: "ResponseHeaderModifier", responseHeaderModifier: { set } }];
  return {
    name,
    hostnames,
    filters,
    backendRefs: [{ name: "app" }],
    ...(matches.length > 0 ? { matches } : {}),
  };
}

const path = (type: string, value: string): Config => ({ path: { type, value } });
const header = (name: string, value: string, type = "Exact"): Config => ({
  headers: [{ type, name, value }],
});
const query = (name: string, value: string, type = "Exact"): Config => ({
  queryParams: [{ type, name, value }],
});

// In an order that would be wrong if the first match won.
const routes = [
  route("regex", ["m.example"], path("RegularExpression", "/items/[0-9]+")),
  route("root", ["m.example"], path("PathPrefix", "/")),
  route("prefix", ["m.example"], path("PathPrefix", "/items")),
  route("prefix-long", ["m.example"], path("PathPrefix", "/items/special")),
  route("exact", ["m.example"], path("Exact", "/items/special/one")),
  route("method", ["m.example"], { ...path("PathPrefix", "/items"), method: "DELETE" }),
  route("header", ["m.example"], { ...path("PathPrefix", "/items"), ...header("X-Tenant", "blue") }),
  route("headers", ["m.example"], {
    ...path("PathPrefix", "/items"),
    headers: [
      ...(header("X-Tenant", "blue")["headers"] as []),
      ...(header("X-Beta", "[ty]es", "RegularExpression")["headers"] as []),
    ],
  }),
  route("query", ["m.example"], { ...path("PathPrefix", "/items"), ...query("version", "2") }),
  route("either", ["m.example"], path("Exact", "/either/a"), path("Exact", "/either/b")),
  route("any-host", []),
  route("wild", ["*.w.example"]),
  route("wild-deep", ["*.deep.w.example"]),
  route("exact-host", ["www.w.example"]),
];

const config = {
  listeners: {
    main: { address: "127.0.0.1:0", protocol: "http" },
    side: { address: "127.0.0.1:0", protocol: "http" },
  },
  routes: [...routes, { ...route("side-only", ["m.example"], path("Exact", "/side")), listeners: ["side"] }],
  upstreams: { app: upstreamOf(upstream.url) },
};
const edge = await startEdge(fileScope, config);

interface Case {
  readonly host: string;
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly takes: string;
}

const cases: readonly Case[] = [
  { host: "m.example", url: "/items/special/one", takes: "exact" },
  { host: "m.example", url: "/items/special/one/more", takes: "prefix-long" },
  { host: "m.example", url: "/items/special", takes: "prefix-long" },
  { host: "m.example", url: "/items/specialist", takes: "prefix" },
  { host: "m.example", url: "/itemsandmore", takes: "root" },
  { host: "m.example", url: "/items/", takes: "prefix" },
  { host: "m.example", url: "/items/17?version=1", takes: "regex" },
  { host: "m.example", url: "/items/17x", takes: "prefix" },
  { host: "m.example", url: "/items/x", method: "DELETE", takes: "method" },
  { host: "m.example", url: "/items/x", headers: { "x-tenant": "blue" }, takes: "header" },
  { host: "m.example", url: "/items/x", headers: { "x-tenant": "Blue" }, takes: "prefix" },
  { host: "m.example", url: "/items/x", headers: { "X-TENANT": "blue", "x-beta": "yes" }, takes: "headers" },
  { host: "m.example", url: "/items/x?version=2", takes: "query" },
  { host: "m.example", url: "/items/x?a=b&version=2&c", takes: "query" },
  { host: "m.example", url: "/items/x?version=22", takes: "prefix" },
  { host: "m.example", url: "/items/x?version=2", headers: { "x-tenant": "blue" }, takes: "header" },
  {
    host: "m.example",
    url: "/items/x?version=2",
    method: "DELETE",
    headers: { "x-tenant": "blue" },
    takes: "method",
  },
  { host: "m.example", url: "/either/a", takes: "either" },
  { host: "m.example", url: "/either/b", takes: "either" },
  { host: "M.EXAMPLE:8080", url: "/items/special/one", takes: "exact" },
  { host: "m.example", url: "/side", takes: "root" },
  { host: "www.w.example", url: "/", takes: "exact-host" },
  { host: "api.w.example", url: "/", takes: "wild" },
  { host: "a.b.w.example", url: "/", takes: "wild" },
  { host: "x.deep.w.example", url: "/", takes: "wild-deep" },
  { host: "w.example", url: "/", takes: "any-host" },
  { host: "elsewhere.example", url: "/items/special/one", takes: "any-host" },
];

for (const { takes, host, url, method = "GET", headers = {} } of cases) {
  const what = `${method} ${host}${url} ${Object.entries(headers).join(" ")}`.trim();

  test(`${what} takes ${takes}`, async () => {
    const answer = await ask({ port: edge.port("main"), host, path: url, method, headers });
    assert.deepEqual([answer.status, answer.headers["x-route"]], [200, takes]);
  });
}

test("a route of one listener takes nothing on another", async () => {
  const answer = await ask({ port: edge.port("side"), host: "m.example", path: "/side" });
  assert.equal(answer.headers["x-route"], "side-only");
});

test("the explanation agrees with traffic, for every case above", async () => {
  for (const { takes, host, url, method = "GET", headers = {} } of cases) {
    const query = new URLSearchParams({ url: `http://${host}${url}`, method, listener: "main" });
    for (const [name, value] of Object.entries(headers)) query.append("header", `${name}: ${value}`);
    const told = await edge.adminJson<{ route: string }>(`/v1/explain?${query}`);
    assert.equal(told.route, takes, `${method} ${host}${url}`);
  }
});

test("mango-edge routes says the same, of the running proxy and of a file", async (t) => {
  const fields = ["--header", "X-Tenant: blue", "--header", "X-Beta: yes"];
  for (const where of [
    ["--admin", edge.adminOrigin],
    ["--config", edge.configFile],
  ]) {
    const args = ["routes", ...where, "--listener", "main", ...fields, "--json", "http://m.example/items/x"];
    const { code, stdout, stderr } = await runCli(t, args);
    assert.equal(code, 0, stderr);
    assert.equal((JSON.parse(stdout) as { route: string }).route, "headers");
  }
});

test("a request that no route takes is answered 404, with its reason in the log", async (t) => {
  const narrow = { ...config, routes: [route("only", ["only.example"], path("Exact", "/only"))] };
  const other = await startEdge(t, narrow);
  for (const [host, url] of [
    ["elsewhere.example", "/"],
    ["only.example", "/other"],
  ] as const) {
    const from = other.accessLog.all.length;
    assert.equal((await ask({ port: other.port("main"), host, path: url })).status, 404);
    const record = await other.accessRecord((each) => each["status"] === 404 && each["path"] === url, from);
    assert.match(String(record["reason"]), /route/);
  }
});
