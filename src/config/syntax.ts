// SPDX-License-Identifier: Apache-2.0
// What the YAML library found wrong with the text, in words for somebody who writes configurations.
import type { Document, YAMLError } from "yaml";

export interface SyntaxProblem {
  readonly offset: number;
  readonly message: string;
  readonly suggestion?: string | undefined;
}

const WORDS: Readonly<Partial<Record<YAMLError["code"], string>>> = {
  TAB_AS_INDENT: "tab used for indentation; YAML is indented with spaces",
  MULTIPLE_DOCS: "a second document starts here; a configuration is one document, remove the ---",
  TAG_RESOLVE_FAILED: "tags (!name) have no meaning here",
};

export function* syntaxProblems(document: Document, text: string): Generator<SyntaxProblem> {
  const seen = new Set<number>(); // one mistake often brings a trail of others on its line
  for (const error of [...document.errors, ...document.warnings]) {
    const offset = Math.min(error.pos[0], text.length);
    const line = text.lastIndexOf("\n", offset - 1);
    if (seen.has(line)) continue;
    seen.add(line);
    yield { offset, message: words(error, text, line) };
  }
}

function words(error: YAMLError, text: string, lineStart: number): string {
  const indent = /^[ ]*\t/.test(text.slice(lineStart + 1, lineStart + 200));
  if (indent) return WORDS.TAB_AS_INDENT ?? "";
  return WORDS[error.code] || error.message.charAt(0).toLowerCase() + error.message.slice(1);
}
