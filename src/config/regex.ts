// SPDX-License-Identifier: Apache-2.0
// Regular expressions run in RE2 inside the data plane. This is the early, best-effort check with a position: what
// RE2 cannot do is named, then JavaScript's own parser looks for broken syntax. RE2 itself has the last word.

const MAX_PATTERN = 1024;
const MAX_REPEAT = 1000; // RE2's own bound

const UNSUPPORTED: readonly (readonly [RegExp, string])[] = [
  [/^\(\?<?[=!]/, "lookahead and lookbehind are not available (RE2)"],
  [/^\(\?>/, "atomic groups are not available (RE2)"],
  [/^\(\?\(/, "conditionals are not available (RE2)"],
  [/^\(\?<[A-Za-z_]/, "write a named group as (?P<name>...) (RE2)"],
  [/^\\[1-9]/, "backreferences are not available (RE2)"],
  [/^\\[kg][<{'"]/, "backreferences are not available (RE2)"],
  [/^\\Z/, "write the end of the text as \\z (RE2)"],
  [/^\\[ceghijklmoquyFGHIJKLMNORTUVXY]/, "there is no such escape (RE2)"],
  [/^\\x(?![0-9A-Fa-f]{2}|\{)/, "there is no such escape (RE2)"],
  [/^[*+?]\+/, "possessive repetition is not available (RE2)"],
];

/** Why RE2 would refuse the pattern, or undefined. */
export function regexProblem(pattern: string): string | undefined {
  if (pattern.length > MAX_PATTERN) return `longer than ${MAX_PATTERN} characters`;
  const unsupported = findUnsupported(pattern);
  if (unsupported !== undefined) return unsupported;
  for (const [, low, high] of pattern.matchAll(/\{([0-9]+)(?:,([0-9]*))?\}/g)) {
    if (Number(low) > MAX_REPEAT || Number(high ?? 0) > MAX_REPEAT)
      return `repeats more than ${MAX_REPEAT} times (RE2)`;
  }
  return syntaxProblem(pattern);
}

function findUnsupported(pattern: string): string | undefined {
  let inClass = false;
  for (let at = 0; at < pattern.length; at++) {
    const rest = pattern.slice(at, at + 8);
    const escaped = rest.startsWith("\\");
    const found = UNSUPPORTED.find(([form]) => (escaped || !inClass) && form.test(rest));
    if (found !== undefined) return `${found[1]}, at character ${at + 1}`;
    if (rest.startsWith("\\Q")) at = endOfQuote(pattern, at);
    else if (escaped) at++;
    else if (rest.startsWith("[")) inClass = true;
    else if (rest.startsWith("]")) inClass = false;
  }
  return undefined;
}

// \Q quotes everything up to \E, or to the end.
function endOfQuote(pattern: string, start: number): number {
  const end = pattern.indexOf("\\E", start);
  return end < 0 ? pattern.length : end + 1;
}

// RE2's own spellings become JavaScript's, so that only real mistakes are left to be found.
function syntaxProblem(pattern: string): string | undefined {
  const javascript = pattern
    .replace(/\\Q[\s\S]*?(?:\\E|$)/g, "q")
    .replace(/\(\?P</g, "(?<")
    .replace(/\(\?[imsU-]+\)/g, "")
    .replace(/\(\?[imsU-]+:/g, "(?:")
    .replace(/\[\[:\^?[a-z]+:\]/g, "[a");
  try {
    new RegExp(javascript);
    return undefined;
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).replace(/^.*?\/: /, "").toLowerCase();
  }
}
