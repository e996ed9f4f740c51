// SPDX-License-Identifier: Apache-2.0
// mango-run itself: its options, its exit statuses, what it tells the program, and a device that is not there.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { mappedFiles } from "../support/process_facts.ts";
import { temporaryFolder } from "../support/scope.ts";
import { runTool } from "../support/tools.ts";
import { Toed } from "../toed/daemon.ts";
import { findProgram, mangoRun, type Shim, Started, shims, unlessInstalled } from "./shim.ts";

const python = "python3";
const [, device] = shims as readonly [Shim, Shim];
const skip = unlessInstalled(python);
const asPython = (program: string): string[] => [findProgram(python) ?? python, "-c", program];

test("help tells everything on standard output", async () => {
  const { status, stdout } = await runTool(mangoRun, ["--help"]);
  assert.equal(status, 0);
  for (const word of ["--engine", "--ipc", "--device", "--log", "MANGO_ENGINE", "125"])
    assert.ok(stdout.includes(word));
});

test("exit statuses are those of env(1)", async () => {
  assert.equal((await runTool(mangoRun, ["sh", "-c", "exit 7"])).status, 7);
  assert.equal((await runTool(mangoRun, ["/no/such/program"])).status, 127);
  assert.equal((await runTool(mangoRun, ["/etc/passwd"])).status, 126);
  assert.equal((await runTool(mangoRun, [])).status, 125);
  assert.equal((await runTool(mangoRun, ["--nonsense", "true"])).status, 125);
  assert.equal((await runTool(mangoRun, ["--engine", "steam", "true"])).status, 125);
  assert.equal((await runTool(mangoRun, ["--device", "x", "true"])).status, 125);
});

// The note that Go's linker leaves in its programs.
const goNote =
  '__asm__(".pushsection .note.go.buildid,\\"a\\",@note; .long 4, 4, 4; .asciz \\"Go\\\\0\\"; .long 1; .popsection");';

for (const { kind, flags, code, mode, says } of [
  { kind: "an ordinary program", flags: [] },
  { kind: "a static program", flags: ["-static"], says: /is statically linked/ },
  {
    kind: "a static program that can be placed anywhere",
    flags: ["-static-pie"],
    says: /is statically linked/,
  },
  { kind: "a Go program", flags: [], code: goNote, says: /is a Go program/ },
  { kind: "a program of another user", flags: [], mode: 0o6755, says: /runs as another user/ },
]) {
  const skip = mode !== undefined && process.getuid?.() !== 0 ? "only root can make one" : false;
  test(`${kind} runs, ${says === undefined ? "without" : "with"} a warning`, { skip }, async (t) => {
    const program = join(temporaryFolder(t), "program");
    writeFileSync(`${program}.c`, `${code ?? ""}\nint main(void) { return 7; }\n`);
    execFileSync("cc", [...flags, `${program}.c`, "-o", program]);
    if (mode !== undefined) chownSync(program, 65_534, 65_534);
    if (mode !== undefined) chmodSync(program, mode);
    const { status, stderr } = await runTool(mangoRun, [program]);
    assert.equal(status, 7);
    assert.match(stderr.trim(), says ?? /^$/);
  });
}

test("options after the program are the program's", async () => {
  const { stdout } = await runTool(mangoRun, ["echo", "--engine", "-v"]);
  assert.equal(stdout, "--engine -v\n");
});

test("what was preloaded already stays, behind the library", async () => {
  const [variable = "", other = ""] = ["LD_PRELOAD", "libdl.so.2"];
  const { stdout } = await runTool("env", [
    `${variable}=${other}`,
    mangoRun,
    "sh",
    "-c",
    `echo $${variable}`,
  ]);
  assert.match(stdout, /libmango-preload\.so:libdl\.so\.2$/m);
});

test("the library brings no OpenSSL and no C++ library", { skip }, async (t) => {
  const [runner = "", ...args] = device.command(python, ["-c", "print('up', flush=True); input()"]);
  const started = new Started(t, ["sh", "-c", `sleep 60 | "$@"`, "sh", runner, ...args], {}, "SIGTERM");
  await started.stdout.wait("up");
  const children = readFileSync(`/proc/${started.pid}/task/${started.pid}/children`, "utf8")
    .trim()
    .split(" ");
  const found = children.map((pid) => mappedFiles(Number(pid), /./));
  const maps = found.find((paths) => paths.some((path) => path.includes("libmango-preload"))) ?? [];
  assert.notEqual(maps.length, 0);
  assert.deepEqual(
    maps.filter((path) => /libssl|libcrypto|libstdc\+\+|nghttp2|grpc/.test(path)),
    [],
  );
});

test("a device that is not there is one sentence and status 125", async () => {
  const { status, stdout, stderr } = await runTool(mangoRun, [
    ...["--engine", "device", "--ipc", "127.0.0.1:1"],
    ...["echo", "never"],
  ]);
  assert.equal(status, 125);
  assert.equal(stdout, "");
  assert.match(stderr, /^mango-run: device 0 at 127\.0\.0\.1:1: .+\n$/);
});

test("a device number that is not served is refused, too", async (t) => {
  const toed = await Toed.start(t);
  const options = ["--engine", "device", "--ipc", toed.address, "--device", "7"];
  const { status, stderr } = await runTool(mangoRun, [...options, "true"]);
  assert.equal(status, 125);
  assert.match(stderr, /device 7/);
});

// As in a program whose device was stopped between mango-run and its first socket.
test("without the device sockets fail with ENETDOWN, and one line says why", { skip }, async () => {
  const library = join(mangoRun, "../libmango-preload.so");
  const program = `
import socket, errno
for _ in range(2):
    try: socket.socket()
    except OSError as error: print(errno.errorcode[error.errno])
print(socket.socket(socket.AF_UNIX).family.name)`;
  const settings = [`LD_PRELOAD=${library}`, "MANGO_ENGINE=device", "MANGO_IPC=127.0.0.1:1"];
  const { stdout, stderr } = await runTool("env", [...settings, ...asPython(program)]);
  assert.equal(stdout, "ENETDOWN\nENETDOWN\nAF_UNIX\n");
  assert.equal(stderr.trim().split("\n").length, 1, stderr);
  assert.match(stderr, /device 0 at 127\.0\.0\.1:1/);
});

test("a device that goes is ECONNRESET where octets move, and ENETDOWN elsewhere", { skip }, async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, "sessions.py");
  writeFileSync(
    file,
    `
import socket, errno, select, sys
def name(call):
    try: call(); return "fine"
    except OSError as error: return errno.errorcode.get(error.errno, str(error.errno))
listener = socket.create_server(("127.0.0.1", 0))
one = socket.create_connection(listener.getsockname())
other, _ = listener.accept()
print("connected", flush=True)
poll = select.poll()
poll.register(one, select.POLLIN)
poll.poll()
print(name(lambda: one.recv(1)), name(listener.accept), name(socket.socket), flush=True)
`,
  );
  const toed = await Toed.start(t);
  const options = ["--engine", "device", "--ipc", toed.address];
  const started = new Started(t, [mangoRun, ...options, findProgram(python) ?? "", file], {}, "SIGTERM");
  await started.stdout.wait("connected");
  await toed.kill();
  await started.stdout.wait("ECONNRESET ENETDOWN ENETDOWN");
  assert.equal(await started.ended(), 0);
});

test("environment variables do what options do", { skip }, async () => {
  const { stdout } = await runTool("env", [
    "MANGO_ENGINE=kernel",
    "MANGO_LOG=-",
    ...device.command("sh", ["-c", "echo $MANGO_ENGINE $MANGO_DEVICE"]),
  ]);
  assert.equal(stdout, "device 0\n");
  const verbose = await runTool("env", [
    "MANGO_LOG=-",
    mangoRun,
    ...asPython("import socket; socket.socket()"),
  ]);
  assert.match(verbose.stderr, /engine kernel/);
  assert.match(verbose.stderr, /opened 1, accepted 0/);
});
