// SPDX-License-Identifier: Apache-2.0
// run, as a process of its own with the real data plane: start, signals, failures of a start, the end.
import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync, watch, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { basename, dirname, join } from "node:path";
import { test as declare, type TestContext } from "node:test";
import { isAddonBuilt } from "../../src/proxy/addon.ts";
import { type Running, startCommand, temporaryFolder } from "./command.ts";

const test = (name: string, run: (t: TestContext) => Promise<void>) =>
  declare(name, { skip: isAddonBuilt() ? false : "the addon is not built", timeout: 120_000 }, run);

interface Ready {
  readonly pid: number;
  readonly admin: { readonly address: string; readonly port: number; readonly url: string };
  readonly listeners: readonly { readonly name: string; readonly address: string; readonly port: number }[];
}

interface Config {
  readonly port?: number;
  readonly adminPort?: number;
  readonly route?: string;
  readonly extra?: string;
}

function configText({ port = 0, adminPort = 0, route = "all", extra = "" }: Config = {}): string {
  return `
listeners:
  web: {address: "127.0.0.1:${port}", protocol: http}
  secure: {address: "127.0.0.1:0", protocol: https, tls: {certificates: [own]}}
certificates:
  own: {selfSigned: true}
admin: {address: "127.0.0.1:${adminPort}"}
accessLog: {path: access.log}
routes: [{name: ${route}, backendRefs: [{name: app}]}]
upstreams:
  app: {servers: [{url: "builtin:demo"}]}
workers: 1
${extra}`;
}

function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

async function run(t: TestContext, config: Config = {}, args: readonly string[] = []) {
  const folder = temporaryFolder(t);
  const file = join(folder, "edge.yaml");
  const readyFile = join(folder, "ready.json");
  writeFileSync(file, configText(config));
  const appeared = fileAppears(t, readyFile);
  const running = startCommand(t, ["run", "--config", file, "--ready-file", readyFile, ...args]);
  const ready = async (): Promise<Ready> => {
    await Promise.race([appeared, running.ended.then((end) => assert.fail(`ended: ${end.stderr}`))]);
    return JSON.parse(readFileSync(readyFile, "utf8")) as Ready;
  };
  return { ...running, folder, file, ready };
}

function fileAppears(t: TestContext, path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watcher = watch(dirname(path), (_event, name) => {
    if (name === basename(path) && existsSync(path)) resolve();
  });
  t.after(() => watcher.close());
  return promise;
}

const logged = (running: Running, message: string) => running.stderrHas(`"msg":"${message}"`);

test("it says where it listens, serves, and ends with 0 on SIGTERM", async (t) => {
  const edge = await run(t);
  const { pid, admin, listeners } = await edge.ready();
  assert.equal(pid, edge.child.pid);
  assert.deepEqual(listeners.map(({ name }) => name).sort(), ["secure", "web"]);
  const web = listeners.find(({ name }) => name === "web");
  const page = await fetch(`http://127.0.0.1:${web?.port}/`);
  assert.match(await page.text(), /mango-edge works/);
  const metrics = await (await fetch(`${admin.url}/metrics`)).text();
  assert.match(metrics, /^mango_requests_total\{route="all",code="200"\} 1$/m);
  assert.equal((await fetch(`${admin.url}/readyz`)).status, 200);
  edge.child.kill("SIGTERM");
  const { code, stdout, stderr } = await edge.ended;
  assert.equal(code, 0, stderr);
  assert.match(stdout, new RegExp(`curl -i http://localhost:${web?.port}/`));
  assert.match(stdout, /curl -k https:\/\/localhost:\d+\//);
  for (const line of stderr.trimEnd().split("\n")) assert.equal(typeof JSON.parse(line), "object", line);
});

test("SIGINT ends with 0 too", async (t) => {
  const edge = await run(t);
  await edge.ready();
  edge.child.kill("SIGINT");
  assert.equal((await edge.ended).code, 0);
});

test("a second signal ends at once, whoever is still being served", async (t) => {
  const edge = await run(t, { extra: "limits: {drain: 1h}" });
  const { listeners } = await edge.ready();
  const port = listeners.find(({ name }) => name === "web")?.port;
  // A request that never ends keeps its session busy.
  const upload = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode("x")),
  });
  const request = fetch(`http://127.0.0.1:${port}/echo`, {
    method: "POST",
    body: upload,
    duplex: "half",
  } as RequestInit);
  request.catch(() => undefined);
  await sessionInExchange(await edge.ready());
  edge.child.kill("SIGTERM");
  await logged(edge, "draining");
  edge.child.kill("SIGTERM");
  assert.equal((await edge.ended).code, 128 + 15);
});

async function sessionInExchange({ admin }: Ready): Promise<void> {
  for (;;) {
    const { sessions } = (await (await fetch(`${admin.url}/v1/sessions`)).json()) as {
      sessions: { state: string }[];
    };
    if (sessions.some(({ state }) => state === "exchange" || state === "reading")) return;
  }
}

test("SIGHUP reloads; a broken file changes nothing and is told", async (t) => {
  const edge = await run(t);
  const { admin } = await edge.ready();
  replaceFile(edge.file, configText({ route: "renamed" }));
  edge.child.kill("SIGHUP");
  await logged(edge, "configuration applied");
  const names = async () => {
    const { routes } = (await (await fetch(`${admin.url}/v1/routes`)).json()) as {
      routes: { name: string }[];
    };
    return routes.map(({ name }) => name);
  };
  assert.deepEqual(await names(), ["renamed"]);
  replaceFile(edge.file, "listeners: [");
  edge.child.kill("SIGHUP");
  await logged(edge, "configuration refused");
  assert.deepEqual(await names(), ["renamed"]);
});

test("--watch reloads when the file is replaced", async (t) => {
  const edge = await run(t, {}, ["--watch"]);
  await edge.ready();
  replaceFile(edge.file, configText({ route: "watched" }));
  await edge.stderrHas('"cause":"reload","generation":2');
});

test("SIGUSR1 reopens the access log where it was moved away", async (t) => {
  const edge = await run(t);
  await edge.ready();
  const log = join(edge.folder, "access.log");
  renameSync(log, `${log}.1`);
  edge.child.kill("SIGUSR1");
  await logged(edge, "access log reopened");
  await fileAppearsOrIs(t, log);
});

function fileAppearsOrIs(t: TestContext, path: string): Promise<void> {
  const appears = fileAppears(t, path);
  return existsSync(path) ? Promise.resolve() : appears;
}

test("a port that is taken is one line and exit code 4, for a listener and for the admin API", async (t) => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  t.after(() => taken.close());
  const { port } = taken.address() as { port: number };
  for (const config of [{ port }, { adminPort: port }]) {
    const edge = await run(t, config);
    const { code, stderr } = await edge.ended;
    assert.equal(code, 4, stderr);
    const lines = stderr
      .trimEnd()
      .split("\n")
      .filter((line) => !line.startsWith("{"));
    assert.equal(lines.length, 1, stderr);
    assert.match(lines[0] ?? "", new RegExp(`^mango-edge: .*${port}`));
  }
});

test("a missing file and a broken one are lines with places and exit code 3", async (t) => {
  const folder = temporaryFolder(t);
  const missing = await startCommand(t, ["run", "--config", join(folder, "none.yaml")]).ended;
  assert.equal(missing.code, 3);
  assert.match(missing.stderr, /none\.yaml:1:1: .*no such file\n$/);
  const edge = await run(t, { extra: "listener: {}" });
  const { code, stderr } = await edge.ended;
  assert.equal(code, 3);
  assert.match(stderr, /^.+edge\.yaml:\d+:\d+: unknown key "listener".*\n$/);
});

test("a device that does not answer is exit code 7", async (t) => {
  const edge = await run(t, { extra: 'offload: {engine: device, ipc: {address: "127.0.0.1:1"}}' });
  const { code, stderr } = await edge.ended;
  assert.equal(code, 7, stderr);
  assert.match(
    stderr,
    /^mango-edge: the device at 127\.0\.0\.1:1 does not answer; is mango-toed running\?$/m,
  );
});

test("a library that is not there is exit code 7", async (t) => {
  const edge = await run(t, { extra: "offload: {library: /nonexistent/libmango.so}" });
  const { code, stderr } = await edge.ended;
  assert.ok(code === 7 || code === 3, `${code}: ${stderr}`);
  assert.match(stderr, /libmango\.so/);
});
