// SPDX-License-Identifier: Apache-2.0
// Tables of mistakes: every one has its place, says what was expected, and names the nearest thing that would have
// been right.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onlyErrorOf, SOUND } from "./config_text.ts";

export interface Mistake {
  readonly title: string;
  readonly text: string;
  readonly at: string; // line:column
  readonly says: RegExp;
  readonly suggests?: string;
  readonly env?: Record<string, string>;
}

export function testMistakes(mistakes: readonly Mistake[]): void {
  for (const { title, text, at, says, suggests, env } of mistakes) {
    test(`a mistake is named: ${title}`, async () => {
      const error = await onlyErrorOf(text, env);
      assert.equal(`${error.line}:${error.column}`, at, error.toString());
      assert.match(error.message, says);
      assert.equal(error.suggestion, suggests);
      assert.ok(error.toString().startsWith(`edge.yaml:${at}: `));
    });
  }
}

export const edit = (from: string, to: string): string => {
  if (!SOUND.includes(from)) throw new Error(`nothing to edit: ${from}`);
  return SOUND.replace(from, () => to);
};
export const route = (lines: string): string => edit("    backendRefs:\n      - name: app\n", lines);
export const match = (lines: string): string =>
  edit("  - name: all\n", `  - name: all\n    matches:\n${lines}`);
export const filter = (line: string): string =>
  edit("  - name: all\n", `  - name: all\n    filters:\n      - ${line}\n`);
export const policy = (lines: string): string => `${SOUND}policies:\n  p:\n${lines}`;
export const https = (lines: string): string => edit("    protocol: http\n", `    protocol: https\n${lines}`);
