// SPDX-License-Identifier: Apache-2.0
// The PROXY protocol, both ways: headers as a load balancer would send them, and an upstream's reading of one.
// Written from the specification ("The PROXY protocol", versions 1 & 2), for the proxy's own code is what is tested.
import type { Socket } from "node:net";

const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

export interface Tlv {
  readonly type: number;
  readonly value: Buffer | string;
}

export const tlvTypes = {
  alpn: 1,
  authority: 2,
  crc32c: 3,
  noop: 4,
  uniqueId: 5,
  ssl: 0x20,
  netns: 0x30,
} as const;

export interface Addresses {
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export function headerV1(addresses: Addresses): string {
  const { source, destination, sourcePort, destinationPort } = addresses;
  const family = source.includes(":") ? "TCP6" : "TCP4";
  return `PROXY ${family} ${source} ${destination} ${sourcePort} ${destinationPort}\r\n`;
}

export const unknownV1 = "PROXY UNKNOWN\r\n";

export function headerV2(addresses: Addresses, tlvs: readonly Tlv[] = []): Buffer {
  const { source, destination, sourcePort, destinationPort } = addresses;
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(sourcePort, 0);
  ports.writeUInt16BE(destinationPort, 2);
  const family = source.includes(":") ? 0x21 : 0x11;
  return frameV2(0x21, family, Buffer.concat([ip(source), ip(destination), ports, ...tlvs.map(encodeTlv)]));
}

// The LOCAL command: a balancer's own health check, which speaks for nobody.
export const localV2: Buffer = frameV2(0x20, 0x00, Buffer.alloc(0));

// Any version, command, family and content, for headers that are wrong.
export function frameV2(versionAndCommand: number, family: number, content: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt8(versionAndCommand, 0);
  head.writeUInt8(family, 1);
  head.writeUInt16BE(content.length, 2);
  return Buffer.concat([signature, head, content]);
}

function encodeTlv({ type, value }: Tlv): Buffer {
  const bytes = Buffer.from(value);
  const head = Buffer.alloc(3);
  head.writeUInt8(type, 0);
  head.writeUInt16BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function ip(text: string): Buffer {
  if (!text.includes(":")) return Buffer.from(text.split(".").map(Number));
  const [before = "", after = ""] = text.split("::");
  const groups = (part: string): string[] => part.split(":").filter((group) => group !== "");
  const [first, last] = [groups(before), groups(after)];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => "0");
  return Buffer.from([...first, ...zeros, ...last].map((group) => group.padStart(4, "0")).join(""), "hex");
}

export interface ReceivedHeader extends Addresses {
  readonly version: 1 | 2;
  readonly local: boolean;
  readonly tlvs: ReadonlyMap<number, Buffer>;
}

const nobody = { source: "", destination: "", sourcePort: 0, destinationPort: 0 };

// The header at the start of `bytes` and its size, nothing while it is incomplete. Throws if there is none.
export function parseHeader(bytes: Buffer): { header: ReceivedHeader; size: number } | undefined {
  if (bytes.subarray(0, 6).toString("latin1") === "PROXY ") return parseV1(bytes);
  const start = bytes.subarray(0, signature.length);
  if (!start.equals(signature.subarray(0, start.length))) {
    if ("PROXY ".startsWith(bytes.toString("latin1"))) return undefined;
    throw new Error(`no PROXY header: ${JSON.stringify(bytes.subarray(0, 32).toString("latin1"))}`);
  }
  return parseV2(bytes);
}

function parseV1(bytes: Buffer): { header: ReceivedHeader; size: number } | undefined {
  const end = bytes.indexOf("\r\n");
  if (end < 0) return undefined;
  const [, family, source = "", destination = "", sourcePort, destinationPort] = bytes
    .subarray(0, end)
    .toString("latin1")
    .split(" ");
  const ports = { sourcePort: Number(sourcePort), destinationPort: Number(destinationPort) };
  const known = family === "UNKNOWN" ? nobody : { source, destination, ...ports };
  return { header: { version: 1, local: family === "UNKNOWN", tlvs: new Map(), ...known }, size: end + 2 };
}

function parseV2(bytes: Buffer): { header: ReceivedHeader; size: number } | undefined {
  if (bytes.length < 16) return undefined;
  const size = 16 + bytes.readUInt16BE(14);
  if (bytes.length < size) return undefined;
  const local = bytes.readUInt8(12) === 0x20;
  const width = { 1: 4, 2: 16 }[bytes.readUInt8(13) >> 4] ?? 0;
  const content = bytes.subarray(16, size);
  if (local || width === 0) return { header: { version: 2, local, tlvs: new Map(), ...nobody }, size };
  const header = {
    version: 2 as const,
    local,
    source: ipText(content.subarray(0, width)),
    destination: ipText(content.subarray(width, 2 * width)),
    sourcePort: content.readUInt16BE(2 * width),
    destinationPort: content.readUInt16BE(2 * width + 2),
    tlvs: parseTlvs(content.subarray(2 * width + 4)),
  };
  return { header, size };
}

function parseTlvs(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt16BE(at + 1);
    found.set(bytes.readUInt8(at), bytes.subarray(at + 3, at + 3 + length));
    at += 3 + length;
  }
  return found;
}

function ipText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join(".");
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16));
  return groups.join(":");
}

// Takes the header off a new connection and calls back with it; everything behind stays to be read.
export function takeHeader(socket: Socket, taken: (header: ReceivedHeader) => void): void {
  let pending = Buffer.alloc(0);
  const look = (): void => {
    for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) {
      pending = Buffer.concat([pending, chunk as Buffer]);
    }
    const parsed = parseHeader(pending);
    if (parsed === undefined) return;
    socket.off("readable", look);
    const rest = pending.subarray(parsed.size);
    if (rest.length > 0) socket.unshift(rest);
    taken(parsed.header);
  };
  socket.on("readable", look);
}
