// SPDX-License-Identifier: Apache-2.0
// The documents keep what they promise: the configuration loads, the tables are the code's, the links lead somewhere.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadConfig } from "../../src/config/index.ts";
import { exitCodes } from "../../src/proxy/errors.ts";
import { CertificateAuthority } from "../support/certificates.ts";

const root = join(import.meta.dirname, "../..");
const read = (name: string): string => readFileSync(join(root, name), "utf8");
const readme = read("README.md");

test("the configuration in the README loads as it is printed", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "readme-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const authority = new CertificateAuthority(folder);
  for (const [name, host] of [
    ["shop", "shop.example.org"],
    ["wildcard", "*.example.org"],
  ] as const) {
    const { cert, key } = authority.issue(name, [host]);
    writeFileSync(join(folder, `${name}.pem`), cert);
    writeFileSync(join(folder, `${name}.key`), key, { mode: 0o600 });
  }
  const [, yaml = ""] = /```yaml\n([\s\S]*?)```/.exec(readme) ?? [];
  assert.notEqual(yaml, "");
  writeFileSync(join(folder, "edge.yaml"), yaml);

  await assert.doesNotReject(loadConfig(join(folder, "edge.yaml"), {}));
});

test("the settings in the README's table are those of the schema", () => {
  const rows = [...readme.matchAll(/^\| `((?:listeners|upstreams)\.\*[\w.*]*)` \|(.*)\|$/gm)];
  assert.ok(rows.length > 10);
  for (const [, path = "", text = ""] of rows) {
    const setting = schemaAt(path.split("."));
    assert.ok(setting, path);
    const inner = Object.keys(setting.properties ?? {});
    const named = [...text.matchAll(/`(\w+)`[,:]/g)].map(([, word]) => word ?? "");
    if (inner.length > 0)
      assert.deepEqual(
        named.filter((word) => !inner.includes(word)),
        [],
        path,
      );
  }
});

interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
}

function schemaAt(path: readonly string[]): SchemaNode | undefined {
  return path.reduce<SchemaNode | undefined>(
    (node, step) => {
      if (step === "*") return Object.values(node?.patternProperties ?? {})[0];
      return node?.properties?.[step];
    },
    JSON.parse(read("config/schema.json")) as SchemaNode,
  );
}

test("the README lists every exit code", () => {
  const listed = [...readme.matchAll(/^\| (\d+) \| /gm)].map(([, code]) => Number(code));
  const documented = exitCodes.map(([code]) => code);
  assert.deepEqual(listed, documented);
});

for (const name of ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]) {
  test(`${name}: its links lead to files that are there`, () => {
    const links = [...read(name).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target]) => target ?? "");
    const dead = links.filter((target) => !existsSync(join(root, target)));
    assert.deepEqual(dead, []);
  });
}

test("ARCHITECTURE.md: the folders of its code map are there", () => {
  const named = [
    ...read("ARCHITECTURE.md").matchAll(/^\| `((?:native|src|test|loadtest|scripts|config)[\w/]*)`/gm),
  ];
  assert.ok(named.length > 10);
  const missing = named.map(([, path]) => path ?? "").filter((path) => !existsSync(join(root, path)));
  assert.deepEqual(missing, []);
});
