// SPDX-License-Identifier: Apache-2.0
// A DNS server of a few lines on a free UDP port: answers A and AAAA from a table that the test changes (RFC 1035).
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { isIPv6 } from "node:net";
import type { TestContext } from "node:test";

export interface DnsRecord {
  readonly addresses: readonly string[];
  readonly ttl: number; // seconds
}

export interface DnsServer {
  readonly address: string; // "127.0.0.1:port"
  readonly zone: Map<string, DnsRecord | "servfail" | "silent">;
  readonly queries: string[]; // "A name"
}

const kTypes: Readonly<Record<number, string>> = { 1: "A", 28: "AAAA" };

export async function startDnsServer(t: TestContext): Promise<DnsServer> {
  const socket = createSocket("udp4");
  const zone: DnsServer["zone"] = new Map();
  const queries: string[] = [];
  socket.on("message", (query, { port, address }) => {
    const reply = answer(query, zone, queries);
    if (reply !== null) socket.send(reply, port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => closeSocket(socket));
  return { address: `127.0.0.1:${socket.address().port}`, zone, queries };
}

function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}

function answer(query: Buffer, zone: DnsServer["zone"], queries: string[]): Buffer | null {
  const { name, type, question } = parseQuestion(query);
  queries.push(`${kTypes[type] ?? type} ${name}`);
  const record = zone.get(name);
  if (record === "silent") return null;
  if (record === undefined) return message(query, question, 3, []); // NXDOMAIN
  if (record === "servfail") return message(query, question, 2, []);
  const fitting = record.addresses.filter((address) => isIPv6(address) === (type === 28));
  return message(
    query,
    question,
    0,
    fitting.map((address) => resourceRecord(type, record.ttl, address)),
  );
}

function parseQuestion(query: Buffer): { name: string; type: number; question: Buffer } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return {
    name: labels.join(".").toLowerCase(),
    type: query.readUInt16BE(at + 1),
    question: query.subarray(12, at + 5),
  };
}

function message(query: Buffer, question: Buffer, code: number, answers: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(0x8180 | code, 2); // response, recursion available
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.length, 6);
  return Buffer.concat([header, question, ...answers]);
}

function resourceRecord(type: number, ttl: number, address: string): Buffer {
  const data = isIPv6(address) ? ipv6Bytes(address) : Buffer.from(address.split(".").map(Number));
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0); // the name of the question
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(ttl, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function ipv6Bytes(address: string): Buffer {
  const [left = "", right = ""] = address.split("::");
  const groups = (text: string): number[] =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const [head, tail] = [groups(left), groups(right)];
  const all = [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
}
