// SPDX-License-Identifier: Apache-2.0
// The same devices over gRPC and iceoryx at once. A machine has one RouDi, iceoryx's own daemon: the one that runs is
// used, or one is started for the time of the test.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { RawClient } from "../support/raw_client.ts";
import { fileScope, type Scope } from "../support/scope.ts";
import { runTool } from "../support/tools.ts";
import { DeviceClients } from "./c_programs.ts";
import { libraryFolder, program, Running, Toed } from "./daemon.ts";

async function reasonToSkip(): Promise<string | false> {
  if (!existsSync(join(libraryFolder, "libmango-ipc-iceoryx.so"))) return "iceoryx is not built in";
  return runTool("iox-roudi", ["--version"]).then(
    () => false,
    () => "iox-roudi is not installed",
  );
}
const skip = await reasonToSkip();
const clients = new DeviceClients(fileScope);

async function withRouDi(scope: Scope): Promise<void> {
  const roudi = new Running(scope, "iox-roudi", []);
  const ready = roudi.says("RouDi is ready for clients");
  await ready.catch((error: unknown) => {
    if (!String(error).includes("already")) throw error; // another one runs
  });
}

test("clients of gRPC and of iceoryx meet the same devices", { skip }, async (t) => {
  await withRouDi(t);
  const name = `iceoryx:toed-test-${process.pid}`;
  const toed = await Toed.start(t, ["--ipc", name, "--devices", "2"]);
  assert.equal(toed.stdout.all[0], `mango-toed: ready on 127.0.0.1:${toed.port} and ${name}, 2 devices`);
  const other = (command: string, ...args: string[]) => runTool(program, [command, "--ipc", name, ...args]);

  assert.equal((await other("set", "--device", "1", "session.rx_buffer_bytes", "65536")).status, 0);
  assert.equal(await toed.get("session.rx_buffer_bytes", 1), "65536");
  assert.equal((await other("health")).stdout, "ready, 2 devices\n");
  assert.equal((await other("get", "--device", "2", "device.index")).status, 6);

  const { port } = await clients.echo(t, { address: name }, { device: 1 });
  const peer = await RawClient.open(t, { port });
  await peer.send("over shared memory");
  await peer.receive("over shared memory");
  await toed.settles("sessions.open", 2, 1);
  await toed.settles("sessions.open", 0, 0);

  const second = await runTool(program, ["--ipc", name]);
  assert.equal(second.status, 3, second.stderr);
  toed.signal("SIGTERM");
  assert.equal((await toed.ended()).code, 0);
});
