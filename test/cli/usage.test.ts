// SPDX-License-Identifier: Apache-2.0
// The command line without a proxy: help, mistakes of usage, checking files.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { commands } from "../../src/cli/commands.ts";
import { errorTable, exitCodes } from "../../src/proxy/errors.ts";
import { validConfig } from "../admin/harness.ts";
import { command, temporaryFolder } from "./command.ts";

test("--help names every command and every exit code", async (t) => {
  for (const args of [["--help"], ["help"], ["-h"], []]) {
    const { code, stdout, stderr } = await command(t, args);
    assert.equal(code, 0);
    assert.equal(stderr, "");
    for (const name of Object.keys(commands)) assert.match(stdout, new RegExp(`^  ${name} `, "m"));
    for (const [number, meaning] of exitCodes) assert.ok(stdout.includes(`${number}  ${meaning}`));
  }
});

test("every exit code that an error can have is documented", () => {
  const documented = new Set(exitCodes.map(([code]) => code));
  for (const [code, { exit }] of Object.entries(errorTable)) assert.ok(documented.has(exit), code);
});

test("each command has --help with every option and an example", async (t) => {
  for (const [name, { options, examples }] of Object.entries(commands)) {
    const { code, stdout } = await command(t, [name, "--help"]);
    assert.equal(code, 0);
    for (const option of Object.keys(options))
      assert.ok(stdout.includes(`--${option}`), `${name} --${option}`);
    for (const example of examples) assert.ok(stdout.includes(example));
    assert.equal((await command(t, ["help", name])).stdout, stdout);
  }
});

test("wrong usage is one line and exit code 2", async (t) => {
  const mistakes = [
    ["explode"],
    ["run", "--confg", "x"],
    ["run", "extra"],
    ["run", "--config"],
    ["run", "--log-level", "loud"],
    ["validate"],
    ["diff"],
    ["diff", "a", "b"],
    ["sessions", "explode"],
    ["sessions", "close"],
    ["sessions", "close", "--id", "seven"],
    ["sessions", "--older-than", "yesterday"],
    ["sessions", "--admin", "nonsense"],
    ["routes"],
    ["routes", "http://a", "--config", "x", "--admin", "http://b"],
    ["version", "--loud"],
  ];
  for (const args of mistakes) {
    const { code, stdout, stderr } = await command(t, args);
    assert.equal(code, 2, args.join(" "));
    assert.equal(stdout, "");
    assert.match(stderr, /^mango-edge: .+\n$/, args.join(" "));
  }
});

test("version tells ours, Node's, OpenSSL's and the engine's", async (t) => {
  const { code, stdout } = await command(t, ["version", "--json"]);
  assert.equal(code, 0);
  const facts = JSON.parse(stdout) as Record<string, string>;
  assert.deepEqual(Object.keys(facts), ["mango-edge", "node", "openssl", "engine"]);
  assert.equal(facts["node"], process.versions.node);
  assert.match((await command(t, ["--version"])).stdout, /^mango-edge +\d/);
});

test("validate passes a good file and says so", async (t) => {
  const file = join(temporaryFolder(t), "good.yaml");
  writeFileSync(file, validConfig);
  const { code, stdout } = await command(t, ["validate", file]);
  assert.equal(code, 0);
  assert.equal(stdout, `${file}: valid\n`);
});

test("validate names every mistake of every file with its place, and exits with 3", async (t) => {
  const folder = temporaryFolder(t);
  const [good, bad] = [join(folder, "good.yaml"), join(folder, "bad.yaml")];
  writeFileSync(good, validConfig);
  writeFileSync(
    bad,
    validConfig.replace("backendRefs", "backendRef").replace("protocol: http", "protocol: htp"),
  );
  const { code, stdout, stderr } = await command(t, ["validate", good, bad]);
  assert.equal(code, 3);
  assert.equal(stdout, `${good}: valid\n${bad}: not valid\n`);
  const lines = stderr.trimEnd().split("\n");
  assert.ok(lines.length >= 2, stderr);
  for (const line of lines) assert.match(line, /bad\.yaml:\d+:\d+: /);

  const json = await command(t, ["validate", "--json", bad]);
  const [verdict] = JSON.parse(json.stdout) as { valid: boolean; errors: { line: number }[] }[];
  assert.equal(verdict?.valid, false);
  assert.equal(verdict?.errors[0]?.line, 3);
});

test("a certificate that cannot be used has an exit code of its own", async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, "edge.yaml");
  writeFileSync(join(folder, "broken.pem"), "not a certificate");
  writeFileSync(
    file,
    `${validConfig}certificates:\n  shop: {certFile: broken.pem, keyFile: missing.key, hostnames: [shop.example]}\n`,
  );
  const { code, stderr } = await command(t, ["validate", file]);
  assert.equal(code, 5, stderr);
  assert.match(stderr, /edge\.yaml:\d+:\d+: /);
});

test("a proxy that is not there is exit code 6 and one line", async (t) => {
  const admin = ["--admin", "http://127.0.0.1:1"];
  const file = join(temporaryFolder(t), "good.yaml");
  writeFileSync(file, validConfig);
  for (const args of [["reload"], ["sessions"], ["diff", file], ["routes", "http://a/"]]) {
    const { code, stderr } = await command(t, [...args, ...admin]);
    assert.equal(code, 6, stderr);
    assert.match(stderr, /^mango-edge: http:\/\/127\.0\.0\.1:1 cannot be reached .+\n$/);
  }
});

test("a native part that is not built is exit code 7 and says what to do", async (t) => {
  const file = join(temporaryFolder(t), "good.yaml");
  writeFileSync(file, validConfig);
  const { code, stderr } = await command(t, ["run", "--config", file], {
    MANGO_EDGE_ADDON: "/nonexistent.node",
  });
  assert.equal(code, 7);
  assert.match(stderr, /^mango-edge: .*npm run build.*\n$/);
});

test("an addon that is no addon is exit code 7 without a stack", async (t) => {
  const folder = temporaryFolder(t);
  const [file, addon] = [join(folder, "good.yaml"), join(folder, "broken.node")];
  writeFileSync(file, validConfig);
  writeFileSync(addon, "not an ELF file");
  const { code, stderr } = await command(t, ["run", "--config", file], { MANGO_EDGE_ADDON: addon });
  assert.equal(code, 7);
  assert.match(stderr, /^mango-edge: .+\n$/);
});

test("a reader that stops reading is no failure", () => {
  const main = new URL("../../src/cli/main.ts", import.meta.url).pathname;
  const script = `"${process.execPath}" "${main}" --help | head -n 1; exit "\${PIPESTATUS[0]}"`;
  const { status, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
  assert.equal(stderr, "");
  assert.equal(status, 0);
});
