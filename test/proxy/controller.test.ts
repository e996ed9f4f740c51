// SPDX-License-Identifier: Apache-2.0
// The controller's promises: one change at a time, a refused change changes nothing, an orderly end.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createConfigSource } from "../../src/proxy/config_source.ts";
import { EdgeController } from "../../src/proxy/controller.ts";
import { createLogger } from "../../src/proxy/logger.ts";
import type { Addresses } from "../../src/proxy/name_lookup.ts";
import { createFakeAddon, type FakePlane } from "./fake_addon.ts";
import { createManualClock, settle } from "./manual_clock.ts";

interface Setup {
  readonly server?: string;
  readonly lookup?: (name: string) => Promise<Addresses>;
  readonly extra?: string;
}

function configText({ server = "http://127.0.0.1:9", extra = "" }: Setup): string {
  return `
listeners:
  web: {address: "127.0.0.1:0", protocol: https, tls: {certificates: [own]}}
certificates:
  own: {selfSigned: true}
routes: [{name: all, backendRefs: [{name: app}]}]
upstreams:
  app: {servers: [{url: "${server}"}]}
${extra}`;
}

async function setup(t: TestContext, options: Setup = {}) {
  const folder = mkdtempSync(join(tmpdir(), "mango-controller-"));
  const file = join(folder, "edge.yaml");
  const write = (changes: Setup = {}): void => writeFileSync(file, configText({ ...options, ...changes }));
  write();
  const lines: string[] = [];
  const clock = createManualClock();
  const addon = createFakeAddon();
  const source = createConfigSource(file, {});
  const applied: number[] = [];
  const controller = new EdgeController({
    source,
    addon,
    logger: createLogger({ write: (line) => lines.push(line) }),
    lookup: options.lookup ?? (async () => ({ addresses: ["192.0.2.1"], ttlMs: 60_000 })),
    version: "0.0.0",
    clock,
    onApplied: () => applied.push(controller.generation),
  });
  t.after(async () => {
    await controller.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const start = async () => controller.start(await source.readFile());
  const plane = (): FakePlane => addon.planes[0] as FakePlane;
  return { controller, start, plane, write, clock, lines, applied, addon };
}

test("start applies generation 1 and turns ready", async (t) => {
  const { controller, start, plane } = await setup(t);
  assert.equal(controller.state, "new");
  const { generation, listeners } = await start();
  assert.equal(generation, 1);
  assert.equal(controller.state, "ready");
  assert.deepEqual(listeners, controller.listeners());
  assert.equal(plane().snapshots[0]?.tickets.keys.length, 1);
});

test("a start that the data plane refuses never turns ready", async (t) => {
  const { controller, start, addon } = await setup(t);
  const Plane = addon.DataPlane;
  const broken = class extends Plane {
    override apply(): string {
      throw Object.assign(new Error("port 443: permission denied"), { code: "LISTEN_FAILED" });
    }
  };
  Object.assign(addon, { DataPlane: broken });
  await assert.rejects(start(), { code: "LISTEN_FAILED", exit: 4 });
  assert.notEqual(controller.state, "ready");
});

test("a refused reload leaves snapshot, names, tickets and rules as they were", async (t) => {
  const { controller, start, plane, write, lines, applied } = await setup(t);
  await start();
  const [before] = plane().snapshots;
  plane().refuse = { code: "CERTIFICATE_INVALID", message: "own: unsupported key" };
  write({
    server: "http://new.test:80",
    extra: "policies: {default: {escalation: [{after: 1, within: 1s, action: abort, ban: 1m}]}}",
  });
  await assert.rejects(controller.reload(), { code: "CERTIFICATE_INVALID" });
  assert.equal(controller.generation, 1);
  assert.deepEqual(controller.snapshot(), before);
  assert.deepEqual(controller.names(), []);
  assert.deepEqual(controller.escalationRules(), []);
  assert.deepEqual(applied, [1]);
  assert.ok(lines.some((line) => line.includes("configuration refused") && line.includes("unsupported key")));
  assert.deepEqual(controller.facts().reloads, {
    ok: 1,
    failed: 1,
    lastOk: false,
    lastOkMs: controller.facts().reloads.lastOkMs,
  });

  plane().refuse = null;
  await controller.reload();
  assert.equal(controller.generation, 2);
  assert.equal(controller.names()[0]?.host, "new.test");
  assert.equal(controller.escalationRules().length, 1);
  assert.deepEqual(plane().snapshots.at(-1)?.tickets, before?.tickets, "clients still resume");
});

test("changes asked for at once are applied one after the other", async (t) => {
  const { controller, start, plane } = await setup(t);
  await start();
  const results = await Promise.all(Array.from({ length: 5 }, () => controller.reload()));
  assert.deepEqual(
    results.map(({ generation }) => generation),
    [2, 3, 4, 5, 6],
  );
  assert.deepEqual(
    plane().snapshots.map(({ generation }) => generation),
    [1, 2, 3, 4, 5, 6],
  );
});

test("a configuration that was sent stays when only its files are read again", async (t) => {
  const { controller, start, plane } = await setup(t);
  await start();
  await controller.apply(configText({ server: "http://127.0.0.1:7777" }));
  await controller.refresh("files changed");
  assert.deepEqual(plane().snapshots.at(-1)?.upstreams[0]?.servers[0]?.endpoints, ["127.0.0.1:7777"]);
  await controller.reload();
  assert.deepEqual(plane().snapshots.at(-1)?.upstreams[0]?.servers[0]?.endpoints, ["127.0.0.1:9"]);
});

test("named servers start with their addresses and get new ones without a reload", async (t) => {
  let addresses = ["192.0.2.1"];
  const lookup = async () => ({ addresses, ttlMs: 60_000 });
  const { start, plane, clock, controller } = await setup(t, { server: "http://app.test:8080", lookup });
  await start();
  assert.deepEqual(plane().snapshots[0]?.upstreams[0]?.servers[0]?.endpoints, ["192.0.2.1:8080"]);
  addresses = ["192.0.2.2", "2001:db8::1"];
  await clock.advance(60_000);
  assert.deepEqual(plane().calls.at(-1), [
    "setEndpoints",
    "http://app.test:8080",
    ["192.0.2.2:8080", "[2001:db8::1]:8080"],
  ]);
  await controller.reload();
  assert.deepEqual(plane().snapshots.at(-1)?.upstreams[0]?.servers[0]?.endpoints, [
    "192.0.2.2:8080",
    "[2001:db8::1]:8080",
  ]);
});

test("a name that does not resolve holds nothing up and is seen in the metrics' facts", async (t) => {
  const { start, plane, controller, lines } = await setup(t, {
    server: "http://gone.test:80",
    lookup: () => Promise.reject(new Error("queryA ENOTFOUND gone.test")),
  });
  await start();
  assert.equal(controller.state, "ready");
  assert.deepEqual(plane().snapshots[0]?.upstreams[0]?.servers[0]?.endpoints, []);
  assert.equal(controller.facts().unresolvedNames, 1);
  assert.ok(lines.some((line) => line.includes("name not resolved")));
});

test("builtin:demo is started on a port of its own and answers", async (t) => {
  const { start, plane } = await setup(t, { server: "builtin:demo" });
  await start();
  const [endpoint] = plane().snapshots[0]?.upstreams[0]?.servers[0]?.endpoints ?? [];
  const page = await fetch(`http://${endpoint}/`);
  assert.match(await page.text(), /mango-edge works/);
  const echo = await fetch(`http://${endpoint}/echo?a=1`, {
    method: "POST",
    body: "hello",
    headers: { "x-test": "<b>" },
  });
  const told = (await echo.json()) as Record<string, unknown>;
  assert.equal(told["method"], "POST");
  assert.equal(told["url"], "/echo?a=1");
  assert.equal(told["body"], "hello");
  const escaped = await (await fetch(`http://${endpoint}/`, { headers: { "x-test": "<script>" } })).text();
  assert.ok(escaped.includes("&lt;script&gt;") && !escaped.includes("<script>"));
  assert.equal((await fetch(`http://${endpoint}/nothing`)).status, 404);
});

test("the demo ends with the controller", async (t) => {
  const { start, plane, controller } = await setup(t, { server: "builtin:demo" });
  await start();
  const [endpoint] = plane().snapshots[0]?.upstreams[0]?.servers[0]?.endpoints ?? [];
  await controller.stop();
  await assert.rejects(
    new Promise((resolve, reject) => get(`http://${endpoint}/`, resolve).on("error", reject)),
    { code: "ECONNREFUSED" },
  );
});

test("drain settles when the last session is gone", async (t) => {
  const { controller, start, plane, clock } = await setup(t);
  await start();
  plane().active = 2;
  let done = false;
  const draining = controller.drain().then(() => {
    done = true;
  });
  await clock.advance(5_000);
  assert.equal(done, false);
  plane().active = 0;
  await clock.advance(100);
  await draining;
  assert.deepEqual(plane().calls, [["drain"]]);
});

test("drain ends when its time is up, however many sessions are left", async (t) => {
  const { controller, start, plane, clock } = await setup(t, { extra: "limits: {drain: 10s}" });
  await start();
  plane().active = 2;
  const draining = controller.drain();
  await settle();
  await clock.advance(10_100);
  await draining;
});

test("nothing is changed any more while draining", async (t) => {
  const { controller, start, plane, clock } = await setup(t);
  await start();
  plane().active = 1;
  const draining = controller.drain();
  await assert.rejects(controller.reload(), { code: "NOT_RUNNING" });
  plane().active = 0;
  await settle();
  await clock.advance(100);
  await draining;
});

test("stop may be called twice, and before a start", async (t) => {
  const { controller, start, plane } = await setup(t);
  await start();
  await controller.stop();
  await controller.stop();
  assert.deepEqual(plane().calls, [["stop"]]);
  assert.equal(controller.counters(), null);
  const other = await setup(t);
  await other.controller.stop();
});

test("a health change of a server is a log line and an event, not a ban", async (t) => {
  const { controller, start, plane, lines } = await setup(t);
  await start();
  plane().emit([
    {
      type: "server",
      timeMs: 1,
      upstream: "app",
      server: "http://127.0.0.1:9",
      state: "ejected",
      reason: "connect",
    },
  ]);
  assert.equal(controller.events.recent(10).length, 1);
  assert.ok(lines.some((line) => line.includes("upstream server ejected")));
  assert.deepEqual(controller.bans(), []);
});
