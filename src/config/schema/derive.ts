// SPDX-License-Identifier: Apache-2.0
// What is made out of the schemas: the form a file is checked against (what has a default may be left out), the
// form inside `defaults` (everything may), and the published JSON Schema (without our private annotations).
import Type, { type TProperties, type TSchema } from "typebox";
import { Section } from "./scalars.ts";

export type JsonSchema = {
  readonly [keyword: string]: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly patternProperties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly default?: unknown;
};

type Rewrite = (schema: Record<string, unknown>) => void;

// Copies a schema, children first, and lets `rewrite` change every copy.
function transform(schema: unknown, rewrite: Rewrite): unknown {
  if (Array.isArray(schema)) return schema.map((each) => transform(each, rewrite));
  if (typeof schema !== "object" || schema === null) return schema;
  const copy: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    copy[key] = key === "default" || key === "enum" ? value : transform(value, rewrite);
  }
  if (isSchema(copy)) rewrite(copy);
  return copy;
}

// `properties` maps names to schemas and is none itself, even where a property is called "type".
function isSchema(value: Record<string, unknown>): boolean {
  return typeof value["type"] === "string" || Array.isArray(value["enum"]) || Array.isArray(value["anyOf"]);
}

function dropDefaulted(schema: Record<string, unknown>): void {
  const properties = schema["properties"] as Record<string, JsonSchema> | undefined;
  const required = schema["required"] as readonly string[] | undefined;
  if (properties === undefined || required === undefined) return;
  const left = required.filter((name) => properties[name]?.default === undefined);
  if (left.length === 0) delete schema["required"];
  else schema["required"] = left;
}

/** The schema of the file as people write it. */
export function inputSchema(schema: TSchema): JsonSchema {
  return transform(schema, dropDefaulted) as JsonSchema;
}

/** The schema for editors: without private annotations, and with ${NAME} allowed where a scalar is narrower than text. */
export function publishedSchema(schema: TSchema): JsonSchema {
  const published = transform(schema, (each) => {
    dropDefaulted(each);
    delete each["notYet"];
    if (isNarrow(each)) allowReference(each);
  }) as JsonSchema;
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "mango-edge configuration",
    ...published,
  };
}

function isNarrow(schema: Record<string, unknown>): boolean {
  const { type } = schema;
  return type === "integer" || type === "boolean" || "enum" in schema || "pattern" in schema;
}

const OUTER = new Set(["description", "default", "errorMessage"]);
const REFERENCE = { type: "string", pattern: "\\$\\{" } as const;

function allowReference(schema: Record<string, unknown>): void {
  const inner = Object.entries(schema).filter(([keyword]) => !OUTER.has(keyword));
  for (const [keyword] of inner) delete schema[keyword];
  schema["anyOf"] = [Object.fromEntries(inner), REFERENCE];
}

/** The same properties with nothing required and nothing filled in: what `defaults` accepts. */
export function inheritable<T extends TProperties>(properties: T, description: string) {
  const bare = transform(properties, (each) => {
    delete each["default"];
    delete each["required"];
  }) as TProperties;
  const optional = Object.fromEntries(
    Object.entries(bare).map(([name, schema]) => [name, Type.Optional(schema as TSchema)]),
  );
  return Section(optional, { description }) as unknown as TSchema;
}
