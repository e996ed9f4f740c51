// SPDX-License-Identifier: Apache-2.0
// HTTP field names and values that a modifier may name (RFC 9110, sections 5.1 and 5.5).

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;
// Framing, routing and hop-by-hop fields belong to the proxy: changing them would make it lie about the message.
const OWNED = new Set([
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "upgrade",
]);

export function fieldNameProblem(name: string): string | undefined {
  if (!TOKEN.test(name)) return "expected a field name of letters, digits and -";
  if (!OWNED.has(name.toLowerCase())) return undefined;
  const instead = name.toLowerCase() === "host" ? "; use urlRewrite.hostname" : "";
  return `${name} cannot be modified: it frames or routes the message${instead}`;
}

export function fieldMatchNameProblem(name: string): string | undefined {
  return TOKEN.test(name) ? undefined : "expected a field name of letters, digits and -";
}

export function fieldValueProblem(value: string): string | undefined {
  if (/[\r\n]/.test(value)) return "a field value cannot hold a line break";
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\x00-\x08\x0b-\x1f\x7f]/.test(value)) return "a field value cannot hold control characters";
  if (/^[ \t]|[ \t]$/.test(value)) return "a field value cannot start or end with white space";
  return undefined;
}
