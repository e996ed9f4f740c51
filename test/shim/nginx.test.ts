// SPDX-License-Identifier: Apache-2.0
// nginx with a master and two workers under the shim: files with and without sendfile, TLS, load, reload, and the
// exchange of its program while it serves. Then HAProxy in front of it, under the shim as well.
import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { Agent, get } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { freePort } from "../../loadtest/support/network.ts";
import { eventually, type Scope, temporaryFolder } from "../support/scope.ts";
import { runTool } from "../support/tools.ts";
import { fileBytes, Nginx, workersOf } from "./nginx.ts";
import { type Shim, shims, unlessInstalled } from "./shim.ts";

const skip = unlessInstalled("nginx", "curl");

async function curl(url: string, ...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await runTool("curl", ["-sS", "--fail", "--insecure", ...args, url]);
  assert.equal(status, 0, stderr);
  return stdout;
}

async function fetchesWhole(scope: Scope, url: string, original: string): Promise<void> {
  const copy = join(temporaryFolder(scope), "copy");
  await curl(url, "--output", copy);
  assert.deepEqual(await runTool("cmp", [copy, original]), { status: 0, stdout: "", stderr: "" });
}

function request(url: string, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
      response.on("end", resolve).on("error", reject).resume();
    }).on("error", reject);
  });
}

// New connections, one after the other, while `change` happens; every one must be answered.
async function whileVisited(url: string, change: () => Promise<void>): Promise<void> {
  const agent = new Agent({ keepAlive: false });
  let changed = false;
  const visits = (async () => {
    let count = 0;
    for (; !changed; ++count) await request(url, agent);
    for (let i = 0; i < 20; ++i) await request(url, agent);
    return count;
  })();
  visits.catch(() => {});
  await change().finally(() => {
    changed = true;
  });
  assert.ok((await visits) > 0);
}

async function servesFiles(scope: Scope, shim: Shim, sendfile: boolean): Promise<void> {
  const nginx = await Nginx.start(scope, shim, { sendfile });
  const { sent } = shim.sums;
  for (const url of [nginx.url, nginx.tlsUrl]) {
    assert.equal(await curl(`${url}small`), "small\n");
    await fetchesWhole(scope, `${url}large`, nginx.file);
  }
  await nginx.stop();
  assert.ok(shim.sums.sent - sent >= 2 * fileBytes, shim.log);
}

async function bearsLoad(scope: Scope, shim: Shim): Promise<void> {
  const nginx = await Nginx.start(scope, shim);
  const wrk = ["--threads", "2", "--connections", "20", "--duration", "1s", `${nginx.url}small`];
  const said = await shim.run(scope, "wrk", wrk);
  assert.match(said, /Requests\/sec:/);
  assert.doesNotMatch(said, /Non-2xx|Socket errors/);
  const h2load = ["--requests", "600", "--clients", "6", "--max-concurrent-streams", "5"];
  for (const path of ["small", "large"]) {
    const number = path === "large" ? ["--requests", "30"] : [];
    const report = await shim.run(scope, "h2load", [...h2load, ...number, `${nginx.tlsUrl}${path}`]);
    assert.match(report, /requests: (\d+) total, \1 started, \1 done, \1 succeeded, 0 failed/);
  }
  await nginx.stop();
}

async function reloads(scope: Scope, shim: Shim): Promise<void> {
  const nginx = await Nginx.start(scope, shim);
  const before = workersOf(nginx.master);
  await whileVisited(`${nginx.url}small`, async () => {
    nginx.started.signal("SIGHUP");
    await eventually(
      () => workersOf(nginx.master),
      (workers) => workers.length === 2 && workers.every((pid) => !before.includes(pid)),
      "two new workers",
    );
  });
  await fetchesWhole(scope, `${nginx.tlsUrl}large`, nginx.file);
  await nginx.stop();
}

// The new program is executed by the old one, with the listeners and an environment of nginx's own making.
async function upgrades(scope: Scope, shim: Shim): Promise<void> {
  const nginx = await Nginx.start(scope, shim, { daemon: true });
  const old = nginx.master;
  await whileVisited(`${nginx.url}small`, async () => {
    process.kill(old, "SIGUSR2");
    await nginx.successor(old);
    process.kill(old, "SIGQUIT");
    await eventually(
      () => existsSync(`/proc/${old}`),
      (there) => !there,
      "the old nginx to end",
    );
  });
  await fetchesWhole(scope, `${nginx.tlsUrl}large`, nginx.file);
  await nginx.stop();
}

const haproxyConfig = (port: number, rawPort: number, nginx: Nginx): string => `
global
  nbthread 2
defaults
  timeout connect 10s
  timeout client 30s
  timeout server 30s
frontend http
  mode http
  bind 127.0.0.1:${port}
  default_backend files
backend files
  mode http
  option httpchk GET /small
  server nginx 127.0.0.1:${nginx.port} check inter 200ms
listen raw
  mode tcp
  option splice-auto
  bind 127.0.0.1:${rawPort}
  server nginx 127.0.0.1:${nginx.tlsPort}
`;

async function balances(scope: Scope, shim: Shim): Promise<void> {
  const nginx = await Nginx.start(scope, shim);
  const [port, rawPort] = [await freePort(), await freePort()];
  const file = join(temporaryFolder(scope), "haproxy.cfg");
  writeFileSync(file, haproxyConfig(port, rawPort, nginx));
  const haproxy = shim.start(scope, "haproxy", ["-db", "-f", file], {}, "SIGUSR1");
  await haproxy.listens(port);
  const url = `http://127.0.0.1:${port}/`;
  await fetchesWhole(scope, `${url}large`, nginx.file);
  await fetchesWhole(scope, `https://127.0.0.1:${rawPort}/large`, nginx.file);
  const said = await runTool("wrk", ["-t", "1", "-c", "10", "-d", "1s", `${url}small`]);
  assert.doesNotMatch(said.stdout, /Non-2xx|Socket errors/);
  const { accepted } = shim.sums;
  assert.equal(await haproxy.stop(), 0, haproxy.output);
  assert.ok(shim.sums.accepted - accepted >= 12, shim.log);
  await nginx.stop();
}

for (const shim of shims) {
  for (const sendfile of [true, false]) {
    test(`nginx on the ${shim.engine} engine: files, sendfile ${sendfile ? "on" : "off"}`, { skip }, (t) =>
      servesFiles(t, shim, sendfile),
    );
  }

  const tools = unlessInstalled("nginx", "wrk", "h2load");
  test(`nginx on the ${shim.engine} engine: load`, { skip: tools }, (t) => bearsLoad(t, shim));

  test(`nginx on the ${shim.engine} engine: reload`, { skip }, (t) => reloads(t, shim));

  test(`nginx on the ${shim.engine} engine: graceful upgrade`, { skip }, (t) => upgrades(t, shim));

  const pair = unlessInstalled("nginx", "haproxy", "curl", "wrk");
  test(`HAProxy before nginx on the ${shim.engine} engine`, { skip: pair }, (t) => balances(t, shim));
}
