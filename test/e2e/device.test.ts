// SPDX-License-Identifier: Apache-2.0
// A device that is reset, or dies and comes back, under load: sessions end as the policy says, listeners return to
// their addresses, and /readyz is honest meanwhile. The same with both engines, as far as they can the same.
import assert from "node:assert/strict";
import { test } from "node:test";
import { standsStill, writeBlocks } from "../support/bulk.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { ask } from "../support/client.ts";
import { proxyTo, withPlain } from "../support/configs.ts";
import { type Config, type Edge, runCli, startEdge, writeConfig } from "../support/edge.ts";
import { H2Client } from "../support/http2_client.ts";
import { Load } from "../support/load.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually, fileScope, type Scope, temporaryFolder } from "../support/scope.ts";
import { closedPort, httpUpstream, rawUpstream } from "../support/upstreams.ts";
import { Toed } from "../toed/daemon.ts";

const working = await httpUpstream(fileScope, (request, response) => {
  request.resume().on("end", () => response.end("ok"));
});
const silent = await rawUpstream(fileScope, () => {});
const large = await httpUpstream(fileScope, (request, response) => {
  request.resume();
  void writeBlocks(response, 64);
});
const site = new CertificateAuthority(temporaryFolder(fileScope)).issue("site", ["site.example"]);
const get = "GET /held HTTP/1.1\r\nHost: a\r\n\r\n";

interface Ready {
  readonly status: number;
  readonly body: { readonly code?: string; readonly device?: { state: string; listeners: string[] } };
}

async function readiness(edge: Edge): Promise<Ready> {
  const response = await edge.admin("/readyz");
  return { status: response.status, body: (await response.json()) as Ready["body"] };
}

const isReady = (edge: Edge): Promise<Ready> =>
  eventually(
    () => readiness(edge),
    ({ status }) => status === 200,
    "readyz to say 200",
  );

const isAway = (edge: Edge): Promise<Ready> =>
  eventually(
    () => readiness(edge),
    ({ status }) => status === 503,
    "readyz to say 503",
  );

// Routes of their own for what is answered and what is not.
function config(offload: Config, deviceReset = "abort"): Config {
  const route = { name: "held", matches: [{ path: { type: "Exact", value: "/held" } }] };
  const base = proxyTo(working.url, { top: { offload } });
  return {
    ...base,
    routes: [{ ...route, backendRefs: [{ name: "silent" }] }, ...(base["routes"] as Config[])],
    upstreams: {
      ...(base["upstreams"] as Config),
      silent: { servers: [{ url: `http://127.0.0.1:${silent.port}` }] },
    },
    policies: { default: { session: { deviceReset } } },
  };
}

const kernel: Config = { engine: "kernel" };
const on = (toed: Toed): Config => ({ engine: "device", ipc: { address: toed.address } });

type Engine = (scope: Scope) => Promise<Config>;
const engines: readonly (readonly [string, Engine])[] = [
  ["kernel", async () => kernel],
  ["device", async (scope) => on(await Toed.start(scope))],
];

const reset = (edge: Edge, body?: object): Promise<Response> =>
  edge.admin("/v1/device/reset", { method: "POST", ...(body === undefined ? {} : { body }) });

// Every kind of session at once: where there is a handshake, a stream, a tunnel or a stalled reader.
function everyKind(offload: Config): Config {
  const bytes = { address: "127.0.0.1:0", protocol: "tcp" };
  const secure = { address: "127.0.0.1:0", protocol: "https", tls: { certificates: ["site"] } };
  const base = config(offload);
  return {
    ...base,
    listeners: { ...(base["listeners"] as Config), bytes, secure },
    certificates: { site: { certFile: site.certFile, keyFile: site.keyFile } },
    routes: [
      { name: "large", listeners: ["main", "secure"], backendRefs: [{ name: "large" }] },
      { name: "bytes", listeners: ["bytes"], backendRefs: [{ name: "bytes" }] },
    ],
    upstreams: {
      large: { servers: [{ url: large.url }] },
      bytes: { servers: [{ url: `tcp://127.0.0.1:${silent.port}` }] },
    },
  };
}

for (const [name, engine] of engines) {
  test(`${name}: a reset under load ends every session, and traffic flows again on the same port`, async (t) => {
    const edge = await startEdge(t, config(await engine(t)));
    const port = edge.port("main");
    const held = await RawClient.open(t, { port });
    const idle = await RawClient.open(t, { port });
    held.socket.write(get);
    await silent.log.wait("connection");
    const load = new Load({ port, clients: 8 });
    await load.more(200);

    const answer = await reset(edge);
    assert.equal(answer.status, 202);
    assert.equal(((await answer.json()) as { resets: number }).resets, 1);
    await Promise.all([held.ended(), idle.ended()]);
    await isReady(edge);
    const failed = load.failures.length;
    await load.more(200);
    await load.stop();
    assert.ok(failed <= 8 * 50, `${failed} requests failed`); // some are refused until the listener is back
    assert.equal((await ask({ port, path: "/" })).status, 200);

    const labels = { trigger: "deviceReset", action: "abort" };
    assert.ok((await edge.metric("mango_policy_actions_total", labels)) >= 2);
    assert.equal(await edge.metric("mango_device_resets_total"), 1);
    assert.equal(await edge.metric("mango_device_up"), 1);
    assert.equal(await edge.metric("mango_upstream_ejections_total"), 0, "no server is to blame");
    const record = await edge.accessRecord(({ path }) => path === "/held");
    assert.deepEqual([record["reason"], record["status"]], ["device_reset", 499]);
    await edge.events((event) => event["trigger"] === "deviceReset" && event["reason"] === "device_reset");
    await edge.events((event) => event["type"] === "device" && event["state"] === "ready");
    const listeners = await edge.adminJson<{ lostListeners: string[]; state: string }>("/v1/device");
    assert.deepEqual([listeners.state, listeners.lostListeners], ["ready", []]);
    assert.equal((await edge.admin("/healthz")).status, 200);
  });

  for (const action of ["close", "reset", "abort"]) {
    test(`${name}: a reset is counted as the action the policy says: ${action}`, async (t) => {
      const edge = await startEdge(t, config(await engine(t), action));
      const idle = await RawClient.open(t, { port: edge.port("main") });
      const h2 = await H2Client.open(t, { port: edge.port("main") });
      assert.equal((await h2.ask()).status, 200);
      assert.equal((await reset(edge, { preserve: true })).status, 202);
      await idle.ended();
      await isReady(edge);
      await eventually(
        () => edge.metric("mango_policy_actions_total", { trigger: "deviceReset", action }),
        (count) => count === 2,
        "both sessions to be counted",
      );
      assert.equal((await ask({ port: edge.port("main") })).status, 200);
    });
  }

  test(`${name}: a reset ends sessions of every kind, those that nobody reads from, too`, async (t) => {
    const edge = await startEdge(t, everyKind(await engine(t)));
    const [main, secure, bytes] = ["main", "secure", "bytes"].map((listener) => edge.port(listener));
    const tls = { servername: "site.example" };
    const peers = [
      await RawClient.open(t, { port: main as number }),
      await RawClient.open(t, { port: secure as number }), // and never a ClientHello
      await RawClient.open(t, { port: secure as number, tls }),
      await RawClient.open(t, { port: bytes as number }),
    ];
    const stalled = [
      await RawClient.open(t, { port: main as number }),
      await RawClient.open(t, { port: secure as number, tls: { ...tls, ALPNProtocols: ["http/1.1"] } }),
    ];
    for (const peer of stalled) {
      peer.socket.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
      await peer.receive("HTTP/1.1 200");
      peer.socket.pause();
    }
    const streams = await H2Client.open(t, { port: secure as number, tls });
    const lost = streams.ask({ ":path": "/large" }).catch(() => undefined);
    peers[3]?.socket.write("hello");
    await standsStill(() => silent.connections() + large.requests());
    await eventually(
      () => edge.metric("mango_sessions_active"),
      (count) => count === 7,
      "all sessions to be there",
    );
    assert.equal((await reset(edge)).status, 202);
    await isReady(edge);
    for (const peer of stalled) peer.socket.resume();
    await Promise.all([...peers, ...stalled].map((peer) => peer.ended()));
    await lost;
    await eventually(
      () => edge.metric("mango_sessions_active"),
      (count) => count === 0,
      "all sessions to be gone",
    );
    assert.equal(await edge.metric("mango_policy_actions_total", { trigger: "deviceReset" }), 7);
    assert.equal(await edge.metric("mango_buffer_held_bytes"), 0);
    assert.equal((await ask({ port: secure as number, tls: { ...tls } })).status, 200);
  });

  test(`${name}: resets follow each other, and one at a time`, async (t) => {
    const edge = await startEdge(t, config(await engine(t)));
    for (let i = 1; i <= 5; i += 1) {
      const answers = await Promise.all([reset(edge), reset(edge), reset(edge)]);
      const statuses = answers.map(({ status }) => status);
      assert.ok(statuses.includes(202), String(statuses));
      assert.ok(
        statuses.every((status) => status === 202 || status === 503),
        String(statuses),
      );
      await isReady(edge);
      assert.equal((await ask({ port: edge.port("main") })).status, 200);
    }
  });

  test(`${name}: the device resource tells what runs below`, async (t) => {
    const offload = await engine(t);
    const edge = await startEdge(t, config(offload));
    const report = await edge.adminJson("/v1/device");
    assert.equal(report["state"], "ready");
    assert.equal(report["resets"], 0);
    assert.match(String(report["version"]), /\d+\.\d+/);
    if (name === "kernel") return assert.equal(report["ipc"], null);
    assert.deepEqual(report["ipc"], { ...(offload["ipc"] as object), index: 0 });
    const { open } = report["sessions"] as { open: number };
    assert.ok(open >= 1, "the listeners");
    assert.ok((await edge.metric("mango_device_sessions")) >= 1);
    assert.ok((await edge.metric("mango_device_operations_total")) >= 0);
  });
}

test("a device that is killed is noticed, and used again when it is back", async (t) => {
  const toed = await Toed.start(t);
  const edge = await startEdge(t, withPlain(config(on(toed)), {}));
  const port = edge.port("main");
  const load = new Load({ port, clients: 8 });
  await load.more(200);
  const held = await RawClient.open(t, { port });
  held.socket.write(get);
  await toed.kill();
  await held.ended();
  const { body } = await isAway(edge);
  assert.equal(body.code, "DEVICE_UNAVAILABLE");
  await eventually(
    () => readiness(edge),
    (seen) => seen.body.device?.state === "gone",
    "readyz to say that the device is gone",
  );
  assert.deepEqual((await readiness(edge)).body.device?.listeners.toSorted(), ["main", "plain"]);
  assert.equal((await edge.admin("/healthz")).status, 200);
  assert.equal((await reset(edge)).status, 503);
  assert.equal(await edge.metric("mango_device_up"), 0);
  assert.equal(await edge.metric("mango_device_listeners_lost"), 2);
  assert.equal(await edge.metric("mango_ready"), 0);

  await Toed.start(t, [], toed.address);
  await isReady(edge);
  await load.more(200);
  await load.stop();
  assert.equal((await ask({ port })).status, 200);
  assert.equal((await ask({ port: edge.port("plain") })).status, 200);
  assert.equal(await edge.metric("mango_device_up"), 1);
  assert.equal(await edge.metric("mango_upstream_ejections_total"), 0);
  assert.ok((await edge.metric("mango_policy_actions_total", { trigger: "deviceReset" })) >= 1);
});

test("a device that somebody else resets is noticed, too", async (t) => {
  const toed = await Toed.start(t);
  const edge = await startEdge(t, config(on(toed)));
  const idle = await RawClient.open(t, { port: edge.port("main") });
  assert.equal((await toed.ask("reset")).status, 0);
  await idle.ended();
  await eventually(
    () => edge.metric("mango_device_resets_total"),
    (count) => count === 1,
    "the reset to be noticed",
  );
  await isReady(edge);
  assert.equal((await ask({ port: edge.port("main") })).status, 200);
});

test("while the device is gone, configuration can change but listeners cannot be added", async (t) => {
  const toed = await Toed.start(t);
  const before = config(on(toed));
  const edge = await startEdge(t, before);
  await toed.kill();
  await isAway(edge);
  await assert.rejects(edge.reload(withPlain(before)), /DEVICE_UNAVAILABLE/);
  await edge.reload({ ...before, policies: { default: { session: { deviceReset: "close" } } } });
  await Toed.start(t, [], toed.address);
  await isReady(edge);
  await edge.reload(withPlain(before));
  for (const listener of ["main", "plain"])
    assert.equal((await ask({ port: edge.port(listener) })).status, 200);
});

test("a proxy whose device is gone stops as it should", async (t) => {
  const toed = await Toed.start(t);
  const edge = await startEdge(t, config(on(toed)));
  await toed.kill();
  await isAway(edge);
  assert.deepEqual(await edge.stop(), { code: 0, signal: null });
});

test("without a device behind its address the start fails with a sentence and exit code 7", async (t) => {
  const address = `127.0.0.1:${await closedPort(t)}`;
  const offload = { engine: "device", ipc: { address } };
  const { code, stderr } = await runCli(t, ["run", "--config", writeConfig(t, config(offload))]);
  assert.equal(code, 7, stderr);
  assert.equal(stderr, `mango-edge: the device at ${address} does not answer; is mango-toed running?`);
});

test("a device that its process does not have is named", async (t) => {
  const toed = await Toed.start(t);
  const offload = { engine: "device", ipc: { address: toed.address, index: 7 } };
  const { code, stderr } = await runCli(t, ["run", "--config", writeConfig(t, config(offload))]);
  assert.equal(code, 7, stderr);
  assert.equal(stderr, `mango-edge: the process at ${toed.address} has no device 7`);
});
