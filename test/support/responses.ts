// SPDX-License-Identifier: Apache-2.0
// Takes HTTP/1 responses apart, for tests that must see framing and order: node:http hides both.

export interface Response {
  readonly status: number;
  readonly version: string;
  readonly fields: readonly (readonly [name: string, value: string])[]; // names in lower case
  readonly head: string;
  readonly body: Buffer; // chunks joined
  readonly trailers: readonly (readonly [name: string, value: string])[];
  readonly chunked: boolean;
}

// The values of a field, in order.
export function fieldValues(response: Pick<Response, "fields">, name: string): string[] {
  return response.fields.filter(([key]) => key === name.toLowerCase()).map(([, value]) => value);
}

export function fieldValue(response: Pick<Response, "fields">, name: string): string | undefined {
  return fieldValues(response, name)[0];
}

// The response at the start of `bytes` and its size, or nothing while it is incomplete. `closed`: no more will
// come, which completes a body framed by the end of the connection.
export function parseResponse(
  bytes: Buffer,
  method: string,
  closed: boolean,
): { response: Response; size: number } | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const head = bytes.subarray(0, headEnd).toString("latin1");
  const [statusLine = "", ...lines] = head.split("\r\n");
  const fields = parseFields(lines);
  const status = Number(statusLine.split(" ")[1]);
  const content = parseContent(bytes.subarray(headEnd + 4), { status, method, fields, closed });
  if (content === undefined) return undefined;
  const { size, ...rest } = content;
  const version = statusLine.split(" ", 1)[0] ?? "";
  return { response: { status, version, fields, head, ...rest }, size: headEnd + 4 + size };
}

function parseFields(lines: readonly string[]): [string, string][] {
  return lines
    .filter((line) => line.includes(":"))
    .map((line) => [
      line.slice(0, line.indexOf(":")).toLowerCase(),
      line.slice(line.indexOf(":") + 1).trim(),
    ]);
}

interface Content {
  readonly body: Buffer;
  readonly trailers: readonly (readonly [string, string])[];
  readonly chunked: boolean;
  readonly size: number;
}

interface Framing extends Pick<Response, "status" | "fields"> {
  readonly method: string;
  readonly closed: boolean;
}

const noContent: Content = { body: Buffer.alloc(0), trailers: [], chunked: false, size: 0 };

function parseContent(rest: Buffer, framing: Framing): Content | undefined {
  const { status, method } = framing;
  if (status < 200 || status === 204 || status === 304 || method === "HEAD") return noContent;
  if (fieldValue(framing, "transfer-encoding")?.endsWith("chunked")) return parseChunks(rest);
  const length = fieldValue(framing, "content-length");
  if (length === undefined)
    return framing.closed ? { ...noContent, body: rest, size: rest.length } : undefined;
  const size = Number(length);
  return rest.length < size ? undefined : { ...noContent, body: rest.subarray(0, size), size };
}

function parseChunks(rest: Buffer): Content | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(rest.subarray(at, lineEnd).toString("latin1"), 16);
    if (Number.isNaN(size)) throw new Error(`not a chunk size at byte ${at}`);
    at = lineEnd + 2;
    if (size === 0) return parseTrailers(rest, at, Buffer.concat(parts));
    if (rest.length < at + size + 2) return undefined;
    parts.push(rest.subarray(at, at + size));
    at += size + 2;
  }
}

function parseTrailers(rest: Buffer, at: number, body: Buffer): Content | undefined {
  if (rest.subarray(at, at + 2).toString() === "\r\n")
    return { body, trailers: [], chunked: true, size: at + 2 };
  const end = rest.indexOf("\r\n\r\n", at);
  if (end < 0) return undefined;
  const trailers = parseFields(rest.subarray(at, end).toString("latin1").split("\r\n"));
  return { body, trailers, chunked: true, size: end + 4 };
}
