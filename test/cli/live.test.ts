// SPDX-License-Identifier: Apache-2.0
// The whole program with the real data plane: what operators see of real traffic, and what their commands do to it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, watch, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { test as declare, type TestContext } from "node:test";
import { isAddonBuilt } from "../../src/proxy/addon.ts";
import { command, startCommand, temporaryFolder } from "./command.ts";

const test = (name: string, run: (t: TestContext) => Promise<void>) =>
  declare(name, { skip: isAddonBuilt() ? false : "the addon is not built", timeout: 120_000 }, run);

const config = `
listeners:
  web: {address: "127.0.0.1:0", protocol: http}
admin: {address: "127.0.0.1:0"}
accessLog: {path: access.log}
workers: 2
routes:
  - name: shop
    hostnames: [shop.example]
    matches: [{path: {value: /cart}, method: GET}]
    backendRefs: [{name: app, weight: 3}, {name: spare}]
  - {name: rest, backendRefs: [{name: app}]}
upstreams:
  app: {servers: [{url: "builtin:demo"}]}
  spare: {servers: [{url: "builtin:demo"}]}
policies:
  default:
    escalation: [{trigger: protocolError, after: 3, within: 60s, by: client, action: abort, ban: 1h}]
`;

async function live(t: TestContext) {
  const folder = temporaryFolder(t);
  const [file, readyFile] = [join(folder, "edge.yaml"), join(folder, "ready.json")];
  writeFileSync(file, config);
  const appeared = Promise.withResolvers<void>();
  const watcher = watch(folder, () => existsSync(readyFile) && appeared.resolve());
  t.after(() => watcher.close());
  const running = startCommand(t, ["run", "--config", file, "--ready-file", readyFile]);
  await Promise.race([appeared.promise, running.ended.then(({ stderr }) => assert.fail(stderr))]);
  const ready = JSON.parse(readFileSync(readyFile, "utf8")) as {
    admin: { url: string };
    listeners: { port: number }[];
  };
  const port = ready.listeners[0]?.port ?? 0;
  const cli = (...args: string[]) => command(t, args, { MANGO_EDGE_ADMIN: ready.admin.url });
  const admin = async (path: string, method = "GET") => fetch(`${ready.admin.url}${path}`, { method });
  return { running, port, cli, admin, origin: `http://127.0.0.1:${port}` };
}

// What the server says to these bytes, to the end of the connection; "" when it is cut off.
async function exchange(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("latin1").on("data", (chunk) => {
    answer += chunk;
  });
  socket.on("error", () => undefined);
  socket.write(bytes);
  await new Promise((resolve) => socket.once("close", resolve));
  return answer;
}

async function openSession(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.write("GET / HTTP/1.1\r\nHost: rest.example\r\n\r\n");
  await once(socket, "data");
  return socket;
}

async function until<T>(look: () => Promise<T>, good: (seen: T) => boolean): Promise<T> {
  for (;;) {
    const seen = await look();
    if (good(seen)) return seen;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("repeated protocol errors get the client banned; an operator lifts the ban", async (t) => {
  const { port, admin, origin, cli } = await live(t);
  for (let index = 0; index < 3; index += 1)
    assert.match(await exchange(port, "GET / HTTP/1.1\r\nBad : x\r\n\r\n"), /^HTTP\/1\.1 400 /);
  type Bans = { bans: { by: string; value: string; action: string; policy: string }[] };
  const bans = async () => ((await (await admin("/v1/bans")).json()) as Bans).bans;
  const [ban] = await until(bans, (list) => list.length > 0);
  assert.deepEqual(
    [ban?.by, ban?.value, ban?.action, ban?.policy],
    ["client", "127.0.0.1", "abort", "default"],
  );
  assert.equal(await exchange(port, "GET / HTTP/1.1\r\nHost: rest.example\r\nConnection: close\r\n\r\n"), "");
  const lifted = await admin("/v1/bans?by=client&value=127.0.0.1", "DELETE");
  assert.deepEqual(await lifted.json(), { lifted: 1 });
  await until(
    () =>
      fetch(origin).then(
        ({ status }) => status,
        () => 0,
      ),
    (status) => status === 200,
  );
  assert.equal((await cli("sessions")).code, 0);
});

test("events tell of each action with its reason", async (t) => {
  const { port, admin } = await live(t);
  await exchange(port, "GET / HTTP/1.1\r\nBad : x\r\n\r\n");
  type Events = {
    events: { trigger: string; action: string; status: number; reason: string; client: string }[];
  };
  const events = async () => ((await (await admin("/v1/events")).json()) as Events).events;
  const [event] = await until(events, (list) => list.length > 0);
  assert.equal(event?.trigger, "protocolError");
  assert.equal(event?.action, "respond");
  assert.equal(event?.status, 400);
  assert.equal(event?.client, "127.0.0.1");
  assert.notEqual(event?.reason, "");
});

test("sessions are listed, and closed by id, with commands", async (t) => {
  const { port, cli } = await live(t);
  const socket = await openSession(t, port);
  const listed = JSON.parse((await cli("sessions", "list", "--json")).stdout) as {
    id: number;
    client: string;
    requests: number;
  }[];
  assert.equal(listed.length, 1);
  assert.match(listed[0]?.client ?? "", new RegExp(`:${socket.localPort}$`));
  assert.equal(listed[0]?.requests, 1);
  const ended = once(socket, "end");
  const closed = await cli("sessions", "close", "--id", String(listed[0]?.id));
  assert.equal(closed.stdout, "1 session: close\n");
  await ended;
});

test("abort is a reset on the wire", async (t) => {
  const { port, cli } = await live(t);
  const socket = await openSession(t, port);
  const failed = once(socket, "error");
  assert.equal((await cli("sessions", "abort", "--client", "127.0.0.0/8")).stdout, "1 session: abort\n");
  const [error] = (await failed) as [NodeJS.ErrnoException];
  assert.equal(error.code, "ECONNRESET");
});

test("routes explains what the data plane would really do", async (t) => {
  const { cli } = await live(t);
  const shop = await cli("routes", "http://shop.example/cart/7");
  assert.equal(shop.code, 0, shop.stderr);
  assert.match(shop.stdout, /^route +shop$/m);
  assert.match(shop.stdout, /^upstream +app \(75% of requests\)$/m);
  const rest = await cli("routes", "-X", "POST", "http://shop.example/cart");
  assert.match(rest.stdout, /^route +rest$/m);
  assert.match(rest.stdout, /shop \(match 0\): not taken: method/);
});

test("histograms count every request under concurrency, and promtool finds nothing to say", async (t) => {
  const { origin, admin } = await live(t);
  const total = 500;
  for (let start = 0; start < total; start += 50) {
    const answers = Array.from({ length: 50 }, async () => (await fetch(origin)).arrayBuffer());
    await Promise.all(answers);
  }
  const scrape = async () => (await admin("/metrics")).text();
  const text = await until(scrape, (seen) =>
    seen.includes(`mango_request_duration_seconds_count{route="rest"} ${total}\n`),
  );
  assert.match(text, new RegExp(`^mango_requests_total\\{route="rest",code="200"\\} ${total}$`, "m"));
  assert.match(
    text,
    new RegExp(`^mango_request_duration_seconds_bucket\\{le="\\+Inf",route="rest"\\} ${total}$`, "m"),
  );
  const { error, status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
    input: text,
    encoding: "utf8",
  });
  if (error === undefined) assert.deepEqual([status, stdout, stderr], [0, "", ""]);
});

test("drain over the admin API: not ready, no new sessions, the process stays", async (t) => {
  const { port, admin, running } = await live(t);
  const socket = await openSession(t, port);
  const ended = once(socket, "end");
  assert.equal((await admin("/v1/drain", "POST")).status, 202);
  assert.equal((await admin("/readyz")).status, 503);
  await ended;
  const refused = connect(port, "127.0.0.1");
  const [error] = (await once(refused, "error")) as [NodeJS.ErrnoException];
  assert.equal(error.code, "ECONNREFUSED");
  assert.equal((await admin("/healthz")).status, 200);
  running.child.kill("SIGTERM");
  assert.equal((await running.ended).code, 0);
});
