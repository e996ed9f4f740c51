// SPDX-License-Identifier: Apache-2.0
// The command line: help, mistakes, exit codes. Nothing here runs a device.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "../support/scope.ts";
import { runTool } from "../support/tools.ts";
import { program } from "./daemon.ts";

const run = (...args: string[]) => runTool(program, args);

test("--help explains commands, options, examples and exit codes", async () => {
  const { status, stdout, stderr } = await run("--help");
  assert.equal(status, 0);
  assert.equal(stderr, "");
  for (const word of [
    "status",
    "get FIELD",
    "set FIELD VALUE",
    "--veth",
    "Examples:",
    "Exit codes:",
    "SIGHUP",
  ])
    assert.ok(stdout.includes(word), word);
  const tooLong = stdout.split("\n").filter((line) => line.length > 120);
  assert.deepEqual(tooLong, []);
  assert.equal((await run("status", "-h")).stdout, stdout);
  assert.equal((await run("help")).stdout, stdout);
});

test("version is the library's", async () => {
  const { stdout, status } = await run("version");
  assert.equal(status, 0);
  assert.match(stdout, /^mango-toed \d+\.\d+\.\d+\n$/);
  assert.equal((await run("--version")).stdout, stdout);
});

// What was typed, and what the sentence has to name.
const mistakes: readonly (readonly [line: string, about: RegExp])[] = [
  ["--nope", /no option --nope/],
  ["foo", /"foo" is no command/],
  ["run extra", /"extra"/],
  ["--ipc", /--ipc needs a value/],
  ["--ipc=", /--ipc wants/],
  ["--ipc a:1 --ipc a:1", /twice/],
  ["--devices 0", /--devices wants a number from 1 to 64/],
  ["--devices 65", /--devices wants/],
  ["--devices 1x", /--devices wants/],
  ["--netns a,b --devices 3", /--netns is given 2 times for 3 devices/],
  ["--netns ../x", /--netns wants/],
  ["--netns a,", /--netns wants/],
  ["--netns a --veth b,10.0.0.2/24", /exclude each other/],
  ["--ip 10.0.0.2/24 --veth b,10.0.0.2/24", /exclude each other/],
  ["--veth b", /--veth wants NAME,ADDRESS\/PREFIX/],
  ["--veth b,10.0.0.2", /--veth wants/],
  ["--veth b,10.0.0.2/33", /--veth wants/],
  ["--veth b,10.0.0.2/24,10.0.1.1", /--veth wants/],
  ["--veth b,10.0.0.2/24,10.0.0.2", /--veth wants/],
  ["--veth thirteenchars,10.0.0.2/24", /12 characters/],
  ["--veth -b,10.0.0.2/24", /--veth wants/],
  ["--ip 10.0.0.2", /--ip wants/],
  ["--ip 10.0.0/8", /--ip wants/],
  ["--mac 01:00:00:00:00:01", /--mac wants/],
  ["--mac 00:00:00:00:00:00", /--mac wants/],
  ["--mac 02-00-00-00-00-01", /--mac wants/],
  ["--rx-buffer 3000", /--rx-buffer wants a power of two/],
  ["--tx-buffer 32MiB", /--tx-buffer wants a power of two/],
  ["--tx-buffer 99999999999999999999", /--tx-buffer wants/],
  ["--max-sessions 0", /--max-sessions wants/],
  ["--spin -1", /--spin wants/],
  ["--access me", /--access wants owner, group:NAME or all/],
  ["--access group:", /--access wants/],
  ["--log xml", /--log wants json or text/],
  ["--json", /`mango-toed run` has no option --json/],
  ["status --devices 2", /`mango-toed status` has no option --devices/],
  ["status --json=yes", /--json takes no value/],
  ["status --ipc a:1 --ipc b:1", /one --ipc is enough/],
  ["get", /mango-toed get FIELD/],
  ["set a", /mango-toed set FIELD VALUE/],
  ["set a b c", /mango-toed set FIELD VALUE/],
  ["health --device 64", /--device wants/],
];
test("a mistake is exit code 2 and one sentence that names it", async () => {
  for (const [line, about] of mistakes) {
    const { status, stdout, stderr } = await run(...line.split(" "));
    assert.equal(status, 2, line);
    assert.equal(stdout, "", line);
    assert.match(stderr, about, line);
    assert.match(stderr, /^mango-toed: [^\n]*\n$/, line);
  }
});

test("nobody answers: exit code 5, and 1 for health, which knows two answers", async () => {
  const ipc = ["--ipc", "127.0.0.1:1"];
  for (const command of [["status"], ["get", "device.state"], ["set", "session.max", "1"], ["reset"]]) {
    const { status, stderr } = await run(...command, ...ipc);
    assert.equal(status, 5, command.join(" "));
    assert.match(stderr, /no mango-toed answers on 127\.0\.0\.1:1/);
  }
  assert.equal((await run("health", ...ipc)).status, 1);
});

test("an address that is none is exit code 2", async () => {
  for (const ipc of ["localhost:99999", ":80", "iceoryx:", "[::1"]) {
    for (const args of [["run"], ["status"]]) {
      const { status, stderr } = await run(...args, "--ipc", ipc);
      assert.equal(status, 2, stderr);
      assert.match(stderr, /HOST:PORT or iceoryx:NAME/);
    }
  }
});

test("an address of another machine is exit code 3", async () => {
  const { status, stderr } = await run("--ipc", "192.0.2.1:0");
  assert.equal(status, 3, stderr);
  assert.match(stderr, /no address of this machine/);
});

test("a network namespace that is not there is exit code 6", async () => {
  const { status, stderr } = await run("--ipc", "127.0.0.1:0", "--netns", "there-is-none");
  assert.equal(status, 6, stderr);
  assert.match(stderr, /no network namespace there-is-none/);
});

test("the README's exit codes are those of --help", async () => {
  const { stdout } = await run("--help");
  const codes = [...stdout.matchAll(/^ {2}(\d) {2}/gm)].map(([, code]) => code);
  const readme = readFileSync(join(repositoryRoot, "README.md"), "utf8");
  const [, listed = ""] = /\*\*Exit codes of mango-toed\*\*:([\s\S]*?)\n\n/.exec(readme) ?? [];
  assert.deepEqual(
    [...listed.matchAll(/`(\d)`/g)].map(([, code]) => code),
    codes,
  );
});
