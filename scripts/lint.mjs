// SPDX-License-Identifier: Apache-2.0
// npm run lint | typecheck | format | lint:tidy: the checks that read the sources and run nothing.
import { readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { ensureDependencies } from "./lib/dependencies.mjs";
import { Failure, main, step } from "./lib/log.mjs";
import { configureNative } from "./lib/native.mjs";
import { findProgram, pinnedNode, root } from "./lib/paths.mjs";
import { run } from "./lib/process.mjs";
import { ensureClang, ensureSystemPackages } from "./lib/system_packages.mjs";

const kBiomeScope = ["--config-path=.", "--diagnostic-level=warn", "--max-diagnostics=50"];

function filesIn(folder, pattern) {
  const all = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  return all
    .filter((entry) => entry.isFile() && pattern.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

function biome(...args) {
  run(join(root, "node_modules/.bin/biome"), args, { cwd: root });
}

function clangFormat(...args) {
  const version = ensureClang(["format"]);
  const style = `--style=file:${join(root, "native/.clang-format")}`;
  const sources = ["native", "loadtest"].flatMap((folder) => filesIn(folder, /\.(h|cpp|c)$/));
  run(`clang-format-${version}`, [style, ...args, ...sources]);
}

const kCommands = {
  lint() {
    step("biome: TypeScript and scripts");
    biome("check", "--error-on-warnings", ...kBiomeScope);
    step("clang-format: C++");
    clangFormat("--dry-run", "--Werror");
  },
  types() {
    step("tsc: types");
    run(pinnedNode, [join(root, "node_modules/typescript/bin/tsc"), "--noEmit"], { cwd: root });
  },
  format() {
    biome("check", "--write", ...kBiomeScope);
    clangFormat("-i");
  },
  tidy() {
    ensureSystemPackages("test");
    const version = ensureClang(["tidy", "fuzz"]);
    // clang reads the commands of clang: GCC's would carry flags it does not know.
    const dir = configureNative("fuzz", { CMAKE_CXX_COMPILER: findProgram(`clang++-${version}`) });
    const sources = filesIn("native", /\.cpp$/).filter(
      (path) => !/\/native\/(test|binding|examples)\//.test(path),
    );
    step(`clang-tidy: ${sources.length} files`);
    const jobs = String(availableParallelism());
    run("xargs", ["-P", jobs, "-n", "1", `clang-tidy-${version}`, "--quiet", "-p", dir], {
      input: sources.join("\n"),
      stdio: ["pipe", 2, "ignore"],
    });
  },
};

await main(async () => {
  const name = process.argv[2] ?? "lint";
  const command = kCommands[name];
  if (command === undefined)
    throw new Failure(
      `lint.mjs: unknown command "${name}"; there are ${Object.keys(kCommands).join(", ")}`,
      2,
    );
  ensureDependencies();
  await command();
});
