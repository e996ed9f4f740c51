// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { median, ratioToBest, reaches } from "../../loadtest/bench/statistics.ts";

test("the median of an odd number of values is the middle one, whatever their order", () => {
  assert.equal(median([9, 1, 5]), 5);
});

test("the median of an even number of values lies between the two in the middle", () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

test("nothing has no median", () => {
  assert.throws(() => median([]), /nothing/);
});

test("the ratio is taken against the better peer, which depends on the figure", () => {
  assert.equal(ratioToBest(8, [10, 16], "lower"), 0.8);
  assert.equal(ratioToBest(8, [10, 16], "higher"), 0.5);
});

test("two digits decide whether a goal is reached", () => {
  assert.equal(reaches(1.004, 1), true);
  assert.equal(reaches(1.006, 1), false);
  assert.equal(reaches(0.7, 0.7), true);
});
