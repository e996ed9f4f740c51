// SPDX-License-Identifier: Apache-2.0
// Ticket keys: of our own with rotation and memory, or shared from a file.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  createTicketKeyRing,
  readTicketKeyFile,
  TICKET_KEY_BYTES,
  type TicketKeyRing,
} from "../../src/tls/ticket-keys.ts";

const HOUR_MS = 3_600_000;

function ringOf(context: TestContext, rotated: () => void = () => undefined): TicketKeyRing {
  const ring = createTicketKeyRing(rotated);
  context.after(() => ring.stop());
  return ring;
}

function file(context: TestContext, content: string | Buffer): string {
  const folder = mkdtempSync(join(tmpdir(), "mango-tickets-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "keys");
  writeFileSync(path, content);
  return path;
}

test("a ring starts with one key of 80 bytes, and without settings has none", async (context) => {
  const ring = ringOf(context);
  assert.deepEqual(ring.keys(), []);
  await ring.configure({ rotationMs: HOUR_MS, keyFile: undefined });
  assert.equal(ring.keys().length, 1);
  assert.equal(Buffer.from(ring.keys()[0] ?? "", "base64").length, TICKET_KEY_BYTES);
  await ring.configure(undefined);
  assert.deepEqual(ring.keys(), []);
});

test("rotation puts a new key first, keeps two before it and tells of it", async (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  let told = 0;
  const ring = ringOf(context, () => told++);
  await ring.configure({ rotationMs: HOUR_MS, keyFile: undefined });
  const [first] = ring.keys();
  context.mock.timers.tick(HOUR_MS);
  assert.equal(ring.keys()[1], first);
  context.mock.timers.tick(HOUR_MS);
  assert.deepEqual([ring.keys().length, ring.keys()[2]], [3, first]);
  context.mock.timers.tick(HOUR_MS);
  assert.equal(ring.keys().length, 3);
  assert.ok(!ring.keys().includes(first ?? ""));
  assert.equal(told, 3);
});

test("a reload keeps the keys and does not put the rotation off", async (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  const ring = ringOf(context);
  await ring.configure({ rotationMs: HOUR_MS, keyFile: undefined });
  const [first] = ring.keys();
  context.mock.timers.tick(HOUR_MS - 1);
  await ring.configure({ rotationMs: HOUR_MS, keyFile: undefined });
  assert.deepEqual(ring.keys(), [first]);
  context.mock.timers.tick(1);
  assert.equal(ring.keys()[1], first);
});

test("stopping ends the rotation, and twice is no mistake", async (context) => {
  context.mock.timers.enable({ apis: ["setInterval"] });
  const ring = ringOf(context, () => assert.fail("rotated after stop"));
  await ring.configure({ rotationMs: HOUR_MS, keyFile: undefined });
  ring.stop();
  ring.stop();
  context.mock.timers.tick(3 * HOUR_MS);
});

test("a shared file is read raw or as base64, newest first", async (context) => {
  const keys = [randomBytes(80), randomBytes(80)];
  const texts = keys.map((key) => key.toString("base64"));
  assert.deepEqual(await readTicketKeyFile(file(context, Buffer.concat(keys))), { keys: texts });
  assert.deepEqual(await readTicketKeyFile(file(context, `${texts.join("\n")}\n`)), { keys: texts });
  const ring = ringOf(context);
  await ring.configure({ rotationMs: HOUR_MS, keyFile: file(context, Buffer.concat(keys)) });
  assert.deepEqual(ring.keys(), texts);
  await ring.configure({ rotationMs: HOUR_MS, keyFile: undefined });
  assert.ok(!texts.includes(ring.keys()[0] ?? ""), "a shared key is not carried on as one of our own");
});

test("a file of anything else is refused, and the keys in use stay", async (context) => {
  for (const content of [
    "",
    "rubbish",
    randomBytes(48),
    randomBytes(80).toString("base64").slice(4),
    randomBytes(80 * 9),
  ]) {
    assert.ok("problem" in (await readTicketKeyFile(file(context, content))));
  }
  assert.ok("problem" in (await readTicketKeyFile("/nowhere/keys")));
  const ring = ringOf(context);
  await ring.configure({ rotationMs: HOUR_MS, keyFile: undefined });
  const before = ring.keys();
  await assert.rejects(ring.configure({ rotationMs: HOUR_MS, keyFile: "/nowhere/keys" }), /no such file/);
  assert.deepEqual(ring.keys(), before);
});
