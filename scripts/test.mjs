// SPDX-License-Identifier: Apache-2.0
// npm test: every check there is, in named stages. The runners' own summary lines stay in the output.
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { Failure, main, note } from "./lib/log.mjs";
import { buildNative } from "./lib/native.mjs";
import { findProgram, pinnedNode, root } from "./lib/paths.mjs";
import { buildRelease, environment, preparePackages } from "./lib/prepare.mjs";
import { capture, run } from "./lib/process.mjs";
import { runStages } from "./lib/stages.mjs";
import { ensureBrowser, ensureClang, ensurePromtool, ensureSystemPackages } from "./lib/system_packages.mjs";

const kHelp = `npm test [-- OPTION...]

Runs all stages and fails if one of them does. System packages, npm packages and builds come as needed.

  --only A,B         run these stages only
  --skip A,B         leave these out
  --filter TEXT      run only test files (unit, e2e, offload) whose path contains TEXT
  --fuzz-seconds N   time for each fuzz target (default 30)
  --help             this text

Stages
`;

const kSanitizerOptions = {
  ASAN_OPTIONS: "detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1",
  UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1",
  TSAN_OPTIONS: `halt_on_error=1:second_deadlock_stack=1:suppressions=${join(root, "native/test/tsan.supp")}`,
};
const kSanitizerTest = "test/e2e/sanitizer.test.ts";
const kTestTimeoutMs = 300_000;
const kFuzzMemoryMb = 2048;
const kFuzzOutputBytes = 64 * 1024 * 1024;

/** Runs a command with its output on ours; fails if it does. */
function check(command, args, env = {}) {
  run(command, args, { cwd: root, stdio: "inherit", env: { ...environment(), ...env } });
}

function testFiles(under, { filter }) {
  const found = readdirSync(join(root, "test"), { recursive: true }).map((path) => join("test", path));
  return found
    .filter((path) => path.endsWith(".test.ts") && under(path) && path.includes(filter ?? ""))
    .sort();
}

// On the device engine these would say nothing new: they bring a device of their own, or count the kernel's calls.
const kKernelOnly = ["sanitizer", "soak", "device"].map((name) => `test/e2e/${name}.test.ts`);

async function nodeTests(files, env) {
  if (files.length === 0) return note("no test file matches");
  await buildRelease();
  check(pinnedNode, ["--test", `--test-timeout=${kTestTimeoutMs}`, ...files], env);
}

/** TSan cannot map its shadow where the kernel randomises too much; setarch -R turns that off, if it may. */
function withoutRandomisation(command, args) {
  return capture("setarch", ["-R", "true"]).status === 0
    ? ["setarch", ["-R", command, ...args]]
    : [command, args];
}

async function sanitizerStage(preset) {
  const dir = await buildNative(preset, ["native-tests", "dataplane-runner"]);
  check(...withoutRandomisation(join(dir, "native-tests"), ["--gtest_brief=1"]), kSanitizerOptions);
  if (!existsSync(join(root, kSanitizerTest))) return;
  const env = { ...kSanitizerOptions, MANGO_DATAPLANE_RUNNER: join(dir, "dataplane-runner") };
  check(
    ...withoutRandomisation(pinnedNode, ["--test", `--test-timeout=${kTestTimeoutMs}`, kSanitizerTest]),
    env,
  );
}

async function fuzzStage(secondsEach) {
  const compiler = findProgram(`clang++-${ensureClang(["fuzz"])}`);
  const dir = await buildNative("fuzz", ["fuzz"], { CMAKE_CXX_COMPILER: compiler });
  const sources = readdirSync(join(root, "native/fuzz")).filter((file) => file.endsWith(".cpp"));
  for (const target of sources.map((file) => basename(file, ".cpp"))) fuzz(dir, target, secondsEach);
}

/** New inputs go to build/fuzz/corpus and are used by the next run; the committed corpus is only read. */
function fuzz(dir, target, secondsEach) {
  const [seeds, found, crashes] = [
    join(root, "native/fuzz/corpus", target),
    join(dir, "corpus", target),
    join(dir, "crashes"),
  ];
  for (const folder of [found, crashes]) mkdirSync(folder, { recursive: true });
  const dictionary = join(root, "native/fuzz", `${target}.dict`);
  const options = [
    `-max_total_time=${secondsEach}`,
    "-timeout=10",
    `-rss_limit_mb=${kFuzzMemoryMb}`,
    "-print_final_stats=1",
    "-verbosity=0",
  ];
  if (existsSync(dictionary)) options.push(`-dict=${dictionary}`);
  note(`fuzz-${target}, ${secondsEach} s; a failing input is kept in ${crashes}`);
  const args = [...options, `-artifact_prefix=${crashes}/${target}-`, found, ...[seeds].filter(existsSync)];
  const env = { ...environment(), ...kSanitizerOptions };
  const { status, output } = capture(join(dir, `fuzz-${target}`), args, { env, maxBuffer: kFuzzOutputBytes });
  // libFuzzer has much to say; what counts is the report of a failure, else the figures.
  const figures = output.split("\n").filter((line) => line.startsWith("stat::"));
  process.stdout.write(`${status === 0 ? figures.join("\n") : output}\n`);
  if (status !== 0) throw new Failure(`fuzz-${target} failed (exit status ${status})`);
}

function allStages(options) {
  const isEndToEnd = (path) => path.startsWith("test/e2e/");
  const isOffload = (path) => /^test\/(ipc|toed|shim)\//.test(path);
  const script = (name, ...args) => check(process.execPath, [join(root, "scripts", name), ...args]);
  return [
    { name: "lint", what: "format and lint rules of both languages", body: () => script("lint.mjs") },
    { name: "types", what: "TypeScript's types", body: () => script("lint.mjs", "types") },
    { name: "build", what: "the addon, libmango and everything beside it", body: buildRelease },
    {
      name: "unit",
      what: "control plane, file by file",
      body: () => nodeTests(testFiles((path) => !isEndToEnd(path) && !isOffload(path), options)),
    },
    {
      name: "e2e",
      what: "the proxy with real clients and real upstreams",
      body: () => nodeTests(testFiles((path) => isEndToEnd(path) && path !== kSanitizerTest, options)),
    },
    {
      name: "device",
      what: "the same on the device engine",
      body: () =>
        nodeTests(
          testFiles((path) => isEndToEnd(path) && !kKernelOnly.includes(path), options),
          { MANGO_EDGE_ENGINE: "device" },
        ),
    },
    {
      name: "offload",
      what: "mango-toed, its channel, and unmodified programs under the shim",
      body: () => nodeTests(testFiles(isOffload, options)),
    },
    {
      name: "asan",
      what: "native tests and traffic under ASan and UBSan",
      body: () => sanitizerStage("asan"),
    },
    { name: "tsan", what: "native tests and traffic under TSan", body: () => sanitizerStage("tsan") },
    {
      name: "fuzz",
      what: "libFuzzer on every parser",
      body: () => fuzzStage(Number(options["fuzz-seconds"])),
    },
  ];
}

function select(stages, { only, skip }) {
  const names = (list) => (list ?? "").split(",").filter((name) => name !== "");
  const unknown = [...names(only), ...names(skip)].find(
    (name) => !stages.some((stage) => stage.name === name),
  );
  if (unknown !== undefined) throw new Failure(`there is no stage "${unknown}"; see npm test -- --help`, 2);
  return stages.filter(
    ({ name }) => (only === undefined || names(only).includes(name)) && !names(skip).includes(name),
  );
}

/** What only some stages need; asked for before the first one runs, not half an hour later. */
function ensureTools(selected) {
  if (selected.has("lint")) ensureClang(["format"]);
  if (selected.has("fuzz")) ensureClang(["fuzz"]);
  if (["unit", "e2e", "device"].some((name) => selected.has(name))) ensurePromtool();
  if (selected.has("offload")) ensureSystemPackages("offload");
  if (!selected.has("e2e") && !selected.has("device")) return;
  ensureSystemPackages("e2e");
  ensureBrowser();
}

function readOptions() {
  const text = { type: "string" };
  const options = {
    only: text,
    skip: text,
    filter: text,
    "fuzz-seconds": { ...text, default: "30" },
    help: { type: "boolean", short: "h" },
  };
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw new Failure(`${error.message}\nSee npm test -- --help`, 2);
  }
}

await main(async () => {
  const options = readOptions();
  const stages = allStages(options);
  if (options.help) {
    process.stdout.write(kHelp + stages.map(({ name, what }) => `  ${name.padEnd(8)}${what}\n`).join(""));
    return 0;
  }
  const selected = select(stages, options);
  preparePackages("test");
  ensureTools(new Set(selected.map(({ name }) => name)));
  return runStages(selected);
});
