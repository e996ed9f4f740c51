// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cpuNanoseconds,
  memoryBytes,
  parseChildren,
  parseRollup,
  parseSchedstat,
} from "../../loadtest/support/proc.ts";

test("schedstat's first field is the CPU time in nanoseconds", () => {
  assert.equal(parseSchedstat("123456789 2345 67\n"), 123456789);
});

test("text that is no schedstat line is refused, not counted as zero", () => {
  assert.throws(() => parseSchedstat("cpu0 1 2"), /not a schedstat line/);
});

test("smaps_rollup gives bytes of the field asked for", () => {
  const text = "Rss:                3816 kB\nPss:                1234 kB\nPss_Dirty:            99 kB\n";
  assert.equal(parseRollup(text, "Pss"), 1234 * 1024);
  assert.equal(parseRollup(text, "Rss"), 3816 * 1024);
  assert.throws(() => parseRollup("Size: 1 kB\n", "Pss"), /has no Pss/);
});

test("a process without children has none", () => {
  assert.deepEqual(parseChildren(""), []);
  assert.deepEqual(parseChildren("12 345 "), [12, 345]);
});

test("this very process has CPU time and memory", () => {
  assert.ok(cpuNanoseconds([process.pid]) > 0);
  assert.ok(memoryBytes([process.pid]) > 1024 * 1024);
});
