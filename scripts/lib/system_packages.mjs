// SPDX-License-Identifier: Apache-2.0
// The system packages a purpose needs, told by the files they bring (no dpkg call on the fast path), installed
// with apt when we may, else named in one command to copy. Debian 12 and Ubuntu 24.04.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Failure, note, step } from "./log.mjs";
import { findProgram, root, toolsDir } from "./paths.mjs";
import { capture, run } from "./process.mjs";

// One LLVM for the formatter and the fuzzers: another version formats differently.
const kClangVersions = [16, 18, 17, 19];

const header = (path) => () => existsSync(`/usr/include/${path}`) || existsSync(`/usr/local/include/${path}`);
const kIceoryxHeaders = () => existsSync("/usr/include/iceoryx") || existsSync("/usr/local/include/iceoryx");
const program = (name) => () => findProgram(name) !== undefined;

const kBuild = [
  { name: "cmake", present: program("cmake") },
  { name: "ninja-build", present: program("ninja") },
  { name: "g++", present: program("g++") },
  { name: "libssl-dev", present: header("openssl/ssl.h") },
  { name: "libnghttp2-dev", present: header("nghttp2/nghttp2.h") },
  { name: "libre2-dev", present: header("re2/re2.h") },
  { name: "libgrpc++-dev", present: header("grpcpp/grpcpp.h") },
  { name: "pkg-config", present: program("pkg-config") },
  { name: "nlohmann-json3-dev", present: header("nlohmann/json.hpp") },
  { name: "openssl", present: program("openssl") },
];

const kTest = [
  ...kBuild,
  { name: "libgtest-dev", present: header("gtest/gtest.h") },
  { name: "curl", present: program("curl") },
  { name: "procps", present: program("ps") },
  { name: "libiceoryx-posh-dev", present: kIceoryxHeaders },
  { name: "iceoryx", present: program("iox-roudi") },
];

// Other people's programs, which only the end-to-end tests run.
const kE2e = [{ name: "nghttp2-client", present: program("h2load") }];
const kOffload = [
  ...kE2e,
  { name: "nginx", present: program("nginx") },
  { name: "haproxy", present: program("haproxy") },
  { name: "redis-server", present: program("redis-server") },
  { name: "iperf", present: program("iperf") },
  { name: "iperf3", present: program("iperf3") },
  { name: "iproute2", present: program("ip") },
  { name: "python3", present: program("python3") },
  { name: "wrk", present: program("wrk") },
  { name: "valgrind", present: program("valgrind") },
];
const kBrowser = { name: "chromium", present: program("chromium") };

const kBench = [
  ...kBuild,
  { name: "nginx", present: program("nginx") },
  { name: "haproxy", present: program("haproxy") },
  { name: "wrk", present: program("wrk") },
  { name: "nghttp2-client", present: program("h2load") },
  { name: "strace", present: program("strace") },
  { name: "iperf3", present: program("iperf3") },
  { name: "libiceoryx-posh-dev", present: kIceoryxHeaders },
  { name: "iceoryx", present: program("iox-roudi") },
];

const kPurposes = { run: kBuild, test: kTest, e2e: kE2e, offload: kOffload, bench: kBench, loadtest: kBuild };

/** Makes sure everything for "run", "test", "e2e" and "offload" (beyond "test"), "bench" or "loadtest" is there. */
export function ensureSystemPackages(purpose) {
  const packages = kPurposes[purpose] ?? kBuild;
  const missing = packages.filter((entry) => !entry.present()).map((entry) => entry.name);
  if (missing.length > 0) install(missing);
}

/** Makes sure one LLVM is there for `tools` ("format", "tidy", "fuzz"); answers its version. */
export function ensureClang(tools) {
  const complete = (version) => tools.every((tool) => clangTool(version, tool).present());
  const found = kClangVersions.find(complete);
  if (found !== undefined) return found;
  const version = kClangVersions.find((v) => aptHas(`clang-${v}`)) ?? kClangVersions[0];
  const wanted = tools.map((tool) => clangTool(version, tool)).filter((tool) => !tool.present());
  install(wanted.flatMap((tool) => tool.packages));
  return version;
}

/** Chromium where the distribution has it: not all do. Its tests are skipped, and say so, where it is missing. */
export function ensureBrowser() {
  if (kBrowser.present()) return;
  try {
    install([kBrowser.name]);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    note(`no Chromium, its tests will be skipped: ${error.message}`);
  }
}

/** promtool alone, out of Debian's prometheus package: installing that would start a server. */
export function ensurePromtool() {
  if (findProgram("promtool") !== undefined) return;
  step("fetching promtool");
  mkdirSync(toolsDir, { recursive: true });
  const dir = mkdtempSync(join(tmpdir(), "promtool-"));
  try {
    const download = () => capture("apt-get", ["download", "prometheus"], { cwd: dir });
    if (download().status !== 0) updateLists();
    const answer = readdirSync(dir).length > 0 ? undefined : download();
    const deb = readdirSync(dir).find((file) => file.endsWith(".deb"));
    if (deb === undefined) throw new Failure(`cannot fetch promtool: ${answer?.output.trim()}`, 2);
    run("dpkg-deb", ["-x", join(dir, deb), dir]);
    run("install", ["-m", "755", join(dir, "usr/bin/promtool"), toolsDir]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function clangTool(version, tool) {
  const arch = process.arch === "arm64" ? "aarch64" : "x86_64";
  const runtime = () =>
    [version, `${version}.0.6`, `${version}.0.0`].some((name) =>
      existsSync(`/usr/lib/llvm-${version}/lib/clang/${name}/lib/linux/libclang_rt.fuzzer-${arch}.a`),
    );
  if (tool === "fuzz") {
    return {
      packages: [`clang-${version}`, `libclang-rt-${version}-dev`],
      present: () => program(`clang++-${version}`)() && runtime(),
    };
  }
  const name = `clang-${tool}-${version}`;
  return { packages: [name], present: program(name) };
}

function aptHas(name) {
  return /Candidate: \d/.test(capture("apt-cache", ["policy", name]).output);
}

/** The prefix that makes a command run as root, or undefined. */
function asRoot() {
  if (process.getuid?.() === 0) return [];
  return capture("sudo", ["-n", "true"]).status === 0 ? ["sudo", "-n"] : undefined;
}

// RUNLEVEL=1: a package that brings a server must not start it here.
function apt(prefix, args) {
  const [command, ...rest] = [
    ...prefix,
    "env",
    "DEBIAN_FRONTEND=noninteractive",
    "RUNLEVEL=1",
    "apt-get",
    ...args,
  ];
  run(command, rest, { cwd: root });
}

function updateLists() {
  const prefix = asRoot();
  if (prefix !== undefined) apt(prefix, ["update", "-qq"]);
}

function install(names) {
  const command = `apt-get install -y --no-install-recommends ${names.join(" ")}`;
  if (findProgram("apt-get") === undefined) {
    throw new Failure(
      `These packages (Debian's names) are missing, and there is no apt-get here:\n  ${names.join(" ")}`,
      2,
    );
  }
  const prefix = asRoot();
  if (prefix === undefined) {
    throw new Failure(`System packages are missing. Install them, then try again:\n  sudo ${command}`, 2);
  }
  step(`installing system packages: ${names.join(" ")}`);
  const args = ["install", "-y", "-qq", "--no-install-recommends", ...names];
  try {
    if (!names.every(aptHas)) apt(prefix, ["update", "-qq"]);
    apt(prefix, args);
  } catch (error) {
    note("trying again with fresh package lists");
    apt(prefix, ["update", "-qq"]);
    try {
      apt(prefix, args);
    } catch {
      throw new Failure(`${error.message}\nInstall them by hand, then try again:\n  sudo ${command}`, 2);
    }
  }
}
