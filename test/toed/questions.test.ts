// SPDX-License-Identifier: Apache-2.0
// status, get, set, reset and health, and devices by their number.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RawClient } from "../support/raw_client.ts";
import { fileScope } from "../support/scope.ts";
import { runTool } from "../support/tools.ts";
import { DeviceClients } from "./c_programs.ts";
import { program, Toed } from "./daemon.ts";

const clients = new DeviceClients(fileScope);

test("status is a table that a person can read", async (t) => {
  const toed = await Toed.start(t, ["--max-sessions", "7", "--rx-buffer", "64KiB", "--tx-buffer", "1M"]);
  const { status, stdout, stderr } = await toed.ask("status");
  assert.equal(status, 0, stderr);
  const said = new Map(
    stdout.split("\n").map((line) => {
      const [, label = line, text = ""] = /^ {2}(\S+) +(.*)$/.exec(line) ?? [];
      return [label, text];
    }),
  );
  assert.ok(said.has("device 0"));
  assert.equal(said.get("state"), "ready");
  assert.match(said.get("version") ?? "", /^\d+\.\d+\.\d+$/);
  assert.match(said.get("uptime") ?? "", /^\d+ s$/);
  assert.equal(said.get("pid"), String(toed.pid));
  assert.equal(said.get("namespace"), "the process's own");
  assert.equal(said.get("access"), "owner");
  assert.equal(said.get("sessions"), "0 open, at most 7");
  assert.match(said.get("clients") ?? "", /^\d+$/);
  assert.equal(said.get("buffers"), "64 KiB to receive, 1 MiB to send, per session");
  assert.match(said.get("counters") ?? "", /accepted 0/);
  assert.match(stdout, /rx 0 B/);
});

test("status --json has numbers where numbers are meant", async (t) => {
  const toed = await Toed.start(t);
  const fields = await toed.fields();
  assert.equal(fields["index"], 0);
  assert.equal(fields["device.pid"], toed.pid);
  assert.equal(fields["device.state"], "ready");
  assert.equal(fields["session.rx_buffer_bytes"], 131_072);
  for (const [name, value] of Object.entries(fields))
    if (/^(counters|sessions?|clients)\./.test(name)) assert.equal(typeof value, "number", name);
});

test("every field that is listed can be read", async (t) => {
  const toed = await Toed.start(t);
  const list = (await toed.get("device.fields")).split("\n").map((line) => line.split(" "));
  assert.ok(list.length > 20);
  const readable = list.filter(([, access]) => access === "rw" || access === "ro");
  const { status, stderr } = await toed.ask("get", ...readable.map(([name = ""]) => name));
  assert.equal(status, 0, stderr);
});

test("get gives fields a line each; an unknown one is exit code 6", async (t) => {
  const toed = await Toed.start(t);
  const { stdout } = await toed.ask("get", "device.state", "device.index");
  assert.equal(stdout, "ready\n0\n");
  const { status, stderr } = await toed.ask("get", "device.colour");
  assert.equal(status, 6);
  assert.match(stderr, /get device\.colour: device 0 of \S+ is not there or has no such field/);
});

test("set changes a field; a bad value is exit code 2 and changes nothing", async (t) => {
  const toed = await Toed.start(t);
  assert.equal((await toed.ask("set", "session.rx_buffer_bytes", "65536")).status, 0);
  assert.equal(await toed.get("session.rx_buffer_bytes"), "65536");
  for (const value of ["3000", "0", "-1", "x", "", "99999999999"]) {
    const { status, stderr } = await toed.ask("set", "--", "session.rx_buffer_bytes", value);
    assert.equal(status, 2, value);
    assert.match(stderr, /set session\.rx_buffer_bytes: device 0 of \S+ refuses the value/);
  }
  assert.equal(await toed.get("session.rx_buffer_bytes"), "65536");
  assert.equal((await toed.ask("set", "device.state", "ready")).status, 4);
  assert.equal((await toed.ask("set", "device.colour", "red")).status, 6);
});

test("health: ready, or not", async (t) => {
  const toed = await Toed.start(t, ["--devices", "2"]);
  const well = await toed.ask("health");
  assert.deepEqual(well, { status: 0, stdout: "ready, 2 devices\n", stderr: "" });
  assert.equal((await toed.ask("health", "--device", "1")).status, 0);
  assert.equal((await toed.ask("health", "--device", "2")).status, 1);
  await toed.kill();
  assert.equal((await toed.ask("health")).status, 1);
});

for (const words of [[], ["--preserve"]]) {
  test(`reset ${words.join(" ")} ends the sessions of that device alone`, async (t) => {
    const toed = await Toed.start(t, ["--devices", "2"]);
    const first = await clients.echo(t, toed);
    const second = await clients.echo(t, toed, { device: 1 });
    const peer = await RawClient.open(t, { port: first.port });
    await first.client.says("accepted");
    const { status, stderr } = await toed.ask("reset", ...words);
    assert.equal(status, 0, stderr);
    assert.equal(await peer.ended(), "rst");
    await first.client.says("listener MANGO_STATUS_DEVICE_RESET");
    await first.client.says("ended MANGO_STATUS_DEVICE_RESET");
    await toed.stderr.wait("device 0 was reset");

    // Its listener can be established again, and does; the other device noticed nothing.
    await first.client.says(/^listening/, 1);
    const again = await RawClient.open(t, { port: first.port });
    await again.send("again");
    await again.receive("again");
    const other = await RawClient.open(t, { port: second.port });
    await other.send("still");
    await other.receive("still");
  });
}

test("devices are told apart by their number", async (t) => {
  const toed = await Toed.start(t, ["--devices", "2"]);
  const { port } = await clients.echo(t, toed, { device: 1 });
  const peer = await RawClient.open(t, { port });
  await peer.send("to device 1");
  await peer.receive("to device 1");
  await toed.settles("sessions.open", 2, 1);
  await toed.settles("sessions.open", 0, 0);
  assert.equal(await toed.get("counters.accepted", 1), "1");
  assert.equal(await toed.get("counters.accepted", 0), "0");
  assert.equal((await toed.ask("set", "--device", "1", "session.tx_buffer_bytes", "65536")).status, 0);
  assert.equal(await toed.get("session.tx_buffer_bytes", 0), "131072");

  const { stdout } = await toed.ask("status");
  assert.deepEqual(
    stdout.split("\n").filter((line) => line.startsWith("device")),
    ["device 0", "device 1"],
  );
  const { status, stderr } = await toed.ask("get", "--device", "2", "device.state");
  assert.equal(status, 6);
  assert.match(stderr, /device 2 of/);
});

// Somebody else on the same machine: neither root nor who runs mango-toed.
const stranger = ["--reuid=65534", "--regid=65534", "--clear-groups", program];
const withoutStranger = await runTool("setpriv", [...stranger, "version"]).then(
  ({ status }) =>
    status === 0 ? false : "only root can be somebody else, and others have to reach the program",
  () => "setpriv is not installed",
);
test("--access says who gets in; reading is for all", { skip: withoutStranger }, async (t) => {
  for (const [access, refusal] of [
    ["owner", /does not let this user in; mango-toed's --access says whom it lets in/],
    ["all", /does not permit it/], // sessions are for all, configuration is not
  ] as const) {
    const toed = await Toed.start(t, ["--access", access]);
    const set = ["set", "--ipc", toed.address, "session.max", "7"];
    const { status, stderr } = await runTool("setpriv", [...stranger, ...set]);
    assert.equal(status, 4, stderr);
    assert.match(stderr, refusal);
    assert.equal((await runTool("setpriv", [...stranger, "health", "--ipc", toed.address])).status, 0);
    assert.notEqual(await toed.get("session.max"), "7");
    assert.equal(await toed.get("device.access"), access);
  }
});

test("a group that does not exist is exit code 2", async () => {
  const { status, stderr } = await runTool(program, [
    "--ipc",
    "127.0.0.1:0",
    "--access",
    "group:there-is-none",
  ]);
  assert.equal(status, 2);
  assert.match(stderr, /not group:there-is-none/);
});
