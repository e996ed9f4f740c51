// SPDX-License-Identifier: Apache-2.0
// A YAML file as plain values plus the place of each of them. Own conversion instead of the library's toJS():
// duplicate keys are found in linear time, ${ENV} is put in on the way, and aliases are charged for what they
// expand to, so that a bomb of nested aliases is refused before it is built.
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
  type YAMLMap,
} from "yaml";
import type { Path, Position } from "./errors.ts";
import type { Locator } from "./reporter.ts";
import { type Environment, substitute } from "./substitute.ts";
import { nearest } from "./suggest.ts";
import { type SyntaxProblem, syntaxProblems } from "./syntax.ts";

const MAX_ALIASED_NODES = 100_000;
const MAX_DEPTH = 64;

export interface Problem extends SyntaxProblem {
  readonly path: Path;
}

export class YamlSource implements Locator {
  readonly file: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;
  readonly #targets = new Map<Alias, Node>();
  readonly #substituted = new Set<Scalar>();
  readonly problems: Problem[] = [];
  readonly value: unknown;

  constructor(file: string, text: string, env: Environment) {
    this.file = file;
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      uniqueKeys: false,
      logLevel: "error", // "silent" would let a second document pass,
    });
    for (const problem of syntaxProblems(this.#document, text)) this.problems.push({ ...problem, path: [] });
    if (this.problems.length > 0) return;
    const converter = new Converter(env, this.#targets, this.#substituted, (problem) =>
      this.problems.push(problem),
    );
    this.value = converter.convert(this.#document.contents as Node | null, [], 0);
  }

  locate(path: Path, at: "key" | "value"): Position {
    let node = this.#follow(this.#document.contents as Node | null);
    let place = this.#offset(node);
    for (const [index, step] of path.entries()) {
      const next = this.#step(node, step);
      if (next === undefined) break;
      node = this.#follow(next.value);
      const last = index === path.length - 1;
      place = last && at === "value" ? (this.#offset(next.value) ?? next.keyOffset) : next.keyOffset;
    }
    return this.position(place ?? 0);
  }

  position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  /** Whether the scalar there was written with ${...}: its value must not be shown. */
  isSubstituted(path: Path): boolean {
    let node = this.#follow(this.#document.contents as Node | null);
    for (const step of path) node = this.#follow(this.#step(node, step)?.value ?? null);
    return isScalar(node) && this.#substituted.has(node);
  }

  /** Whether the text itself has something there: defaults are no part of it. */
  has(path: Path): boolean {
    let node = this.#follow(this.#document.contents as Node | null);
    for (const step of path) {
      const next = this.#step(node, step);
      if (next === undefined) return false;
      node = this.#follow(next.value);
    }
    return true;
  }

  #step(node: Node | null, step: string | number): { value: Node | null; keyOffset: number } | undefined {
    if (isSeq(node)) {
      const item = node.items[Number(step)] as Node | undefined;
      return item === undefined ? undefined : { value: item, keyOffset: this.#offset(item) ?? 0 };
    }
    if (!isMap(node)) return undefined;
    const pair = this.#pair(node, String(step));
    if (pair === undefined) return undefined;
    const keyOffset = this.#offset(pair.key as Node | null) ?? this.#offset(node) ?? 0;
    return { value: pair.value as Node | null, keyOffset };
  }

  // A key may come in through a merge; its place is then where the merged map has it.
  #pair(map: YAMLMap, key: string): Pair | undefined {
    const own = map.items.findLast((pair) => keyText(pair) === key);
    if (own !== undefined) return own;
    for (const pair of map.items) {
      if (keyText(pair) !== "<<") continue;
      const merged = this.#follow(pair.value as Node | null);
      for (const source of isSeq(merged) ? merged.items : [merged]) {
        const target = this.#follow(source as Node | null);
        const found = isMap(target) ? this.#pair(target, key) : undefined;
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  #follow(node: Node | null): Node | null {
    return isAlias(node) ? (this.#targets.get(node) ?? null) : node;
  }

  // An empty value ("key:") has no place of its own worth pointing at.
  #offset(node: Node | null): number | undefined {
    if (isScalar(node) && node.value === null && node.source === "") return undefined;
    return node?.range?.[0];
  }
}

class Converter {
  readonly #env: Environment;
  readonly #targets: Map<Alias, Node>;
  readonly #substituted: Set<Scalar>;
  readonly #report: (problem: Problem) => void;
  readonly #anchors = new Map<string, Node>();
  #aliasDepth = 0;
  #aliasedNodes = 0;

  constructor(
    env: Environment,
    targets: Map<Alias, Node>,
    substituted: Set<Scalar>,
    report: (problem: Problem) => void,
  ) {
    this.#env = env;
    this.#targets = targets;
    this.#substituted = substituted;
    this.#report = report;
  }

  convert(node: Node | null, path: Path, depth: number): unknown {
    if (node === null) return null;
    if (this.#tooMuch(node, path, depth)) return null;
    if (isAlias(node)) return this.#alias(node, path, depth);
    const value = this.#plain(node, path, depth);
    const anchor = (node as Scalar).anchor;
    if (anchor !== undefined && this.#aliasDepth === 0) this.#anchors.set(anchor, node);
    return value;
  }

  #plain(node: Node, path: Path, depth: number): unknown {
    if (isScalar(node)) return this.#scalar(node, path);
    if (isSeq(node))
      return node.items.map((item, index) => this.convert(item as Node, [...path, index], depth + 1));
    return isMap(node) ? this.#map(node, path, depth) : null;
  }

  #tooMuch(node: Node, path: Path, depth: number): boolean {
    if (depth > MAX_DEPTH) {
      this.#fail(node, path, `nested deeper than ${MAX_DEPTH} levels`);
      return true;
    }
    if (this.#aliasDepth === 0) return false;
    this.#aliasedNodes++;
    if (this.#aliasedNodes === MAX_ALIASED_NODES)
      this.#fail(node, path, `aliases expand to more than ${MAX_ALIASED_NODES} values`);
    return this.#aliasedNodes >= MAX_ALIASED_NODES;
  }

  #alias(alias: Alias, path: Path, depth: number): unknown {
    const target = this.#targets.get(alias) ?? this.#anchors.get(alias.source);
    if (target === undefined) {
      const near = nearest(alias.source, this.#anchors.keys());
      this.#fail(
        alias,
        path,
        `no anchor &${alias.source} before this alias`,
        near === undefined ? undefined : `*${near}`,
      );
      return null;
    }
    this.#targets.set(alias, target);
    this.#aliasDepth++;
    const value = this.convert(target, path, depth + 1);
    this.#aliasDepth--;
    return value;
  }

  #map(map: YAMLMap, path: Path, depth: number): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    const merged: Record<string, unknown>[] = [];
    const seen = new Set<string>();
    for (const pair of map.items) {
      const key = keyText(pair);
      if (key === undefined) {
        this.#fail((pair.key as Node | null) ?? map, path, "expected a plain key");
        continue;
      }
      if (seen.has(key)) this.#fail(pair.key as Node, [...path, key], `duplicate key ${quote(key)}`);
      seen.add(key);
      const value = this.convert(pair.value as Node | null, key === "<<" ? path : [...path, key], depth + 1);
      if (key === "<<") merged.push(...this.#mergeable(pair, value, path));
      else define(result, key, value);
    }
    for (const source of merged) {
      for (const [key, value] of Object.entries(source))
        if (!Object.hasOwn(result, key)) define(result, key, value);
    }
    return result;
  }

  #mergeable(pair: Pair, value: unknown, path: Path): Record<string, unknown>[] {
    const sources = Array.isArray(value) ? value : [value];
    if (sources.every(isRecord)) return sources;
    this.#fail(pair.key as Node, path, "expected << to name a map, or a list of maps");
    return [];
  }

  #scalar(node: Scalar, path: Path): unknown {
    if (typeof node.value === "bigint") return Number(node.value);
    if (typeof node.value !== "string" || !node.value.includes("$")) return node.value;
    const { text, fromEnvironment } = substitute(node.value, this.#env, ({ message, suggestion }) => {
      this.#fail(node, path, message, suggestion);
    });
    if (!fromEnvironment) return text;
    this.#substituted.add(node);
    return node.type === "PLAIN" ? typed(text) : text;
  }

  #fail(node: Node, path: Path, message: string, suggestion?: string): void {
    this.#report({ offset: node.range?.[0] ?? 0, message, suggestion, path });
  }
}

// What an unquoted ${NAME} would have been had its value stood there: `workers: ${WORKERS:-4}` is a number.
function typed(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  return /^-?(0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : text;
}

function keyText(pair: Pair): string | undefined {
  const key = pair.key;
  if (!isScalar(key) || key.value === null || typeof key.value === "object") return undefined;
  return key.source ?? String(key.value);
}

// Assignment would follow a key called __proto__ into the prototype.
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
