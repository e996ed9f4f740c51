// SPDX-License-Identifier: Apache-2.0
// The import rules of ARCHITECTURE.md, read from the sources.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "../..");

interface Source {
  readonly path: string;
  readonly code: string;
}

function sourcesIn(folder: string, ending: RegExp): Source[] {
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && ending.test(entry.name));
  return files.map(({ parentPath, name }) => {
    const file = join(parentPath, name);
    return { path: relative(root, file), code: withoutComments(readFileSync(file, "utf8")) };
  });
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$|\s\/\/ .*$/gm, "");
}

const native = (...folders: string[]): Source[] =>
  folders.flatMap((folder) => sourcesIn(`native/${folder}`, /\.(h|cpp)$/));

function offenders(sources: readonly Source[], pattern: RegExp): string[] {
  return sources.filter(({ code }) => pattern.test(code)).map(({ path }) => path);
}

// What a folder of native/ may include of the others; itself and the standard library always.
const kMayInclude: Readonly<Record<string, readonly string[]>> = {
  mango: [],
  net: [],
  http: [],
  config: ["http"],
  tls: ["config", "net"],
  proxy: ["net", "http", "tls", "config"],
};

for (const [folder, allowed] of Object.entries(kMayInclude)) {
  test(`native/${folder} includes ${allowed.join(", ") || "nothing of the others"}`, () => {
    const forbidden = ["binding", "runner", ...Object.keys(kMayInclude)].filter(
      (other) => other !== folder && !allowed.includes(other),
    );
    assert.deepEqual(offenders(native(folder), new RegExp(`#include "(${forbidden.join("|")})/`)), []);
  });
}

test("nothing above native/net names a mango_* function or makes a socket call", () => {
  const above = native("http", "tls", "config", "proxy", "binding");
  assert.deepEqual(offenders(above, /\bmango_\w+\s*\(|libmango\.h/), []);
  assert.deepEqual(
    offenders(above, /(?<![\w>])::(socket|recv|send|accept4?|connect|bind|listen|setsockopt)\(/),
    [],
  );
});

test("native/http does no I/O", () => {
  assert.deepEqual(
    offenders(native("http"), /#include <(sys\/socket|unistd|sys\/uio|fcntl|cstdio|fstream|iostream)/),
    [],
  );
});

test("only native/binding includes Node-API", () => {
  const others = native("include", "mango", "net", "http", "tls", "config", "proxy", "runner");
  assert.deepEqual(offenders(others, /#include [<"](napi|node_api|node|uv|v8)/), []);
});

test("only src/proxy imports the addon", () => {
  const others = sourcesIn("src", /\.ts$/).filter(({ path }) => !path.startsWith("src/proxy/"));
  assert.deepEqual(offenders(others, /native\/binding|\.node["'`]/), []);
});
