// SPDX-License-Identifier: Apache-2.0
// Differences are what an operator would say they are.
import assert from "node:assert/strict";
import { test } from "node:test";
import { diffConfig, diffDocuments, formatChange } from "../../src/config/diff.ts";
import { publicConfig } from "../../src/config/public.ts";
import { parse, SOUND } from "./config_text.ts";

// A part of every kind, so that each has defaults that the others do not.
const EVERYTHING = `listeners:
  web: {address: ":0", protocol: https, tls: {certificates: [c]}}
  old: {address: ":0", protocol: http, http2: {enabled: false}}
  mail: {address: ":0", protocol: tls, tls: {certificates: [c]}}
  sni: {address: ":0", protocol: tls, tls: {mode: Passthrough}}
  raw: {address: ":0", protocol: tcp, proxyProtocol: {trustedCIDRs: [10.0.0.0/8]}}
certificates: {c: {selfSigned: true}}
routes:
  - {name: web, backendRefs: [{name: app}, {name: grpc}, {name: secure}, {name: demo}]}
  - {name: raw, listeners: [mail, sni, raw], backendRefs: [{name: db}]}
  - {name: safe, listeners: [raw], backendRefs: [{name: tls}]}
upstreams:
  app: {servers: [{url: "http://10.0.0.1"}]}
  grpc: {servers: [{url: "unix:/run/grpc.sock"}], protocol: h2c}
  secure: {servers: [{url: "https://10.0.0.1"}]}
  demo: {servers: [{url: "builtin:demo"}]}
  db: {servers: [{url: "tcp://10.0.0.1:5432"}], proxyProtocol: v2}
  tls: {servers: [{url: "tls://10.0.0.1:5432"}]}
`;

async function changes(before: string, after: string): Promise<string[]> {
  return diffConfig((await parse(before)).config, (await parse(after)).config).map(formatChange);
}

test("the same configuration has no differences, however it is written", async () => {
  assert.deepEqual(await changes(SOUND, `# a comment\n${SOUND}workers: auto\n`), []);
});

test("added, removed and changed values have their paths", async () => {
  const after = SOUND.replace("protocol: http\n", "protocol: http\n    timeouts: {idle: 5s}\n").replace(
    "127.0.0.1:9000",
    "127.0.0.1:9001",
  );
  assert.deepEqual(
    await changes(SOUND, `${after}policies: {p: {}}\n`).then((all) => all.map((line) => line.slice(0, 70))),
    [
      '~ listeners.web.timeouts.idle: "60s" -> "5s"',
      '- upstreams.app.servers[http://127.0.0.1:9000]: {"url":"http://127.0.0',
      '+ upstreams.app.servers[http://127.0.0.1:9001]: {"url":"http://127.0.0',
      '+ policies.p: {"session":{},"escalation":[],"ipAllow":[],"ipDeny":[],"',
    ],
  );
});

test("moving a route is no change", async () => {
  const one = "  - {name: one, hostnames: [a.org], backendRefs: [{name: app}]}\n";
  const two = "  - {name: two, hostnames: [b.org], backendRefs: [{name: app}]}\n";
  assert.deepEqual(
    await changes(
      SOUND.replace("upstreams:", `${one}${two}upstreams:`),
      SOUND.replace("upstreams:", `${two}${one}upstreams:`),
    ),
    [],
  );
});

test("a new token is a change without its value", async () => {
  const [before, after] = ["first-token-0123456789", "other-token-0123456789"];
  const lines = await changes(`${SOUND}admin: {token: ${before}}\n`, `${SOUND}admin: {token: ${after}}\n`);
  assert.deepEqual(lines, ["~ admin.token"]);
});

test("what is shown can be given back, without differences", async () => {
  for (const text of [SOUND, EVERYTHING]) {
    const { config } = await parse(text);
    const shown = publicConfig(config);
    const again = await parse(JSON.stringify(shown));
    assert.deepEqual(diffDocuments(shown, publicConfig(again.config)), []);
  }
});

test("documents from elsewhere compare the same way", async () => {
  const { config } = await parse(SOUND);
  const shown = JSON.parse(JSON.stringify(publicConfig(config)));
  assert.deepEqual(diffDocuments(shown, publicConfig(config)), []);
});
