// SPDX-License-Identifier: Apache-2.0
// The published JSON Schema is what the code says. After a change of the schema, write it anew with
//   MANGO_WRITE_SCHEMA=1 npm test
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { publishedSchema } from "../../src/config/schema/derive.ts";
import { Root } from "../../src/config/schema/root.ts";

const FOLDER = join(import.meta.dirname, "../../config");
const FILE = join(FOLDER, "schema.json");

test("config/schema.json is current", () => {
  const current = `${JSON.stringify(publishedSchema(Root), null, 2)}\n`;
  if (process.env["MANGO_WRITE_SCHEMA"] !== undefined) writeFileSync(FILE, current);
  assert.equal(readFileSync(FILE, "utf8"), current);
});

test("an editor finds no fault with the examples", () => {
  const ajv = new Ajv({ strict: false, allErrors: true });
  const validate = ajv.compile(JSON.parse(readFileSync(FILE, "utf8")));
  const examples = readdirSync(FOLDER).filter((name) => name.endsWith(".yaml"));
  assert.ok(examples.length > 0);
  for (const name of examples) {
    const text = readFileSync(join(FOLDER, name), "utf8");
    assert.match(text, /^# yaml-language-server: \$schema=\.\/schema\.json\n/);
    assert.ok(validate(parse(text)), `${name}: ${ajv.errorsText(validate.errors)}`);
  }
});

test("an editor sees references to variables as good, and unknown keys as wrong", () => {
  const validate = new Ajv({ strict: false }).compile(JSON.parse(readFileSync(FILE, "utf8")));
  const sound = { listeners: { web: { address: ":0", protocol: "http" } }, routes: [] };
  assert.ok(validate({ ...sound, workers: "${WORKERS:-4}" }));
  assert.ok(!validate({ ...sound, workers: "four" }));
  assert.ok(!validate({ ...sound, wrokers: 4 }));
});

test("everything in the schema is described or says what it expects", () => {
  const silent: string[] = [];
  const visit = (schema: Record<string, unknown>, path: string): void => {
    const properties = (schema["properties"] ?? {}) as Record<string, Record<string, unknown>>;
    for (const [name, property] of Object.entries(properties)) {
      if (property["description"] === undefined && property["errorMessage"] === undefined)
        silent.push(`${path}.${name}`);
      visit(property, `${path}.${name}`);
    }
    for (const inner of Object.values((schema["patternProperties"] ?? {}) as object))
      visit(inner, `${path}.*`);
    if (schema["items"] !== undefined) visit(schema["items"] as Record<string, unknown>, `${path}[]`);
  };
  visit(publishedSchema(Root), "");
  assert.deepEqual(silent, []);
});
