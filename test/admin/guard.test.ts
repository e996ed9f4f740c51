// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { startAdmin } from "../../src/admin/server.ts";
import { startHarness } from "./harness.ts";

const token = "correct-horse-battery-staple";
const bearer = (value: string) => ({ authorization: `Bearer ${value}` });

test("without a token the API answers on loopback, whatever loopback is called", async (t) => {
  const { ask, admin } = await startHarness(t);
  for (const host of ["localhost", "127.0.0.1", "127.8.9.1", "[::1]", "LOCALHOST"]) {
    const { status } = await ask("/v1/config", { headers: { host: `${host}:${admin.port}` } });
    assert.equal(status, 200, host);
  }
});

test("a Host that names another site is refused: DNS rebinding", async (t) => {
  const { ask } = await startHarness(t);
  const hosts = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "93.184.216.34",
    "[2001:db8::1]",
    "a b",
  ];
  for (const host of hosts) {
    for (const path of ["/v1/config", "/healthz", "/metrics", "/nothing"]) {
      const { status, json } = await ask(path, { headers: { host } });
      assert.equal(status, 403, `${host} ${path}`);
      assert.equal(json["code"], "FORBIDDEN_HOST");
    }
  }
});

test("requests that another site's page makes are refused, of every method", async (t) => {
  const { ask, plane } = await startHarness(t);
  for (const headers of [
    { origin: "https://evil.example" },
    { origin: "null" },
    { origin: "http://localhost:1" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "same-site" },
  ]) {
    for (const method of ["GET", "POST"]) {
      const { status, json } = await ask("/v1/reload", { method, headers });
      assert.equal(status, 403);
      assert.equal(json["code"], "FORBIDDEN_ORIGIN");
    }
  }
  assert.equal(plane.snapshots.length, 1, "nothing was reloaded");
});

test("a page of its own origin may use it", async (t) => {
  const { ask, admin } = await startHarness(t);
  const host = `localhost:${admin.port}`;
  const { status } = await ask("/v1/bans", {
    headers: { host, origin: `http://${host}`, "sec-fetch-site": "same-origin" },
  });
  assert.equal(status, 200);
});

test("with a token nothing but the probes answers without it", async (t) => {
  const { ask } = await startHarness(t, { token });
  assert.equal((await ask("/healthz")).status, 200);
  assert.equal((await ask("/readyz")).status, 200);
  for (const path of ["/metrics", "/v1/config", "/openapi.json", "/nothing", "/healthz/../v1/config"]) {
    const { status, json, headers } = await ask(path);
    assert.equal(status, 401, path);
    assert.equal(json["code"], "UNAUTHORIZED");
    assert.equal(headers["www-authenticate"], "Bearer");
  }
});

test("wrong tokens of any shape are refused, the right one is taken", async (t) => {
  const { ask, log } = await startHarness(t, { token });
  const wrong = [
    "",
    "x",
    `${token}x`,
    token.slice(1),
    token.toUpperCase(),
    "\u00e9".repeat(64),
    "a".repeat(8000),
  ];
  for (const value of wrong)
    assert.equal((await ask("/v1/config", { headers: bearer(value) })).status, 401, value);
  assert.equal((await ask("/v1/config", { headers: { authorization: `Basic ${token}` } })).status, 401);
  assert.equal((await ask("/v1/config", { headers: bearer(token) })).status, 200);
  assert.ok(!log.join("").includes(token));
});

test("whoever has the token may use a name of the machine; an Origin is checked even so", async (t) => {
  const { ask } = await startHarness(t, { token });
  const host = "edge-7.internal:9901";
  assert.equal((await ask("/metrics", { headers: { host, ...bearer(token) } })).status, 200);
  assert.equal((await ask("/metrics", { headers: { host } })).status, 403);
  const foreign = await ask("/metrics", {
    headers: { host, origin: "http://evil.example", ...bearer(token) },
  });
  assert.equal(foreign.status, 403);
});

test("bound to every address it answers to any of them", async (t) => {
  const { ask } = await startHarness(t, { token, host: "0.0.0.0" });
  assert.equal(
    (await ask("/v1/bans", { headers: { host: "192.0.2.7:9901", ...bearer(token) } })).status,
    200,
  );
});

test("an address that is not loopback needs a token", async (t) => {
  const { controller } = await startHarness(t);
  const options = {
    port: 0,
    token: null,
    version: "0",
    controller,
    metrics: undefined as never,
    logger: undefined as never,
  };
  for (const host of ["0.0.0.0", "::", "192.0.2.1"]) {
    await assert.rejects(startAdmin({ ...options, host }), { code: "CONFIG_INVALID" });
  }
});
