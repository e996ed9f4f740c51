// SPDX-License-Identifier: Apache-2.0
// The device's gRPC service as any client may call it: grpc-js, and messages written by hand after
// native/ipc/mango_ipc.proto.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, credentials, status } from "@grpc/grpc-js";
import type { Scope } from "../support/scope.ts";
import { Toed } from "../toed/daemon.ts";

const call = "/mango.ipc.v1.Device/Call";
const healthCheck = 0;
const setConfig = 1;
const getConfig = 2;
const tcpAccept = 4;

// Varints of small numbers, and strings shorter than 128 octets.
const number = (field: number, value: number): number[] => (value === 0 ? [] : [field << 3, value]);
const text = (field: number, value: string): number[] => {
  const octets = Buffer.from(value);
  return [(field << 3) | 2, octets.length, ...octets];
};

interface Ask {
  readonly type?: number;
  readonly device?: number;
  readonly client?: string;
  readonly field?: string;
  readonly value?: string;
}

function request({ type = healthCheck, device = 0, client = "", field = "", value = "" }: Ask): Buffer {
  const texts = [[3, client] as const, [7, field] as const, [8, value] as const];
  const encoded = texts.flatMap(([key, octets]) => (octets === "" ? [] : text(key, octets)));
  return Buffer.from([...number(1, type), ...number(2, device), ...encoded]);
}

interface Answer {
  status: number;
  value: string;
  link: string;
  version: string;
}

function varint(octets: Buffer, start: number): [value: number, next: number] {
  let value = 0;
  for (let length = 0; ; length += 1) {
    const octet = octets[start + length] ?? 0;
    value |= (octet & 0x7f) << (7 * length);
    if (octet < 0x80) return [value, start + length + 1];
  }
}

function answer(octets: Buffer): Answer {
  const fields = new Map<number, string>();
  let zigzag = 0;
  for (let at = 0; at < octets.length; ) {
    const [key, start] = varint(octets, at);
    const [value, next] = varint(octets, start);
    const isText = (key & 7) === 2;
    if (isText) fields.set(key >> 3, octets.toString("utf8", next, next + value));
    else zigzag = value;
    at = isText ? next + value : next;
  }
  const named = (field: number): string => fields.get(field) ?? "";
  return { status: (zigzag >>> 1) ^ -(zigzag & 1), value: named(3), link: named(4), version: named(5) };
}

class Device {
  readonly #client: Client;

  constructor(scope: Scope, address: string) {
    this.#client = new Client(address, credentials.createInsecure());
    scope.after(() => this.#client.close());
  }

  // The answer, or gRPC's status code.
  send(octets: Buffer, path = call): Promise<Answer | number> {
    return new Promise((resolve) => {
      const serialize = (sent: Buffer): Buffer => sent;
      this.#client.makeUnaryRequest(path, serialize, answer, octets, (error, got) =>
        resolve(error?.code ?? got ?? status.UNKNOWN),
      );
    });
  }

  ask(asked: Ask): Promise<Answer | number> {
    return this.send(request(asked));
  }
}

async function start(scope: Scope): Promise<{ toed: Toed; device: Device }> {
  const toed = await Toed.start(scope);
  return { toed, device: new Device(scope, toed.address) };
}

test("any gRPC client can ask how a device is", async (t) => {
  const { device } = await start(t);
  const got = (await device.ask({})) as Answer;
  assert.equal(got.status, 0);
  assert.match(got.version, /^\d+\.\d+\.\d+$/);
  assert.notEqual(got.link, "");
});

test("any gRPC client can read a device's fields", async (t) => {
  const { toed, device } = await start(t);
  const pid = (await device.ask({ type: getConfig, field: "device.pid" })) as Answer;
  assert.deepEqual([pid.status, pid.value], [0, String(toed.pid)]);
  const none = (await device.ask({ type: getConfig, field: "no.such.field" })) as Answer;
  assert.equal(none.status, -2);
  const elsewhere = (await device.ask({ device: 9 })) as Answer;
  assert.equal(elsewhere.status, -2);
});

test("nobody writes a field without the link's token", async (t) => {
  const { toed, device } = await start(t);
  const before = await toed.get("session.max");
  for (const client of ["", "x", "0123456789abcdef"]) {
    const got = (await device.ask({ type: setConfig, client, field: "session.max", value: "1" })) as Answer;
    assert.ok(got.status < 0, `token "${client}": ${got.status}`);
  }
  assert.equal(await toed.get("session.max"), before);
});

test("accepting is not done over the channel", async (t) => {
  const { device } = await start(t);
  const got = (await device.ask({ type: tcpAccept, client: "0123456789abcdef" })) as Answer;
  assert.ok(got.status < 0);
});

test("what is no request is refused, and the server goes on", async (t) => {
  const { device } = await start(t);
  assert.equal(await device.send(Buffer.from([0xff, 0xff])), status.INVALID_ARGUMENT);
  assert.equal(await device.send(Buffer.from([1 << 3, 9])), status.INVALID_ARGUMENT);
  assert.equal(await device.send(Buffer.alloc(17_000)), status.RESOURCE_EXHAUSTED);
  assert.equal(await device.send(request({}), "/mango.ipc.v1.Device/Other"), status.UNIMPLEMENTED);
  assert.equal(await device.send(request({}), "/grpc.health.v1.Health/Check"), status.UNIMPLEMENTED);
  assert.equal(((await device.ask({})) as Answer).status, 0);
});

test("many requests at once are answered each", async (t) => {
  const { device } = await start(t);
  const fields = Array.from({ length: 300 }, (_, i) => ({
    type: getConfig,
    field: i % 2 ? "device.index" : "no.field",
  }));
  const answers = (await Promise.all(fields.map((field) => device.ask(field)))) as Answer[];
  assert.deepEqual(
    answers.map((got) => got.status),
    fields.map((_, i) => (i % 2 ? 0 : -2)),
  );
});
