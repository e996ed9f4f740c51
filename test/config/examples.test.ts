// SPDX-License-Identifier: Apache-2.0
// The examples load and compile as they are; only the files they name are made here.
import assert from "node:assert/strict";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compileSnapshot } from "../../src/config/compile.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { LoadedConfig } from "../../src/config/types.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { temporaryFolder } from "./config_text.ts";

const FOLDER = join(import.meta.dirname, "../../config");

function load(name: string, env: Record<string, string>): Promise<LoadedConfig> {
  return loadConfig(join(FOLDER, `${name}.yaml`), env, { readOnly: true });
}

// The examples name their certificates .pem, the authority of the tests writes .crt.
function asPem(folder: string, names: readonly string[]): void {
  for (const name of names) renameSync(join(folder, `${name}.crt`), join(folder, `${name}.pem`));
}

const COMPILE = { generation: 1, ticketKeys: [], endpoints: new Map([["builtin:demo", ["127.0.0.1:1"]]]) };

test("quickstart: TLS for localhost, a redirect, the demo service", async () => {
  const { config, warnings } = await load("quickstart", {});
  assert.deepEqual(warnings, []);
  const { listeners, routes, upstreams } = compileSnapshot(config, COMPILE);
  assert.deepEqual(
    listeners.map(({ name, port, tls }) => [name, port, tls !== null]),
    [
      ["https", 8443, true],
      ["http", 8080, false],
    ],
  );
  assert.deepEqual(routes[1]?.redirect, {
    scheme: "https",
    hostname: "",
    port: 8443,
    path: null,
    statusCode: 308,
  });
  assert.deepEqual(upstreams[0]?.servers[0]?.endpoints, ["127.0.0.1:1"]);
});

test("production: several hosts, two kinds of key for one name, mTLS, escalation", async (context) => {
  const folder = temporaryFolder(context);
  new CertificateAuthority(folder, "partners-ca");
  const authority = new CertificateAuthority(folder);
  const names = {
    "www-ecdsa": "www.example.org",
    "www-rsa": "www.example.org",
    shops: "*.shops.example.org",
    partners: "partners.example.org",
  };
  for (const [name, host] of Object.entries(names))
    authority.issue(name, [host, "example.org"], name === "www-rsa" ? "rsa" : "ec");
  asPem(folder, [...Object.keys(names), "partners-ca"]);
  const { config } = await load("production", { MANGO_CERTS: folder });
  const { certificates, listeners, policies } = compileSnapshot(config, COMPILE);
  assert.deepEqual(
    certificates.map(({ name }) => name),
    ["www-ecdsa", "www-rsa", "shops", "partners"],
  );
  assert.equal(listeners[1]?.tls?.clientAuth.mode, "require");
  assert.match(listeners[1]?.tls?.clientAuth.caPem ?? "", /BEGIN CERTIFICATE/);
  assert.deepEqual(policies[0]?.actions.rateLimited, { action: "tarpit", status: 429, delayMs: 5000 });
});

test("device: parses, and hands out where the device is", async () => {
  const { config, warnings } = await load("device", {});
  assert.deepEqual(warnings, []);
  assert.deepEqual(config.offload, { engine: "device", ipc: { address: "localhost:32847", index: 0 } });
  const { policies } = compileSnapshot(config, COMPILE);
  assert.equal(policies[0]?.actions.deviceReset.action, "abort");
});

test("dpu: hands out the vendor's library", async (context) => {
  const folder = temporaryFolder(context);
  new CertificateAuthority(folder).issue("www", ["www.example.org"]);
  asPem(folder, ["www"]);
  const { config } = await load("dpu", { MANGO_CERTS: folder, MANGO_LIBRARY: "/opt/x/libmango.so" });
  assert.deepEqual(config.offload, { engine: "vendor", library: "/opt/x/libmango.so" });
});

test("grpc: HTTP/2 on both sides, and actions of its own", async () => {
  const { config, warnings } = await load("grpc", {});
  assert.deepEqual(warnings, []);
  const { listeners, upstreams, policies } = compileSnapshot(config, COMPILE);
  assert.deepEqual(
    listeners.map(({ http2, tls }) => [http2.enabled, tls?.alpn]),
    [
      [true, ["h2", "http/1.1"]],
      [true, undefined],
    ],
  );
  const { listeners: defaults } = compileSnapshot((await load("quickstart", {})).config, COMPILE);
  assert.deepEqual(listeners[0]?.http2, defaults[0]?.http2); // as its comment says
  assert.deepEqual([upstreams[0]?.protocol, upstreams[1]?.protocol], ["http2", "http1"]);
  assert.equal(policies[0]?.actions.rateLimited.action, "refuseStream");
});

test("websocket: tunnels have a time of their own", async () => {
  const { config, warnings } = await load("websocket", {});
  assert.deepEqual(warnings, []);
  const [listener] = compileSnapshot(config, COMPILE).listeners;
  assert.deepEqual([listener?.timeouts.idleMs, listener?.timeouts.tunnelIdleMs], [60_000, 600_000]);
});

test("upstream-tls: an authority of our own beside those of the system", async (context) => {
  const folder = temporaryFolder(context);
  const authority = new CertificateAuthority(folder, "internal-ca");
  authority.issueClient("edge");
  asPem(folder, ["edge", "internal-ca"]);
  const { config, warnings } = await load("upstream-tls", { MANGO_CERTS: folder });
  assert.deepEqual(warnings, []);
  const { upstreams } = compileSnapshot(config, COMPILE);
  assert.deepEqual(
    upstreams.map(({ protocol, tls }) => [protocol, tls?.verify, tls?.serverName]),
    [
      ["http2", true, "payments.internal.example.org"],
      ["auto", true, ""],
    ],
  );
  assert.equal(upstreams[0]?.tls?.caPem, authority.certificate.cert);
});

test("proxy-protocol: from the load balancer and to the servers", async () => {
  const { config, warnings } = await load("proxy-protocol", { MANGO_BALANCER: "192.0.2.7" });
  assert.deepEqual(warnings, []);
  const { listeners, upstreams } = compileSnapshot(config, COMPILE);
  assert.deepEqual(listeners[0]?.proxyProtocolCidrs, ["192.0.2.7/32"]);
  assert.equal(upstreams[0]?.proxyProtocol, "v2");
});

test("tcp: TLS ended, TLS passed through, and plain bytes", async () => {
  const { config, warnings } = await load("tcp", {});
  assert.deepEqual(warnings, []);
  const { listeners, routes, upstreams } = compileSnapshot(config, COMPILE);
  assert.deepEqual(
    listeners.map(({ mode, tls }) => [mode, tls === null]),
    [
      ["tcp", false],
      ["tlsPassthrough", true],
      ["tcp", true],
    ],
  );
  assert.deepEqual(routes[1]?.hostnames, ["shop.example.org", "*.shop.example.org"]);
  assert.deepEqual(
    upstreams.map(({ tls }) => tls !== null),
    [false, false, false, true],
  );
});
