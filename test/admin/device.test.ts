// SPDX-License-Identifier: Apache-2.0
// The offload device through the admin API: what it tells, its reset, and an honest /readyz while it is away.
import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonType, startHarness } from "./harness.ts";

const away = {
  engine: "device 1 at localhost:32847",
  ipc: { address: "localhost:32847", index: 1 },
  state: "gone",
  error: "the device does not answer",
  resets: 3,
  lostListeners: ["web"],
} as const;

test("the device resource says what runs below, numbers as numbers", async (t) => {
  const { ask, plane } = await startHarness(t);
  plane.fields = {
    "device.ip": "10.0.0.2",
    "device.version": "0.1.0",
    "device.state": "ready",
    "session.max": "65536",
    "sessions.open": "12",
    "counters.rx_bytes": "900",
  };
  const { status, json } = await ask("/v1/device");
  assert.equal(status, 200);
  assert.deepEqual(json, {
    engine: "kernel (built in)",
    ipc: null,
    state: "ready",
    error: "",
    resets: 0,
    lostListeners: [],
    ip: "10.0.0.2",
    version: "0.1.0",
    session: { max: 65536 },
    sessions: { open: 12 },
    counters: { rx_bytes: 900 },
  });
});

test("a device that is away is not asked, and readyz says so with the listeners that wait", async (t) => {
  const { ask, plane } = await startHarness(t);
  plane.device = away;
  const report = await ask("/v1/device");
  assert.deepEqual([report.status, report.json["state"], report.json["resets"]], [200, "gone", 3]);
  assert.ok(!plane.calls.some(([name]) => name === "askDevice"));
  const ready = await ask("/readyz");
  assert.equal(ready.status, 503);
  assert.match(String(ready.headers["content-type"]), /problem\+json/);
  assert.equal(ready.json["code"], "DEVICE_UNAVAILABLE");
  assert.deepEqual(ready.json["device"], {
    state: "gone",
    error: "the device does not answer",
    listeners: ["web"],
  });
  assert.equal(
    ready.json["detail"],
    "device 1 at localhost:32847 is gone: the device does not answer; not listening: web",
  );
  assert.equal((await ask("/healthz")).status, 200);
  const metrics = await ask("/metrics");
  assert.match(metrics.text, /^mango_device_up 0$/m);
  assert.match(metrics.text, /^mango_ready 0$/m);
  plane.device = { ...away, state: "ready", error: "", lostListeners: [] };
  assert.equal((await ask("/readyz")).status, 200);
});

const bodies = [
  ["nothing", undefined, false],
  ["an empty object", "{}", false],
  ["preserve", '{"preserve": true}', true],
] as const;

for (const [what, body, preserve] of bodies) {
  test(`a reset is begun with ${what}, and answered when it has`, async (t) => {
    const { ask, plane, log } = await startHarness(t);
    const headers = body === undefined ? {} : jsonType;
    const answer = await ask("/v1/device/reset", {
      method: "POST",
      headers,
      ...(body === undefined ? {} : { body }),
    });
    assert.deepEqual([answer.status, answer.json], [202, { state: "resetting", resets: 1 }]);
    assert.deepEqual(plane.calls.at(-1), ["resetDevice", preserve]);
    assert.ok(log.some((line) => line.includes("device reset by an operator")));
    assert.equal((await ask("/readyz")).status, 503);
  });
}

test("a reset with a body that means nothing is refused", async (t) => {
  const { ask, plane } = await startHarness(t);
  for (const body of ['{"preserved": true}', '{"preserve": "maybe"}', "[]"]) {
    const answer = await ask("/v1/device/reset", { method: "POST", headers: jsonType, body });
    assert.deepEqual([answer.status, answer.json["code"]], [400, "BAD_REQUEST"], body);
  }
  assert.ok(!plane.calls.some(([name]) => name === "resetDevice"));
});

const refusals = [
  ["DEVICE_UNAVAILABLE", 503],
  ["NOT_IMPLEMENTED", 501],
] as const;

for (const [code, status] of refusals) {
  test(`a reset that the data plane refuses with ${code} is a problem document`, async (t) => {
    const { ask, plane } = await startHarness(t);
    plane.refuse = { code, message: "not now" };
    const answer = await ask("/v1/device/reset", { method: "POST" });
    assert.deepEqual([answer.status, answer.json["code"], answer.json["detail"]], [status, code, "not now"]);
  });
}

test("without a data plane there is no device", async (t) => {
  const { ask } = await startHarness(t, { start: false });
  assert.equal((await ask("/v1/device")).status, 503);
  assert.equal((await ask("/v1/device/reset", { method: "POST" })).status, 503);
  assert.doesNotMatch((await ask("/metrics")).text, /^mango_device_up/m);
});

test("what becomes of the device is an event and a line in the log", async (t) => {
  const { ask, plane, log } = await startHarness(t);
  const event = {
    type: "device",
    timeMs: 1,
    engine: away.engine,
    state: "gone",
    resets: 3,
    reason: "",
  } as const;
  plane.emit([event]);
  const { events } = (await ask("/v1/events")).json as { events: readonly Record<string, unknown>[] };
  assert.deepEqual(events, [{ id: 1, ...event }]);
  assert.ok(log.some((line) => line.includes("offload device gone")));
});
