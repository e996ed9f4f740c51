// SPDX-License-Identifier: Apache-2.0
// From start to end: the ready line, the service manager, signals, two daemons on one port, the unit file.
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileScope, repositoryRoot, temporaryFolder } from "../support/scope.ts";
import { runTool } from "../support/tools.ts";
import { DeviceClients, OddSockets } from "./c_programs.ts";
import { libraryFolder, program, Toed } from "./daemon.ts";

const clients = new DeviceClients(fileScope);
const sockets = new OddSockets(fileScope);

test("the ready line has the port that was bound", async (t) => {
  const toed = await Toed.start(t, ["--devices", "3"]);
  assert.ok(toed.port > 0);
  assert.equal(toed.stdout.all[0], `mango-toed: ready on 127.0.0.1:${toed.port}, 3 devices`);
  assert.deepEqual(toed.stderr.all, []);
});

test("--log json says everything as JSON, a line each", async (t) => {
  const toed = await Toed.start(t, ["--log", "json"]);
  toed.signal("SIGTERM");
  await toed.ended();
  const lines = [...toed.stdout.all, ...toed.stderr.all].map(
    (line) => JSON.parse(line) as Record<string, string>,
  );
  assert.match(lines[0]?.["message"] ?? "", /^ready on 127\.0\.0\.1:\d+, 1 device$/);
  for (const line of lines) {
    assert.deepEqual(Object.keys(line), ["time", "level", "message"]);
    assert.ok(!Number.isNaN(Date.parse(line["time"] ?? "")));
  }
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} ends sessions and the program, exit code 0`, async (t) => {
    const toed = await Toed.start(t);
    const { client } = await clients.echo(t, toed);
    toed.signal(signal);
    assert.deepEqual(await toed.ended(), { code: 0, signal: null });
    await client.says("listener MANGO_STATUS_DEVICE_RESET");
    assert.match(toed.stderr.all[0] ?? "", new RegExp(`${signal}: ending all sessions`));
  });
}

test("SIGHUP changes nothing and is logged", async (t) => {
  const toed = await Toed.start(t);
  toed.signal("SIGHUP");
  await toed.stderr.wait("SIGHUP ignored");
  assert.equal(await toed.get("device.state"), "ready");
});

test("the process id is in --pid-file while it runs, and nowhere after", async (t) => {
  const path = join(temporaryFolder(t), "toed.pid");
  const toed = await Toed.start(t, ["--pid-file", path]);
  assert.equal(readFileSync(path, "utf8"), `${toed.pid}\n`);
  toed.signal("SIGTERM");
  await toed.ended();
  assert.ok(!existsSync(path));
});

test("a --pid-file that cannot be written is an error", async () => {
  const { status, stderr } = await runTool(program, [
    "--ipc",
    "127.0.0.1:0",
    "--pid-file",
    "/nowhere/toed.pid",
  ]);
  assert.equal(status, 1);
  assert.match(stderr, /cannot write \/nowhere\/toed\.pid: No such file or directory/);
});

test("two daemons on one port: the second says so, exit code 3", async (t) => {
  const toed = await Toed.start(t);
  const { status, stderr } = await runTool(program, ["--ipc", toed.address]);
  assert.equal(status, 3);
  assert.match(stderr, /the address is in use; stop the mango-toed that has it or choose another --ipc/);
  assert.equal(await toed.get("device.state"), "ready");
});

test("the service manager is told: ready, stopping", async (t) => {
  const path = join(temporaryFolder(t), "notify");
  const manager = sockets.start(t, "receive", path);
  await manager.says("bound");
  const toed = await Toed.start(t, [], "127.0.0.1:0", { NOTIFY_SOCKET: path });
  await manager.says("READY=1");
  await manager.says(`STATUS=ready on 127.0.0.1:${toed.port}, 1 device`);
  toed.signal("SIGTERM");
  await manager.says("STOPPING=1");
  await toed.ended();
});

test("the service manager's socket may be an abstract one", async (t) => {
  const path = `@mango-toed-test.${process.pid}`;
  const manager = sockets.start(t, "receive", path);
  await manager.says("bound");
  await Toed.start(t, [], "127.0.0.1:0", { NOTIFY_SOCKET: path });
  await manager.says("READY=1");
});

const withoutVerify = await runTool("systemd-analyze", ["--version"]).then(
  ({ status }) => (status === 0 ? false : "systemd-analyze does not work here"),
  () => "systemd-analyze is not installed",
);
test("the systemd unit is one that systemd understands", { skip: withoutVerify }, async (t) => {
  const unit = readFileSync(join(repositoryRoot, "config/mango-toed.service"), "utf8");
  const path = join(temporaryFolder(t), "mango-toed.service");
  // Where it will be installed there is nothing yet.
  writeFileSync(path, unit.replace(/^ExecStart=mango-toed /m, `ExecStart=${program} `));
  const { status, stderr } = await runTool("systemd-analyze", ["verify", path]);
  assert.equal(stderr, "");
  assert.equal(status, 0);
});

test("mango-toed uses the public API alone", async () => {
  const { stdout } = await runTool("nm", ["--dynamic", "--undefined-only", program]);
  const named = [...stdout.matchAll(/\b(_?_?\w*mango\w*)/g)].map(([, name]) => name ?? "");
  assert.ok(named.length > 10);
  assert.deepEqual(
    named.filter((name) => !name.startsWith("mango_")),
    [],
  );
  assert.ok(existsSync(join(libraryFolder, "libmango.so")));
});
