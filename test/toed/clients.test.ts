// SPDX-License-Identifier: Apache-2.0
// Programs on the device, and what becomes of each side when the other is killed.
import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { hashOf, hashOfBlocks, writeBlocks } from "../support/bulk.ts";
import { openFiles } from "../support/process_facts.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually, fileScope, type Scope, withPatience } from "../support/scope.ts";
import { DeviceClients } from "./c_programs.ts";
import { Toed } from "./daemon.ts";

const clients = new DeviceClients(fileScope);

// An ordinary server, for clients that connect through the device.
async function listening(
  scope: Scope,
  accepted: (socket: Socket) => void,
): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    scope.after(() => socket.destroy());
    accepted(socket);
  });
  scope.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return { server, port: typeof address === "object" && address !== null ? address.port : 0 };
}

test("a program listens, accepts, and echoes large content both ways", async (t) => {
  const toed = await Toed.start(t);
  const { client, port } = await clients.echo(t, toed);
  const peer = await RawClient.open(t, { port });
  peer.socket.removeAllListeners("data");
  const blocks = 16;
  const hash = hashOf(peer.socket);
  await writeBlocks(peer.socket, blocks);
  assert.equal(await hash, hashOfBlocks(blocks));
  await client.says("ended MANGO_STATUS_OK");
  await toed.settles("counters.accepted", 1);
  assert.ok(Number(await toed.get("counters.rx_bytes")) >= blocks * 1024 * 1024);
});

test("a program connects through the device and sees the server's end", async (t) => {
  const toed = await Toed.start(t);
  const { port } = await listening(t, (socket) => socket.end("hello"));
  const client = clients.start(t, toed, 0, "hold", "127.0.0.1", port);
  await client.says("received 5");
  await client.says("ended MANGO_STATUS_OK");
  assert.equal((await client.ended()).code, 0);
  await toed.settles("sessions.open", 0);
  await toed.settles("clients.open", 0);
});

test("a refused connection is told as refused", async (t) => {
  const toed = await Toed.start(t);
  const { server, port } = await listening(t, () => {});
  await new Promise((resolve) => server.close(resolve));
  const client = clients.start(t, toed, 0, "hold", "127.0.0.1", port);
  await client.says("connect: MANGO_STATUS_CONNECTION_REFUSED");
  await toed.settles("counters.failed", 1);
});

test("a client is killed: its peers see a reset, its sessions and listeners are gone", async (t) => {
  const toed = await Toed.start(t);
  const { client, port } = await clients.echo(t, toed);
  const peers = await Promise.all(Array.from({ length: 8 }, () => RawClient.open(t, { port })));
  for (const peer of peers) {
    await peer.send("hello");
    await peer.receive("hello");
  }
  await toed.settles("sessions.open", 9);
  client.signal("SIGKILL");
  for (const peer of peers) assert.equal(await peer.ended(), "rst");
  await toed.settles("sessions.open", 0);
  await toed.settles("clients.open", 0);
  await assert.rejects(RawClient.open(t, { port }), /ECONNREFUSED/);
  // The port is free again for the next.
  await clients.echo(t, toed, { port });
});

test("a client that connects is killed: the server sees a reset", async (t) => {
  const toed = await Toed.start(t);
  const { promise, resolve } = Promise.withResolvers<string>();
  const { port } = await listening(t, (socket) => {
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
    socket.on("end", () => resolve("FIN"));
    socket.write("hello");
  });
  const client = clients.start(t, toed, 0, "hold", "127.0.0.1", port);
  await client.says("received 5");
  client.signal("SIGKILL");
  assert.equal(await withPatience(promise, () => "a reset"), "ECONNRESET");
});

test("mango-toed is killed: clients are told at once, and listen again when it is back", async (t) => {
  const first = await Toed.start(t);
  const { client, port } = await clients.echo(t, first);
  const server = await listening(t, (socket) => socket.write("hello"));
  const holding = clients.start(t, first, 0, "hold", "127.0.0.1", server.port);
  await holding.says("received 5");
  const peer = await RawClient.open(t, { port });
  await client.says("accepted");

  await first.kill();
  await holding.says("ended MANGO_STATUS_DEVICE_RESET");
  await client.says("listener MANGO_STATUS_DEVICE_RESET");
  await client.says("ended MANGO_STATUS_DEVICE_RESET");
  assert.equal(await peer.ended(), "rst"); // not FIN: what it got may be half of the whole

  const second = await Toed.start(t, [], first.address);
  assert.equal(second.port, first.port);
  await client.says(/^listening/, 1);
  const again = await RawClient.open(t, { port });
  await again.send("back");
  await again.receive("back");
});

test("nothing is kept of sessions that are over", async (t) => {
  const toed = await Toed.start(t);
  const { client, port } = await clients.echo(t, toed);
  const round = async (): Promise<void> => {
    const churn = clients.start(t, toed, 0, "churn", "127.0.0.1", port, 300);
    await churn.says("done");
    assert.equal((await churn.ended()).code, 0);
    await toed.settles("sessions.open", 1);
    await toed.settles("clients.open", 1);
  };
  await round(); // threads and buffers of the control channel come with the first
  await toed.ask("status");
  const files = openFiles(toed.pid);
  for (let i = 0; i < 3; i += 1) await round();
  await eventually(
    () => openFiles(toed.pid),
    (now) => now <= files,
    `the descriptors to be ${files} again`,
  );
  assert.deepEqual(
    client.stdout.all.filter((line) => /^ended (?!MANGO_STATUS_OK$)/.test(line)),
    [],
  );
});

test("a device has no more sessions than it is to have", async (t) => {
  const toed = await Toed.start(t, ["--max-sessions", "16"]);
  const client = clients.start(t, toed, 0, "open", 100);
  const line = await client.says(/^opened/);
  const [, opened, status] = line.split(" ");
  assert.ok(Number(opened) > 0 && Number(opened) <= 16, line);
  assert.equal(status, "MANGO_STATUS_SYSTEM_FILE_LIMIT");
  client.signal("SIGKILL");
  await toed.settles("sessions.open", 0);
});
