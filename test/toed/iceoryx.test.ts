// SPDX-License-Identifier: Apache-2.0
// The same devices over gRPC and iceoryx at once.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { RawClient } from "../support/raw_client.ts";
import { withoutRouDi, withRouDi } from "../support/roudi.ts";
import { fileScope } from "../support/scope.ts";
import { runTool } from "../support/tools.ts";
import { DeviceClients } from "./c_programs.ts";
import { libraryFolder, program, Toed } from "./daemon.ts";

const skip = existsSync(join(libraryFolder, "libmango-ipc-iceoryx.so"))
  ? withoutRouDi
  : "iceoryx is not built in";
const clients = new DeviceClients(fileScope);

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
