// SPDX-License-Identifier: Apache-2.0
// The snapshot says what is spoken on both sides, however little the file says about it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { compileSnapshot } from "../../src/config/compile.ts";
import { openEndpoints } from "../../src/config/endpoints.ts";
import { ticketSettings } from "../../src/config/tickets.ts";
import type { Snapshot, SnapshotListener } from "../../src/proxy/snapshot.ts";
import { parse, SOUND } from "./config_text.ts";

async function compile(text: string): Promise<Snapshot> {
  const { config } = await parse(text);
  return compileSnapshot(config, { generation: 1, ticketKeys: [], endpoints: new Map() });
}

async function compileListener(settings: string, more = ""): Promise<SnapshotListener> {
  const text = `listeners: {l: {address: ":0", ${settings}}}\ncertificates: {c: {selfSigned: true}}\nroutes: []\n${more}`;
  const [listener] = (await compile(text)).listeners;
  assert.ok(listener);
  return listener;
}

test("HTTP/2 is spoken unless somebody says otherwise, and ALPN agrees", async () => {
  const spoken = async (settings: string, more = "") => {
    const { http2, tls } = await compileListener(settings, more);
    return [http2.enabled, tls?.alpn];
  };
  const tls = "protocol: https, tls: {certificates: [c]}";
  assert.deepEqual(await spoken("protocol: http"), [true, undefined]);
  assert.deepEqual(await spoken("protocol: http, http2: {enabled: false}"), [false, undefined]);
  assert.deepEqual(await spoken(tls), [true, ["h2", "http/1.1"]]);
  assert.deepEqual(await spoken(`${tls}, http2: {enabled: false}`), [false, ["http/1.1"]]);
  assert.deepEqual(await spoken(tls, "defaults: {listener: {http2: {enabled: false}}}\n"), [
    false,
    ["http/1.1"],
  ]);
  assert.deepEqual(await spoken("protocol: https, tls: {certificates: [c], alpn: [http/1.1]}"), [
    false,
    ["http/1.1"],
  ]);
  assert.deepEqual(await spoken("protocol: https, tls: {certificates: [c], alpn: [http/1.1, h2]}"), [
    true,
    ["http/1.1", "h2"],
  ]);
});

test("windows, streams and budgets of HTTP/2 arrive in bytes and counts", async () => {
  const { http2 } = await compileListener(
    "protocol: http, http2: {maxConcurrentStreams: 7, initialStreamWindowSize: 65535B, resetBudget: {burst: 9}}",
    "defaults: {listener: {http2: {initialConnectionWindowSize: 4MiB, controlFrameBudget: {perSecond: 3}}}}\n",
  );
  assert.deepEqual(http2, {
    enabled: true,
    maxConcurrentStreams: 7,
    streamWindowBytes: 65_535,
    connectionWindowBytes: 4 * 2 ** 20,
    resetBurst: 9,
    resetsPerSecond: 20,
    controlBurst: 1000,
    controlsPerSecond: 3,
  });
});

test("listeners of bytes have a mode, no HTTP/2, and the ALPN that is listed", async () => {
  const mode = async (settings: string) => {
    const listener = await compileListener(settings);
    assert.equal(listener.http2.enabled, false);
    return [listener.mode, listener.tls === null ? null : listener.tls.alpn];
  };
  assert.deepEqual(await mode("protocol: tcp"), ["tcp", null]);
  assert.deepEqual(await mode("protocol: tls, tls: {certificates: [c]}"), ["tcp", []]);
  assert.deepEqual(await mode("protocol: tls, tls: {certificates: [c], alpn: [imap]}"), ["tcp", ["imap"]]);
  assert.deepEqual(await mode("protocol: tls, tls: {mode: Passthrough}"), ["tlsPassthrough", null]);
});

test("TLS that is passed through has no part in the ring of ticket keys", async () => {
  const { config } = await parse(`listeners:
  a: {address: ":0", protocol: tls, tls: {mode: Passthrough}}
  b: {address: ":0", protocol: https, tls: {certificates: [c], tickets: {rotation: 1h}}}
certificates: {c: {selfSigned: true}}
routes: []
`);
  assert.equal(ticketSettings(config)?.rotationMs, 3_600_000);
});

test("PROXY headers, tunnels", async () => {
  const listener = await compileListener(
    "protocol: http, proxyProtocol: {trustedCIDRs: [10.0.0.1, 2001:DB8::/32]}, timeouts: {tunnelIdle: 5m}",
  );
  assert.deepEqual(listener.proxyProtocolCidrs, ["10.0.0.1/32", "2001:db8::/32"]);
  assert.equal(listener.timeouts.tunnelIdleMs, 300_000);
});

test("a route that names no listener is on those that take requests", async () => {
  const { routes } = await compile(`listeners:
  raw: {address: ":0", protocol: tcp}
  web: {address: ":0", protocol: http}
  sni: {address: ":0", protocol: tls, tls: {mode: Passthrough}}
routes:
  - {name: web, backendRefs: [{name: app}]}
  - {name: raw, listeners: [sni], hostnames: [Db.Example.org], backendRefs: [{name: db}]}
upstreams:
  app: {servers: [{url: "http://10.0.0.1"}]}
  db: {servers: [{url: "tcp://10.0.0.1:5432"}, {url: "unix:/run/db.sock"}]}
`);
  assert.deepEqual(
    routes.map(({ listeners, hostnames }) => [listeners, hostnames]),
    [
      [[1], []],
      [[2], ["db.example.org"]],
    ],
  );
});

test("servers are known by scheme, host and port, and Host has the port that is not usual", async () => {
  const upstream = (urls: readonly string[]) =>
    SOUND.replace(
      "      - url: http://127.0.0.1:9000\n",
      urls.map((url) => `      - url: ${url}\n`).join(""),
    );
  const text = upstream(["https://App.Example.org", "https://[::1]:8443", "https://10.0.0.1:80"]);
  const { upstreams } = await compile(text);
  assert.deepEqual(
    upstreams[0]?.servers.map(({ key, host, endpoints }) => [key, host, endpoints]),
    [
      ["https://app.example.org:443", "app.example.org", []],
      ["https://[::1]:8443", "[::1]:8443", ["[::1]:8443"]],
      ["https://10.0.0.1:80", "10.0.0.1:80", ["10.0.0.1:80"]],
    ],
  );
  assert.deepEqual(openEndpoints((await parse(text)).config).named, [
    { key: "https://app.example.org:443", host: "app.example.org", port: 443 },
  ]);
});

test("an upstream's protocol follows from its servers, or is what it says", async () => {
  const spoken = async (url: string, more = "", protocol = "http") => {
    const { upstreams } = await compile(`listeners: {l: {address: ":0", protocol: ${protocol}}}
routes: [{name: r, listeners: [l], backendRefs: [{name: u}]}]
upstreams: {u: {servers: [{url: "${url}"}]${more}}}
`);
    return [upstreams[0]?.protocol, upstreams[0]?.tls?.verify];
  };
  assert.deepEqual(await spoken("http://10.0.0.1"), ["http1", undefined]);
  assert.deepEqual(await spoken("http://10.0.0.1", ", protocol: h2c"), ["http2", undefined]);
  assert.deepEqual(await spoken("unix:/run/a.sock", ", protocol: h2c"), ["http2", undefined]);
  assert.deepEqual(await spoken("builtin:demo"), ["http1", undefined]);
  assert.deepEqual(await spoken("https://10.0.0.1"), ["auto", true]);
  assert.deepEqual(await spoken("https://10.0.0.1", ", protocol: h2"), ["http2", true]);
  assert.deepEqual(await spoken("https://10.0.0.1", ", protocol: http1"), ["http1", true]);
  assert.deepEqual(await spoken("https://10.0.0.1", ", tls: {insecureSkipVerify: true}"), ["auto", false]);
  assert.deepEqual(await spoken("tls://10.0.0.1:5432", "", "tcp"), ["http1", true]);
  assert.deepEqual(await spoken("tcp://10.0.0.1:5432", "", "tcp"), ["http1", undefined]);
});

test("settings of HTTP/2 and PROXY headers towards servers", async () => {
  const { upstreams } = await compile(
    `${SOUND}    protocol: h2c\n    http2: {maxConcurrentStreams: 3}\n    proxyProtocol: v2\ndefaults: {upstream: {http2: {initialStreamWindowSize: 1MiB}}}\n`,
  );
  assert.deepEqual(upstreams[0]?.http2, {
    maxConcurrentStreams: 3,
    streamWindowBytes: 2 ** 20,
    connectionWindowBytes: 2 ** 20,
  });
  assert.equal(upstreams[0]?.proxyProtocol, "v2");
});
