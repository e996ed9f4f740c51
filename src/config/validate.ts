// SPDX-License-Identifier: Apache-2.0
// Checks the shape of a file against the schema and says in words what was expected. Ajv reports every branch of
// an anyOf that failed; a person meant one of them, so only the branch of the value's own kind is kept.
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import type { Path } from "./errors.ts";
import type { Reporter } from "./reporter.ts";
import { inputSchema } from "./schema/derive.ts";
import { Root } from "./schema/root.ts";
import { nearest } from "./suggest.ts";

const NOT_YET = "is not supported yet";

/** Shows a value in a message, unless it must stay secret. */
export type Show = (path: Path, value: unknown) => string;

let compiled: ValidateFunction | undefined;

// Compiled on first use: the CLI should not pay for it to print its version.
function validator(): ValidateFunction {
  if (compiled !== undefined) return compiled;
  const ajv = new Ajv({
    allErrors: true,
    verbose: true,
    strict: true,
    allowUnionTypes: true,
    strictTypes: false,
    strictRequired: false,
  });
  ajv.addVocabulary(["errorMessage", "notYet"]);
  compiled = ajv.compile(inputSchema(Root));
  return compiled;
}

export function validateShape(value: unknown, reporter: Reporter, show: Show): boolean {
  const validate = validator();
  if (validate(value)) return true;
  for (const error of meaningful(validate.errors ?? [])) report(error, value, reporter, show);
  return false;
}

type Schema = {
  readonly properties?: Record<string, unknown>;
  readonly patternProperties?: Record<string, unknown>;
  readonly notYet?: readonly string[];
  readonly errorMessage?: string;
  readonly enum?: readonly (string | number)[];
  readonly anyOf?: readonly { readonly type?: string; readonly enum?: readonly unknown[] }[];
};

function meaningful(errors: readonly ErrorObject[]): ErrorObject[] {
  let kept = [...errors];
  for (const union of errors.filter((error) => error.keyword === "anyOf")) {
    const branch = branchOf(union);
    const inside = (error: ErrorObject) =>
      error.schemaPath.startsWith(`${union.schemaPath}/`) &&
      error.instancePath.startsWith(union.instancePath);
    kept = kept.filter((error) => {
      if (error === union) return branch === undefined;
      return (
        !inside(error) ||
        (branch !== undefined && error.schemaPath.startsWith(`${union.schemaPath}/${branch}/`))
      );
    });
  }
  return kept;
}

// A scalar that is wrong in every scalar branch gets the union's own message.
function branchOf(union: ErrorObject): number | undefined {
  const data: unknown = union.data;
  const branches = (union.parentSchema as Schema | undefined)?.anyOf ?? [];
  const kind = typeof data === "object" && data !== null ? "object" : typeof data;
  const fitting = branches.flatMap((branch, index) => {
    const type = branch.type ?? (branch.enum === undefined ? "" : "string");
    return type === kind ? [index] : [];
  });
  if (fitting.length !== 1) return undefined;
  return kind === "object" ||
    branches.every((branch) => branch.type === undefined || branch.type === "object")
    ? fitting[0]
    : undefined;
}

function report(error: ErrorObject, root: unknown, reporter: Reporter, show: Show): void {
  const path = pathOf(error.instancePath, root);
  const schema = (error.parentSchema ?? {}) as Schema;
  if (error.keyword === "additionalProperties") {
    reportKey([...path, String(error.params["additionalProperty"])], schema, reporter);
  } else if (error.keyword === "required") {
    reportMissing(path, String(error.params["missingProperty"]), schema, reporter);
  } else {
    reportValue(error, path, schema, reporter, show);
  }
}

function reportKey(path: Path, schema: Schema, reporter: Reporter): void {
  const key = String(path.at(-1));
  if (schema.notYet?.includes(key)) return reporter.error(path, `${quoted(key)} ${NOT_YET}`, { at: "key" });
  if (schema.patternProperties !== undefined) {
    return reporter.error(
      path,
      `bad name ${quoted(key)}: expected 1 to 63 letters, digits and . _ -, starting with a letter or digit`,
      { at: "key" },
    );
  }
  const known = Object.keys(schema.properties ?? {});
  const suggestion = nearest(key, known);
  const expected = suggestion === undefined ? `; expected ${known.join(", ")}` : "";
  reporter.error(path, `unknown key ${quoted(key)}${expected}`, { at: "key", suggestion });
}

function reportMissing(path: Path, key: string, schema: Schema, reporter: Reporter): void {
  const description = (schema.properties?.[key] as { description?: string } | undefined)?.description;
  const what = description === undefined ? "" : `: ${description}`;
  reporter.error([...path, key], `missing key ${quoted(key)}${what}`, { at: "key" });
}

function reportValue(error: ErrorObject, path: Path, schema: Schema, reporter: Reporter, show: Show): void {
  const value: unknown = error.data;
  if (typeof value === "string" && schema.notYet?.includes(value))
    return reporter.error(path, `${value} ${NOT_YET}; ${schema.errorMessage ?? ""}`);
  const expected = schema.errorMessage ?? expectation(error);
  reporter.error(path, `${expected}, got ${show(path, value)}`, { suggestion: correction(error, schema) });
}

function expectation(error: ErrorObject): string {
  if (error.keyword !== "type") return `value ${error.message ?? "is wrong"}`;
  const type = String(error.params["type"]);
  return type === "object"
    ? "expected a map of keys"
    : type === "array"
      ? "expected a list"
      : `expected a ${type}`;
}

function correction(error: ErrorObject, schema: Schema): string | undefined {
  const value: unknown = error.data;
  if (typeof value === "number" && error.params["type"] === "string") return JSON.stringify(String(value));
  if (typeof value !== "string") return undefined;
  const fromUnion = schema.anyOf?.flatMap((branch) => branch.enum ?? []) ?? [];
  const words = schema.enum ?? fromUnion;
  if (error.params["type"] === "boolean")
    return /^(yes|on)$/i.test(value)
      ? "true"
      : /^(no|off)$/i.test(value)
        ? "false"
        : nearest(value, ["true", "false"]);
  return nearest(value, words.map(String));
}

function pathOf(pointer: string, root: unknown): Path {
  let here = root;
  return pointer
    .split("/")
    .slice(1)
    .map((raw) => {
      const step = raw.replaceAll("~1", "/").replaceAll("~0", "~");
      const isIndex = Array.isArray(here);
      here = (here as Record<string, unknown> | null)?.[step];
      return isIndex ? Number(step) : step;
    });
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
