// SPDX-License-Identifier: Apache-2.0
// The snapshot: indices instead of names, numbers instead of texts, nothing left out.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TRIGGERS } from "../../src/config/actions.ts";
import { compileSnapshot } from "../../src/config/compile.ts";
import { openEndpoints } from "../../src/config/endpoints.ts";
import { escalationRules } from "../../src/config/escalation.ts";
import { ticketSettings } from "../../src/config/tickets.ts";
import type { Snapshot } from "../../src/proxy/snapshot.ts";
import { parse, SOUND } from "./config_text.ts";

async function compile(
  text: string,
  endpoints: ReadonlyMap<string, readonly string[]> = new Map(),
): Promise<Snapshot> {
  return compileSnapshot((await parse(text)).config, { generation: 7, ticketKeys: ["a2V5"], endpoints });
}

test("what a file leaves out has the safe default", async () => {
  const snapshot = await compile(SOUND);
  assert.equal(snapshot.generation, 7);
  assert.deepEqual(snapshot.tickets.keys, ["a2V5"]);
  assert.deepEqual(snapshot.limits, {
    maxSessions: 100_000,
    maxBufferBytes: 2 ** 30,
    maxTarpits: 1000,
    drainMs: 30_000,
  });
  assert.deepEqual(snapshot.listeners[0], {
    name: "web",
    mode: "http",
    host: "127.0.0.1",
    port: 0,
    backlog: 1024,
    tls: null,
    policy: 0,
    trustedCidrs: [],
    proxyProtocolCidrs: [],
    http2: {
      enabled: true,
      maxConcurrentStreams: 100,
      streamWindowBytes: 65_536,
      connectionWindowBytes: 1_048_576,
      resetBurst: 200,
      resetsPerSecond: 20,
      controlBurst: 1000,
      controlsPerSecond: 100,
    },
    timeouts: {
      handshakeMs: 5000,
      requestHeadersMs: 10_000,
      bodyMs: 30_000,
      idleMs: 60_000,
      minRateBytesPerSecond: 240,
      minRateGraceMs: 5000,
      writeMs: 60_000,
      tunnelIdleMs: 3_600_000,
    },
    limits: { headBytes: 16_384, headFields: 100, allowEscapedSlashes: false },
  });
});

test("every trigger of the default policy has an action", async () => {
  const { policies } = await compile(SOUND);
  assert.deepEqual(
    policies.map(({ name }) => name),
    ["default"],
  );
  assert.deepEqual(Object.keys(policies[0]?.actions ?? {}).sort(), [...TRIGGERS].sort());
  assert.deepEqual(policies[0]?.actions.headerTimeout, { action: "respond", status: 408, delayMs: 0 });
  assert.deepEqual(policies[0]?.actions.denied, { action: "abort", status: 0, delayMs: 0 });
});

test("a policy overrides single lines, and `default` is everybody's", async () => {
  const { listeners, policies } = await compile(`${SOUND}policies:
  other: {}
  default:
    session: {idle: abort, rateLimited: tarpit, overload: {action: respond, status: 529}}
    rateLimit: {requests: 5, per: 1m}
    ipDeny: [10.0.0.1, "2001:DB8::/32"]
    maxAge: 1h
`);
  const [, policy] = policies;
  assert.equal(policies.length, 2);
  assert.equal(listeners[0]?.policy, 1);
  assert.deepEqual(policy?.actions.idle, { action: "abort", status: 0, delayMs: 0 });
  assert.deepEqual(policy?.actions.rateLimited, { action: "tarpit", status: 429, delayMs: 10_000 });
  assert.deepEqual(policy?.actions.overload, { action: "respond", status: 529, delayMs: 0 });
  assert.deepEqual(policy?.actions.minRate, { action: "abort", status: 0, delayMs: 0 });
  assert.deepEqual(policy?.rateLimit, { requests: 5, perMs: 60_000, burst: 5 });
  assert.deepEqual(policy?.ipDeny, ["10.0.0.1/32", "2001:db8::/32"]);
  assert.equal(policy?.maxAgeMs, 3_600_000);
});

test("`defaults` speaks for whoever says nothing else", async () => {
  const { listeners, upstreams, routes } = await compile(`${SOUND}defaults:
  listener: {timeouts: {idle: 5s, minRate: {after: 1s}}}
  route: {retry: {attempts: 0}}
  upstream: {timeouts: {connect: 1s}, loadBalancer: {type: LeastRequest}}
`);
  assert.equal(listeners[0]?.timeouts.idleMs, 5000);
  assert.equal(listeners[0]?.timeouts.minRateGraceMs, 1000);
  assert.equal(listeners[0]?.timeouts.minRateBytesPerSecond, 240);
  assert.equal(routes[0]?.retry.attempts, 0);
  assert.equal(upstreams[0]?.loadBalancer, "LeastRequest");
  assert.deepEqual(upstreams[0]?.timeouts, { connectMs: 1000, responseMs: 60_000, idleMs: 60_000 });
});

test("hosts are lower case and ASCII, routes without listeners are on all of them", async () => {
  const { routes } = await compile(`listeners:
  a: {address: ":0", protocol: http}
  b: {address: "[::1]:0", protocol: http}
routes:
  - name: r
    hostnames: [WWW.Example.ORG, "*.Bücher.example", a.org.]
    backendRefs: [{name: u, weight: 3}, {name: v}]
    policy: p
upstreams:
  u: {servers: [{url: "http://10.0.0.1"}]}
  v: {servers: [{url: "http://10.0.0.2"}]}
policies: {p: {}}
`);
  assert.deepEqual(routes[0]?.hostnames, ["www.example.org", "*.xn--bcher-kva.example", "a.org"]);
  assert.deepEqual(routes[0]?.listeners, [0, 1]);
  assert.deepEqual(routes[0]?.backends, [
    { upstream: 0, weight: 3 },
    { upstream: 1, weight: 1 },
  ]);
  assert.equal(routes[0]?.policy, 0);
});

test("matches and filters arrive in full", async () => {
  const { routes } = await compile(
    SOUND.replace(
      "  - name: all\n",
      `  - name: all
    matches:
      - path: {type: Exact, value: /a}
        method: POST
        headers: [{name: X-Kind, value: b}]
        queryParams: [{type: RegularExpression, name: q, value: "[0-9]+"}]
    filters:
      - requestHeaderModifier: {set: [{name: X-A, value: "1"}], remove: [X-B]}
      - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: X-C, value: ""}]}}
      - urlRewrite: {hostname: In.Example, path: {type: ReplaceFullPath, replaceFullPath: /x}}
`,
    ),
  );
  assert.deepEqual(routes[0]?.matches, [
    {
      path: { type: "Exact", value: "/a" },
      method: "POST",
      headers: [{ type: "Exact", name: "x-kind", value: "b" }],
      queryParams: [{ type: "RegularExpression", name: "q", value: "[0-9]+" }],
    },
  ]);
  assert.deepEqual(routes[0]?.requestModifier, { set: [["X-A", "1"]], add: [], remove: ["X-B"] });
  assert.deepEqual(routes[0]?.responseModifier, { set: [], add: [["X-C", ""]], remove: [] });
  assert.deepEqual(routes[0]?.rewrite, {
    hostname: "in.example",
    path: { type: "ReplaceFullPath", value: "/x" },
  });
  assert.equal(routes[0]?.redirect, null);
});

test("a route without matches takes every path", async () => {
  const { routes } = await compile(SOUND.replace("  - name: all\n", "  - name: all\n    matches: []\n"));
  assert.deepEqual(routes[0]?.matches, [
    { path: { type: "PathPrefix", value: "/" }, method: "", headers: [], queryParams: [] },
  ]);
});

test("servers have an identity, and endpoints where these are known", async () => {
  const urls = [
    "http://10.0.0.1:8080",
    "http://[::1]",
    "http://Api.Example.org",
    "unix:/run/a.sock",
    "builtin:demo",
  ];
  const text = SOUND.replace(
    "      - url: http://127.0.0.1:9000\n",
    urls.map((url) => `      - url: ${url}\n`).join(""),
  );
  const { config } = await parse(text);
  const open = openEndpoints(config);
  assert.deepEqual(open.named, [{ key: "http://api.example.org:80", host: "api.example.org", port: 80 }]);
  assert.deepEqual([...open.builtins], ["demo"]);
  const endpoints = new Map([
    ["http://api.example.org:80", ["10.9.9.9:80"]],
    ["builtin:demo", ["127.0.0.1:5"]],
  ]);
  const { upstreams } = await compile(text, endpoints);
  assert.deepEqual(
    upstreams[0]?.servers.map(({ key, host, endpoints: at }) => [key, host, at]),
    [
      ["http://10.0.0.1:8080", "10.0.0.1:8080", ["10.0.0.1:8080"]],
      ["http://[::1]:80", "[::1]", ["[::1]:80"]],
      ["http://api.example.org:80", "api.example.org", ["10.9.9.9:80"]],
      ["unix:/run/a.sock", "localhost", ["unix:/run/a.sock"]],
      ["builtin:demo", "demo", ["127.0.0.1:5"]],
    ],
  );
});

test("a name that is not resolved yet is a server without endpoints", async () => {
  const { upstreams } = await compile(SOUND.replace("127.0.0.1:9000", "app.internal:9000"));
  assert.deepEqual(upstreams[0]?.servers[0]?.endpoints, []);
});

test("TLS: certificates by index, groups as OpenSSL wants them", async () => {
  const text = `listeners:
  a: {address: ":0", protocol: https, tls: {certificates: [two, one], minVersion: "1.3", groups: [X25519, P-256]}}
certificates:
  one: {selfSigned: true}
  two: {selfSigned: true, hostnames: [two.example]}
routes: []
`;
  const { listeners, certificates } = await compile(text);
  assert.deepEqual(listeners[0]?.tls, {
    certificates: [1, 0],
    minVersion: "1.3",
    groups: "X25519:P-256",
    alpn: ["h2", "http/1.1"],
    clientAuth: { mode: "none", caPem: "" },
  });
  assert.deepEqual(certificates[1]?.hostnames, ["two.example"]);
  const { config } = await parse(text);
  assert.deepEqual(ticketSettings(config), { rotationMs: 43_200_000, keyFile: undefined });
});

test("tickets can be switched off, and plain listeners have none", async () => {
  assert.equal(ticketSettings((await parse(SOUND)).config), undefined);
  const text = `${SOUND.replace("protocol: http", "protocol: https\n    tls: {certificates: [c], tickets: {enabled: false}}")}certificates: {c: {selfSigned: true}}\n`;
  assert.equal(ticketSettings((await parse(text)).config), undefined);
});

test("escalation rules are ready to count with", async () => {
  const { config } = await parse(`${SOUND}policies:
  p:
    escalation:
      - {trigger: protocolError, after: 5, within: 60s, action: abort, ban: 10m}
      - {after: 50, within: 1s, by: route, action: respond, status: 403, ban: 1s}
`);
  assert.deepEqual(escalationRules(config), [
    {
      policy: "p",
      trigger: "protocolError",
      after: 5,
      withinMs: 60_000,
      by: "client",
      action: "abort",
      status: 0,
      banMs: 600_000,
    },
    {
      policy: "p",
      trigger: null,
      after: 50,
      withinMs: 1000,
      by: "route",
      action: "respond",
      status: 403,
      banMs: 1000,
    },
  ]);
});
