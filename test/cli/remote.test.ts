// SPDX-License-Identifier: Apache-2.0
// The commands that talk to a running proxy, against the real admin API.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { type HarnessOptions, startHarness } from "../admin/harness.ts";
import { command } from "./command.ts";

async function proxy(t: Parameters<typeof startHarness>[0], options: HarnessOptions = {}) {
  const harness = await startHarness(t, options);
  const run = (...args: string[]) => command(t, args, { MANGO_EDGE_ADMIN: harness.admin.url });
  return { ...harness, run };
}

test("reload applies the file, or passes its mistakes on with the exit code of a bad file", async (t) => {
  const { run, configFile } = await proxy(t);
  const first = await run("reload");
  assert.deepEqual([first.code, first.stdout], [0, "applied as generation 2\n"]);
  writeFileSync(configFile, readFileSync(configFile, "utf8").replace("protocol: http", "protocol: ftp"));
  const refused = await run("reload");
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /^.+edge\.yaml:3:\d+: .+\n$/);
});

test("diff: 0 without a difference, 9 and the lines with one", async (t) => {
  const { run, configFile } = await proxy(t);
  const same = await run("diff", configFile);
  assert.deepEqual([same.code, same.stdout], [0, "no difference\n"]);
  writeFileSync(configFile, readFileSync(configFile, "utf8").replace("127.0.0.1:9", "127.0.0.1:10"));
  const { code, stdout } = await run("diff", configFile);
  assert.equal(code, 9);
  assert.match(stdout, /127\.0\.0\.1:9/);
  assert.match(stdout, /127\.0\.0\.1:10/);
  assert.ok(Array.isArray(JSON.parse((await run("diff", "--json", configFile)).stdout)));
});

test("sessions are shown as a table or JSON, terminals are safe from what clients sent", async (t) => {
  const { run, controller } = await proxy(t);
  controller.sessions = async () => [
    {
      id: 4,
      worker: 0,
      listener: "web",
      client: "192.0.2.1:5555",
      state: "exchange",
      ageMs: 1234,
      idleMs: 0,
      requests: 3,
      bytesIn: 1,
      bytesOut: 2,
      tlsVersion: "TLSv1.3",
      sni: "shop\u001b[31m.example",
      route: "all",
      upstream: "app",
    },
  ];
  const { code, stdout } = await run("sessions");
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^ID +LISTENER .*\n4 +web +192\.0\.2\.1:5555 +exchange +1\.2s +3 +TLSv1\.3 +shop\?\[31m\.example +all +app\n$/,
  );
  assert.equal((JSON.parse((await run("sessions", "list", "--json")).stdout) as unknown[]).length, 1);
});

test("sessions are ended by selector", async (t) => {
  const { run, plane } = await proxy(t);
  plane.active = 2;
  const { code, stdout } = await run(
    "sessions",
    "abort",
    "--sni",
    "shop.example",
    "--older-than",
    "2h",
    "--client",
    "10.0.0.0/8",
  );
  assert.deepEqual([code, stdout], [0, "2 sessions: abort\n"]);
  assert.deepEqual(plane.calls.at(-1), [
    "act",
    { client: "10.0.0.0/8", sni: "shop.example", olderThanMs: 7_200_000 },
    "abort",
  ]);
});

test("routes asks the running proxy", async (t) => {
  const { run } = await proxy(t);
  const { code, stdout } = await run(
    "routes",
    "--json",
    "-X",
    "POST",
    "-H",
    "X-Env: canary",
    "https://shop.example/",
  );
  assert.equal(code, 0);
  const { asked } = JSON.parse(stdout) as { asked: Record<string, unknown> };
  assert.deepEqual(asked, {
    listener: "",
    method: "POST",
    url: "https://shop.example/",
    headers: [["X-Env", "canary"]],
  });
});

test("a token is taken from the option or the environment; without it the refusal is one line", async (t) => {
  const token = "correct-horse-battery-staple";
  const { run, admin } = await proxy(t, { token });
  const refused = await run("sessions");
  assert.equal(refused.code, 8);
  assert.match(refused.stderr, /^mango-edge: .*Bearer.*\n$/);
  assert.equal((await run("sessions", "--token", token)).code, 0);
  const env = { MANGO_EDGE_ADMIN: admin.url, MANGO_EDGE_ADMIN_TOKEN: token };
  assert.equal((await command(t, ["sessions"], env)).code, 0);
});
