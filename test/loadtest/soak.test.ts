// SPDX-License-Identifier: Apache-2.0
// What the soak calls a failure.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRunOptions } from "../../loadtest/support/run_options.ts";
import { describeSoak, judgeSoak, type SoakReport, thirds } from "../../loadtest/support/soak.ts";

const MiB = 1024 * 1024;
const good: SoakReport = {
  http2: { requests: 1000, requestsPerSecond: 100, errors: 0 },
  http1: { requests: 500, requestsPerSecond: 50, p50Us: 1, p99Us: 2, errors: 0 },
  reloads: 10,
  refused: [],
  sessionsLeft: 0,
  memory: [100, 101, 99, 104, 103, 102, 103, 102, 104].map((each) => each * MiB),
};

const judge = (change: Partial<SoakReport>) => judgeSoak({ ...good, ...change }, 10);

test("a soak without trouble has no findings, and its figures are printed", () => {
  assert.deepEqual(judge({}), []);
  assert.match(describeSoak(good), /memory {4}100\.0 MiB in the first third, 103\.0 MiB in the last/);
});

test("one failed exchange of either version is a finding, and so is none at all", () => {
  assert.deepEqual(judge({ http2: { ...good.http2, errors: 1 } }), ["HTTP/2: 1 of 1000 exchanges failed"]);
  assert.match(judge({ http1: { ...good.http1, requests: 0 } }).join(), /^HTTP\/1\.1: 0 of 0/);
});

test("refused and missing reloads, sessions left over and growing memory are findings", () => {
  assert.deepEqual(judge({ refused: ["no"] }), ["1 reloads failed: no"]);
  assert.deepEqual(judge({ reloads: 0 }), ["only 0 reloads in 10 s"]);
  assert.deepEqual(judge({ sessionsLeft: 3 }), ["3 sessions are left over"]);
  assert.deepEqual(judge({ memory: [100 * MiB, 110 * MiB, 130 * MiB] }), ["memory grows"]);
});

test("thirds of few samples are one sample each", () => {
  assert.deepEqual(thirds([1, 2]), { first: 1, last: 2 });
});

test("a soak lasts two minutes or as long as it is told to, and only watches its own instance", () => {
  assert.equal(parseRunOptions(["soak"], ["soak"]).soakSeconds, 120);
  assert.equal(parseRunOptions(["soak", "--duration", "10m"], ["soak"]).soakSeconds, 600);
  assert.throws(() => parseRunOptions(["soak", "--duration", "10"], ["soak"]), /such as 30s/);
  assert.throws(() => parseRunOptions(["soak", "--target", "https://a"], ["soak"]), /no --target/);
});
