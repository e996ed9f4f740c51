// SPDX-License-Identifier: Apache-2.0
// Host names as the data plane compares them: ASCII (IDNA), lower case, no trailing dot, "*." for any one label.
import { isIP } from "node:net";
import { domainToASCII } from "node:url";

const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

/** The normal form, or undefined where the text is neither a host name nor a wildcard. */
export function normaliseHostname(text: string): string | undefined {
  const wildcard = text.startsWith("*.");
  const bare = (wildcard ? text.slice(2) : text).replace(/\.$/, "");
  if (isIP(bare) !== 0) return wildcard ? undefined : bare.toLowerCase();
  // domainToASCII also accepts what it can cut down to a host ("a/b"); the label check sees only its result.
  if (/[\s/\\:@?#[\]%*]/.test(bare)) return undefined;
  const ascii = /^[a-z0-9_.-]+$/.test(bare) ? bare : domainToASCII(bare);
  if (ascii.length === 0 || ascii.length > 253 || !ascii.split(".").every((label) => LABEL.test(label)))
    return undefined;
  if (/^[0-9.]+$/.test(ascii)) return undefined; // "1.2.3" is a broken address, not a name
  return wildcard ? `*.${ascii}` : ascii;
}

/** Whether `pattern` (exact or "*.suffix", one label) takes in `name`. */
export function hostnameCovers(pattern: string, name: string): boolean {
  if (pattern === name) return true;
  if (!pattern.startsWith("*.") || name.startsWith("*.")) return false;
  const dot = name.indexOf(".");
  return dot > 0 && name.slice(dot + 1) === pattern.slice(2);
}
