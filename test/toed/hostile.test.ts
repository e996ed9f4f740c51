// SPDX-License-Identifier: Apache-2.0
// Rubbish and floods on everything that mango-toed listens on. Whoever behaves is served all along, and nothing is
// left of the others.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { Client, credentials, status } from "@grpc/grpc-js";
import { openFiles } from "../support/process_facts.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually, fileScope, type Scope } from "../support/scope.ts";
import { DeviceClients, OddSockets } from "./c_programs.ts";
import { Toed } from "./daemon.ts";

const clients = new DeviceClients(fileScope);
const sockets = new OddSockets(fileScope);

// Unix sockets that the process listens on, of the kind the link is of.
function linksOf(pid: number): string[] {
  const sequenced = "0005";
  const listens = "00010000";
  const mine = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return ""; // closed meanwhile
      }
    }),
  );
  return readFileSync(`/proc/${pid}/net/unix`, "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , flags, type]) => flags === listens && type === sequenced)
    .filter(([, , , , , , inode]) => mine.has(`socket:[${inode}]`))
    .map((words) => words[7] ?? "");
}

// A client that behaves, before, during and after.
async function witness(scope: Scope, toed: Toed): Promise<() => Promise<void>> {
  const { port } = await clients.echo(scope, toed);
  const peer = await RawClient.open(scope, { port });
  let asked = 0;
  return async () => {
    asked += 1;
    await peer.send(`still ${asked};`);
    await peer.receive(`still ${asked};`);
    const health = await toed.ask("health");
    assert.equal(health.status, 0, health.stderr);
  };
}

async function filesSettle(toed: Toed, files: number): Promise<void> {
  await eventually(
    () => openFiles(toed.pid),
    (now) => now <= files,
    `descriptors of the daemon to be ${files} at most`,
  );
}

// In order, as if nothing had happened; a sanitizer would have its say here.
async function endsWell(toed: Toed): Promise<void> {
  toed.signal("SIGTERM");
  const { code } = await toed.ended();
  assert.equal(code, 0, toed.stderr.all.join("\n"));
}

function opened(scope: Scope, port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  scope.after(() => socket.destroy());
  socket.on("error", () => {});
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(socket)).once("close", () => resolve(socket));
  });
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
const rubbish: readonly (() => Buffer)[] = [
  () => randomBytes(1 + (randomBytes(1)[0] ?? 0) * 20),
  () => Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
  () => Buffer.concat([Buffer.from(preface), randomBytes(4096)]),
  () => Buffer.concat([Buffer.from(preface), emptySettings, randomBytes(600)]),
  () =>
    Buffer.concat([Buffer.from(preface), emptySettings, Buffer.from([0xff, 0xff, 0xff, 0, 1, 0, 0, 0, 1])]),
  () => Buffer.from([0x16, 3, 1, 0x02, 0, 1, 0, 1, 0xfc, 3, 3]), // a ClientHello's beginning
  () => Buffer.alloc(0),
];

test("rubbish on the port of the control channel", async (t) => {
  const toed = await Toed.start(t);
  const stillServes = await witness(t, toed);
  await stillServes();
  const files = openFiles(toed.pid);
  for (let round = 0; round < 10; round += 1) {
    for (const make of rubbish) {
      const socket = await opened(t, toed.port);
      socket.end(make());
      socket.resume();
    }
    await stillServes();
  }
  await filesSettle(toed, files);
  await endsWell(toed);
});

// What the answer says: OK, or the status of gRPC.
function call(
  client: Client,
  message: Buffer,
  method = "/mango.ipc.v1.Device/Call",
): Promise<Buffer | status> {
  const asIs = (octets: Buffer): Buffer => octets;
  return new Promise((resolve) => {
    client.makeUnaryRequest(method, asIs, asIs, message, (error, answer) =>
      resolve(error?.code ?? answer ?? Buffer.alloc(0)),
    );
  });
}

test("messages that are none, and requests by the thousand", async (t) => {
  const toed = await Toed.start(t);
  const stillServes = await witness(t, toed);
  const client = new Client(toed.address, credentials.createInsecure());
  t.after(() => client.close());
  assert.equal(await call(client, Buffer.alloc(0), "/mango.ipc.v1.Device/Call2"), status.UNIMPLEMENTED);
  assert.equal(await call(client, Buffer.alloc(0), "/nobody/knows"), status.UNIMPLEMENTED);
  assert.equal(await call(client, Buffer.from([0xff, 0xff, 0xff])), status.INVALID_ARGUMENT);
  const tooLong = await call(client, Buffer.alloc(1024 * 1024));
  assert.ok(tooLong === status.RESOURCE_EXHAUSTED || tooLong === status.INVALID_ARGUMENT, String(tooLong));

  const files = openFiles(toed.pid);
  for (let round = 0; round < 5; round += 1) {
    const asked = Array.from({ length: 1000 }, (_, i) => call(client, randomBytes(i % 64)));
    await stillServes();
    await Promise.all(asked);
  }
  await stillServes();
  await filesSettle(toed, files);
  await endsWell(toed);
});

test("nobody resets a device without its link's token", async (t) => {
  const toed = await Toed.start(t);
  const stillServes = await witness(t, toed);
  const client = new Client(toed.address, credentials.createInsecure());
  t.after(() => client.close());
  const text = (number: number, value: string): Buffer =>
    Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), Buffer.from(value, "latin1")]);
  const setConfig = Buffer.from([0x08, 1]);
  for (const token of ["", "0123456789abcdef", "a", "\x01".repeat(16)]) {
    const parts = [text(7, "device.reset"), text(8, "all")];
    const message = Buffer.concat([setConfig, ...(token === "" ? [] : [text(3, token)]), ...parts]);
    const answer = await call(client, message);
    // A status other than OK, or a refusal by gRPC.
    assert.ok(typeof answer === "number" || answer[0] === 0x08, `token "${token}"`);
  }
  await stillServes();
  assert.equal(await toed.get("counters.reset"), "0");
  assert.deepEqual(toed.stderr.all, []);
  await endsWell(toed);
});

test("connections to the control channel that say nothing", async (t) => {
  const toed = await Toed.start(t);
  const stillServes = await witness(t, toed);
  await stillServes();
  const files = openFiles(toed.pid);
  const idle = await Promise.all(Array.from({ length: 500 }, () => opened(t, toed.port)));
  await stillServes();
  for (const socket of idle) socket.destroy();
  await filesSettle(toed, files);
  await stillServes();
  await endsWell(toed);
});

test("rubbish on the link, with descriptors", async (t) => {
  const toed = await Toed.start(t);
  const stillServes = await witness(t, toed);
  await stillServes();
  const [link, ...more] = linksOf(toed.pid);
  assert.ok(link !== undefined && more.length === 0);
  const files = openFiles(toed.pid);
  const seeds = Array.from({ length: 4 }, () => randomBytes(4).readUInt32LE() % 1_000_000_000);
  t.diagnostic(`seeds ${seeds.join(" ")}`);
  const liars = seeds.map((seed) => sockets.start(t, "garbage", link, seed, 200));
  await stillServes();
  for (const liar of liars) await liar.says("done");
  await stillServes();
  await toed.settles("clients.open", 1);
  await toed.settles("sessions.open", 2);
  await filesSettle(toed, files);
  await endsWell(toed);
});

test("more links than a device takes", async (t) => {
  const toed = await Toed.start(t);
  const stillServes = await witness(t, toed);
  const [link] = linksOf(toed.pid);
  await stillServes();
  const files = openFiles(toed.pid);
  const flood = sockets.start(t, "idle", link ?? "", 3000);
  await flood.says(/^had/);
  await stillServes();
  await flood.kill();
  await filesSettle(toed, files);
  await stillServes();
  await endsWell(toed);
});

test("a client that takes all sessions leaves some to the others", async (t) => {
  const toed = await Toed.start(t, ["--max-sessions", "64"]);
  const greedy = clients.start(t, toed, 0, "open", 1000);
  await greedy.says(/^opened \d+ MANGO_STATUS_SYSTEM_FILE_LIMIT/);
  const stillServes = await witness(t, toed);
  await stillServes();
  await greedy.kill();
  await toed.settles("sessions.open", 2);
  await endsWell(toed);
});

test("clients that are killed at any moment leave nothing", async (t) => {
  const toed = await Toed.start(t);
  const stillServes = await witness(t, toed);
  const { port } = await clients.echo(t, toed);
  await stillServes();
  const files = openFiles(toed.pid);
  for (let i = 0; i < 20; i += 1) {
    const churn = clients.start(t, toed, 0, "churn", "127.0.0.1", port, 1_000_000);
    const busy = Number(await toed.get("counters.connected"));
    await eventually(
      async () => Number(await toed.get("counters.connected")),
      (now) => now > busy + i,
      "connections",
    );
    await churn.kill();
  }
  await stillServes();
  await toed.settles("clients.open", 2);
  await toed.settles("sessions.open", 3);
  await filesSettle(toed, files);
  await endsWell(toed);
});
