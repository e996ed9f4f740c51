// SPDX-License-Identifier: Apache-2.0
// What the hostile clients of the comparison send: frames that are allowed one by one, else they would be no attack.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ATTACKS } from "../../loadtest/bench/attacks.ts";
import { type Frame, FrameReader } from "../support/h2_frames.ts";

const MAX_FRAME_BYTES = 16_384; // SETTINGS_MAX_FRAME_SIZE as it begins
const PIECES = 300;

function sent(name: RegExp): Frame[] {
  const attack = ATTACKS.find((each) => name.test(each.name));
  assert.ok(attack);
  const reader = new FrameReader();
  const frames: Frame[] = [];
  const pieces = attack.frames();
  for (let count = 0; count < PIECES; count++) {
    const { value, done } = pieces.next();
    if (done === true) break;
    frames.push(...reader.push(value));
  }
  return frames;
}

const kinds = (frames: readonly Frame[]) => frames.map(({ type }) => type);

for (const { name } of ATTACKS) {
  test(`${name}: begins with SETTINGS, and no frame is too large`, () => {
    const frames = sent(new RegExp(`^${name}$`));
    assert.equal(frames[0]?.type, "settings");
    assert.ok(frames.every(({ payload }) => payload.length <= MAX_FRAME_BYTES));
  });
}

test("Rapid Reset resets every stream that it opens, and never the same twice", () => {
  const frames = sent(/Rapid/).slice(1);
  const opened = frames.filter(({ type }) => type === "headers").map(({ stream }) => stream);
  const reset = frames.filter(({ type }) => type === "rstStream").map(({ stream }) => stream);
  assert.deepEqual(opened, reset);
  assert.equal(new Set(opened).size, opened.length);
});

test("the flood of CONTINUATION never ends its head", () => {
  const [, head, ...rest] = sent(/CONTINUATION/);
  assert.equal(head?.type, "headers");
  assert.deepEqual([...new Set(kinds(rest))], ["continuation"]);
  assert.ok([head, ...rest].every((frame) => frame !== undefined && (frame.flags & 0x4) === 0));
});

test("bomb and stalled streams open a hundred streams on each connection", () => {
  for (const name of [/bomb/, /stalled/])
    assert.equal(kinds(sent(name)).filter((kind) => kind === "headers").length, 100);
});
