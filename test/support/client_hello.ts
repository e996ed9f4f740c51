// SPDX-License-Identifier: Apache-2.0
// TLS clients whose ClientHello travels in unusual ways: cut into segments of a byte, or into many records. Everything
// behind it passes as it is, so that a handshake can complete: the transport changes, never the client.
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { type Scope, withPatience } from "./scope.ts";

const recordHeaderBytes = 5;

// What a client with these options says first.
export async function clientHello(options: ConnectionOptions = {}): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const trap = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      resolve(chunk);
      done();
    },
  });
  const socket = connectTls({ socket: trap, ...options });
  socket.on("error", () => {});
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}

// The same handshake bytes in records of at most `size` bytes of content.
export function inRecords(hello: Buffer, size: number): Buffer {
  const content = hello.subarray(recordHeaderBytes);
  const records: Buffer[] = [];
  for (let at = 0; at < content.length; at += size) {
    const part = content.subarray(at, at + size);
    const head = Buffer.from(hello.subarray(0, recordHeaderBytes));
    head.writeUInt16BE(part.length, 3);
    records.push(head, part);
  }
  return Buffer.concat(records);
}

export function byteByByte(bytes: Buffer): Buffer[] {
  return Array.from(bytes, (byte) => Buffer.from([byte]));
}

// Sends parts so that each can arrive alone: the system has taken one before the next is written.
export async function sendApart(socket: Socket, parts: readonly Buffer[]): Promise<void> {
  socket.setNoDelay(true);
  for (const part of parts) {
    await new Promise((resolve) => socket.write(part, resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

// A verified TLS connection whose first flight was changed on its way by `send`.
export async function connectOddly(
  scope: Scope,
  options: ConnectionOptions & { readonly port: number },
  send: (hello: Buffer) => readonly Buffer[],
): Promise<TLSSocket> {
  const { port, ...tls } = options;
  const plain = connectTcp({ port, host: "127.0.0.1" });
  await once(plain, "connect");
  const socket = connectTls({ socket: changedFirst(plain, send), ...tls });
  scope.after(() => plain.destroy());
  await withPatience(once(socket, "secureConnect"), () => "a handshake");
  return socket;
}

function changedFirst(plain: Socket, send: (hello: Buffer) => readonly Buffer[]): Duplex {
  let first = true;
  const between = new Duplex({
    read() {
      plain.resume();
    },
    write(chunk: Buffer, _encoding, done) {
      const parts = first ? send(chunk) : [chunk];
      first = false;
      void sendApart(plain, parts).then(() => done(), done);
    },
    final(done) {
      plain.end();
      done();
    },
    destroy(error, done) {
      plain.destroy();
      done(error);
    },
  });
  plain.on("data", (chunk: Buffer) => {
    if (!between.push(chunk)) plain.pause();
  });
  plain.on("end", () => between.push(null));
  plain.on("error", (error) => between.destroy(error));
  return between;
}
