// SPDX-License-Identifier: Apache-2.0
// Devices with addresses of their own, in network namespaces: entered, or made and removed again. Needs privileges.
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { RawClient } from "../support/raw_client.ts";
import { eventually, fileScope, type Scope, temporaryFolder } from "../support/scope.ts";
import { runTool } from "../support/tools.ts";
import { DeviceClients } from "./c_programs.ts";
import { program, Running, Toed } from "./daemon.ts";

// Of the range for benchmarks (RFC 2544), a network per test and process.
let networks = 0;
function network(): { name: string; inner: string; outer: string; next: string } {
  networks += 1;
  const third = (process.pid + networks * 7) % 256;
  const prefix = `198.${18 + (process.pid % 2)}.${third}`;
  return {
    name: `tt${process.pid}-${networks}`,
    inner: `${prefix}.2`,
    outer: `${prefix}.1`,
    next: `${prefix}.7`,
  };
}

async function ip(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await runTool("ip", args);
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function reasonToSkip(): Promise<string | false> {
  const name = `tt${process.pid}-0`;
  try {
    await ip("netns", "add", name);
  } catch (error) {
    return `network namespaces cannot be made here (${error instanceof Error ? error.message.trim() : "?"})`;
  }
  try {
    await ip("-n", name, "link", "add", "probe", "type", "veth", "peer", "name", "eborp");
    return false;
  } catch {
    return "veth pairs cannot be made here";
  } finally {
    await ip("netns", "delete", name);
  }
}
const skip = await reasonToSkip();
const clients = new DeviceClients(fileScope);

interface Link {
  readonly address: string;
}
async function macInside(name: string): Promise<string> {
  const [link] = JSON.parse(await ip("-n", name, "-j", "link", "show", "eth0")) as Link[];
  return link?.address ?? "";
}

const namespaceExists = (name: string): boolean => existsSync(`/run/netns/${name}`);
const linkExists = (name: string): boolean => existsSync(`/sys/class/net/mg-${name}`);

// RUNTIME_DIRECTORY: where the records are.
async function withVeth(scope: Scope, folder: string, more: readonly string[] = []) {
  const net = network();
  const veth = `${net.name},${net.inner}/24,${net.outer}`;
  const start = (): Promise<Toed> =>
    Toed.start(scope, ["--veth", veth, ...more], "127.0.0.1:0", { RUNTIME_DIRECTORY: folder });
  scope.after(async () => {
    if (linkExists(net.name)) await ip("link", "delete", `mg-${net.name}`);
    if (namespaceExists(net.name)) await ip("netns", "delete", net.name);
  });
  return { ...net, veth, start };
}

test("--veth makes a namespace; a listener is reached at the device's own address", { skip }, async (t) => {
  const folder = temporaryFolder(t);
  const { name, inner, outer, start } = await withVeth(t, folder);
  const toed = await start();
  assert.ok(namespaceExists(name) && linkExists(name));
  assert.equal(await toed.get("device.netns"), name);
  assert.equal(await toed.get("device.ip"), inner);
  assert.equal(await toed.get("device.subnet"), "255.255.255.0");
  assert.equal(await toed.get("device.mac"), await macInside(name));
  const { stdout } = await toed.ask("status");
  assert.ok(stdout.includes(`${inner}/24 on eth0`), stdout);

  const { client, port } = await clients.echo(t, toed, { address: inner });
  const peer = await RawClient.open(t, { host: inner, port });
  assert.equal(peer.socket.localAddress, outer);
  await peer.send("hello");
  await peer.receive("hello");
  await client.says("accepted");
  // It is the device's port alone.
  await assert.rejects(RawClient.open(t, { host: "127.0.0.1", port }), /ECONNREFUSED/);

  toed.signal("SIGTERM");
  assert.equal((await toed.ended()).code, 0);
  assert.ok(!namespaceExists(name) && !linkExists(name));
  assert.deepEqual(readdirSync(folder), []);
});

test("programs connect out of the namespace", { skip }, async (t) => {
  const { outer, start } = await withVeth(t, temporaryFolder(t));
  const toed = await start();
  const host = await Toed.start(t);
  const { port } = await clients.echo(t, host, { address: outer });
  const client = clients.start(t, toed, 0, "churn", outer, port, 20);
  await client.says("done");
});

test("device.ip and device.mac are the interface's", { skip }, async (t) => {
  const { name, next, start } = await withVeth(t, temporaryFolder(t), ["--mac", "02:00:00:00:0a:01"]);
  const toed = await start();
  assert.equal(await toed.get("device.mac"), "02:00:00:00:0a:01");
  assert.equal(await macInside(name), "02:00:00:00:0a:01");

  const { status, stderr } = await toed.ask("set", "device.ip", next);
  assert.equal(status, 0, stderr);
  assert.equal(await toed.get("device.ip"), next);
  assert.equal((await toed.ask("set", "device.mac", "02:00:00:00:0a:02")).status, 0);
  assert.equal(await macInside(name), "02:00:00:00:0a:02");
  const { port } = await clients.echo(t, toed, { address: next });
  const peer = await RawClient.open(t, { host: next, port });
  await peer.send("moved");
  await peer.receive("moved");

  assert.equal((await toed.ask("set", "device.ip", "999.1.1.1")).status, 2);
  assert.equal((await toed.ask("set", "device.mac", "01:00:00:00:00:00")).status, 2);
  assert.equal(await toed.get("device.ip"), next);
});

test("a device without a namespace of its own lets no client change the machine's addresses", {
  skip,
}, async (t) => {
  const { name, start } = await withVeth(t, temporaryFolder(t));
  await start();
  // In the other's namespace, as if it were the machine.
  const mac = await macInside(name);
  const guest = new Running(t, "ip", ["netns", "exec", name, program, "--ipc", "127.0.0.1:0"]);
  const [, port = ""] = /:(\d+),/.exec(await guest.says("ready on")) ?? [];
  const ask = (...args: string[]) =>
    runTool("ip", ["netns", "exec", name, program, ...args, "--ipc", `127.0.0.1:${port}`]);
  assert.equal((await ask("get", "device.mac")).stdout, `${mac}\n`);
  for (const [field, value] of [
    ["device.mac", "02:00:00:00:0a:03"],
    ["device.ip", "198.18.255.1/24"],
    ["device.subnet", "255.255.0.0"],
    ["device.interface", "lo"],
  ] as const) {
    const { status, stderr } = await ask("set", field, value);
    assert.equal(status, 4, `${field}: ${stderr}`);
  }
  assert.equal(await macInside(name), mac);
});

test("what a killed mango-toed left is removed by the next", { skip }, async (t) => {
  const { name, inner, start } = await withVeth(t, temporaryFolder(t));
  const first = await start();
  await first.kill();
  assert.ok(namespaceExists(name) && linkExists(name));
  const second = await start();
  await second.stderr.wait(`removing namespace ${name}, left behind`);
  assert.equal(await second.get("device.ip"), inner);
  second.signal("SIGTERM");
  await second.ended();
  assert.ok(!namespaceExists(name) && !linkExists(name));
});

test("a namespace that another one uses or made is left alone, exit code 3", { skip }, async (t) => {
  const folder = temporaryFolder(t);
  const { name, veth, start } = await withVeth(t, folder);
  const toed = await start();
  const env = { ...process.env, RUNTIME_DIRECTORY: folder };
  const second = new Running(t, program, ["--ipc", "127.0.0.1:0", "--veth", veth], env);
  assert.equal((await second.ended()).code, 3);
  assert.match(second.stderr.all[0] ?? "", /belongs to another mango-toed that is running/);
  assert.equal(await toed.get("device.state"), "ready");
  assert.ok(namespaceExists(name));

  const foreign = `${name}f`;
  await ip("netns", "add", foreign);
  t.after(() => ip("netns", "delete", foreign));
  const other = await runTool(program, ["--ipc", "127.0.0.1:0", "--veth", `${foreign},198.18.0.2/24`]);
  assert.equal(other.status, 3);
  assert.match(other.stderr, /exists already and is not mango-toed's: enter it with --netns/);
  assert.ok(namespaceExists(foreign));
});

test("--netns: devices in namespaces that are there, one each", { skip }, async (t) => {
  const nets = [network(), network()];
  for (const { name, inner, outer } of nets) {
    await ip("netns", "add", name);
    t.after(() => ip("netns", "delete", name));
    const outerName = `o${name}`;
    await ip("link", "add", outerName, "type", "veth", "peer", "name", "eth0", "netns", name);
    t.after(() => ip("link", "delete", outerName));
    await ip("address", "add", `${outer}/24`, "dev", outerName);
    await ip("link", "set", outerName, "up");
    await ip("-n", name, "link", "set", "eth0", "up");
    assert.ok(inner !== outer);
  }
  const addresses = nets.flatMap(({ inner }) => ["--ip", `${inner}/24`]);
  const toed = await Toed.start(t, ["--netns", nets.map(({ name }) => name).join(","), ...addresses]);
  for (const [device, { name, inner }] of nets.entries()) {
    assert.equal(await toed.get("device.netns", device), name);
    assert.equal(await toed.get("device.ip", device), inner);
    const { port } = await clients.echo(t, toed, { device, address: inner });
    const peer = await RawClient.open(t, { host: inner, port });
    await peer.send(name);
    await peer.receive(name);
  }
  toed.signal("SIGTERM");
  await toed.ended();
  for (const { name } of nets) assert.ok(namespaceExists(name));
});

test("without the privilege --veth says so, exit code 4", { skip }, async (t) => {
  const net = network();
  const args = [
    "--bounding-set=-net_admin",
    program,
    "--ipc",
    "127.0.0.1:0",
    "--veth",
    `${net.name},${net.inner}/24`,
  ];
  const { status, stderr } = await runTool("setpriv", args);
  assert.equal(status, 4, stderr);
  assert.match(stderr, /--veth needs CAP_NET_ADMIN and CAP_SYS_ADMIN/);
  const netns = ["--bounding-set=-sys_admin", program, "--ipc", "127.0.0.1:0", "--netns", net.name];
  await ip("netns", "add", net.name);
  t.after(() => ip("netns", "delete", net.name));
  const entering = await runTool("setpriv", netns);
  assert.equal(entering.status, 4, entering.stderr);
  assert.match(entering.stderr, /entering namespace \S+ needs CAP_SYS_ADMIN/);
  await eventually(
    () => linkExists(net.name),
    (there) => !there,
    "no link to be there",
  );
});
