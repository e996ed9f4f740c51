// SPDX-License-Identifier: Apache-2.0
// HPACK (RFC 7541) for tests: blocks are put together by hand from their representations, so that a test says which
// of them it sends; received ones are decoded in full. Written here because the libraries either cannot be told
// which representation to use or are abandoned. Strings are octets (latin1).
import { type Field, huffmanDecode, staticTable } from "./hpack_tables.ts";

export type { Field } from "./hpack_tables.ts";

export type Indexing = "add" | "without" | "never";

const literalForms: Readonly<Record<Indexing, readonly [pattern: number, prefixBits: number]>> = {
  add: [0x40, 6],
  without: [0x00, 4],
  never: [0x10, 4],
};

function integer(value: number, prefixBits: number, pattern: number): number[] {
  const max = 2 ** prefixBits - 1;
  if (value < max) return [pattern | value];
  const bytes = [pattern | max];
  let rest = value - max;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
}

function text(value: string): Buffer {
  const octets = Buffer.from(value, "latin1");
  return Buffer.concat([Buffer.from(integer(octets.length, 7, 0)), octets]);
}

// An entry of the tables: 1 to 61 are static, the newest dynamic one is 62.
export const indexed = (index: number): Buffer => Buffer.from(integer(index, 7, 0x80));

// A field with its name spelt out or, given a number, taken from the tables.
export function literal(name: string | number, value: string, indexing: Indexing = "without"): Buffer {
  const [pattern, bits] = literalForms[indexing];
  const index = typeof name === "number" ? name : 0;
  const spelt = typeof name === "number" ? Buffer.alloc(0) : text(name);
  return Buffer.concat([Buffer.from(integer(index, bits, pattern)), spelt, text(value)]);
}

export const tableSizeUpdate = (bytes: number): Buffer => Buffer.from(integer(bytes, 5, 0x20));

// All fields as literals that change no table.
export function encode(fields: readonly Field[]): Buffer {
  return Buffer.concat(fields.map(([name, value]) => literal(name, value)));
}

export const firstDynamicIndex = staticTable.length + 1;

const entryOverhead = 32;

export class HpackDecoder {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #entries: Field[] = []; // the newest first
  #limit = 4096;

  decode(block: Buffer): Field[] {
    this.#bytes = block;
    this.#at = 0;
    const fields: Field[] = [];
    while (this.#at < block.length) {
      const field = this.#representation();
      if (field !== undefined) fields.push(field);
    }
    return fields;
  }

  #representation(): Field | undefined {
    const first = this.#bytes[this.#at] ?? 0;
    if (first & 0x80) return this.#entry(this.#integer(7));
    if (first & 0x40) return this.#add(this.#literal(6));
    if (!(first & 0x20)) return this.#literal(4);
    this.#limit = this.#integer(5);
    this.#evict();
    return undefined;
  }

  #literal(prefixBits: number): Field {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#text() : this.#entry(index)[0];
    return [name, this.#text()];
  }

  #entry(index: number): Field {
    const found =
      index <= staticTable.length ? staticTable[index - 1] : this.#entries[index - firstDynamicIndex];
    if (found === undefined) throw new Error(`no entry ${index} in the HPACK tables`);
    return found;
  }

  #add(field: Field): Field {
    this.#entries.unshift(field);
    this.#evict();
    return field;
  }

  #evict(): void {
    const sizes = this.#entries.map(([name, value]) => name.length + value.length + entryOverhead);
    let size = sizes.reduce((sum, each) => sum + each, 0);
    while (size > this.#limit) {
      size -= sizes.pop() ?? 0;
      this.#entries.pop();
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new Error("an HPACK block ended early");
    this.#at += 1;
    return byte;
  }

  #integer(prefixBits: number): number {
    const max = 2 ** prefixBits - 1;
    let value = this.#byte() & max;
    if (value < max) return value;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 128) return value;
    }
  }

  #text(): string {
    const huffman = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const octets = this.#bytes.subarray(this.#at, this.#at + length);
    if (octets.length < length) throw new Error("an HPACK string ended early");
    this.#at += length;
    return (huffman ? huffmanDecode(octets) : octets).toString("latin1");
  }
}
