// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import type { Counters } from "../../src/metrics/counters.ts";
import type { DeviceFigures } from "../../src/metrics/device_metrics.ts";
import { createMetrics } from "../../src/metrics/registry.ts";
import { counters, facts, routeCounters, serverCounters } from "./fixture.ts";

function scrape(
  current: Counters | null,
  limits: { maxRoutes?: number; maxServers?: number } = {},
  device: DeviceFigures | null = null,
): Promise<string> {
  const source = { counters: () => current, facts: () => facts, device: async () => device };
  return createMetrics({ source, ...limits }).scrape();
}

function sampleOf(text: string, series: string): number | undefined {
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

test("a native histogram becomes cumulative buckets that end in +Inf, with sum and count", async () => {
  const text = await scrape(counters);
  const bucket = (le: string) =>
    sampleOf(text, `mango_request_duration_seconds_bucket{le="${le}",route="shop"}`);
  assert.deepEqual(["0.001", "0.01", "0.1", "+Inf"].map(bucket), [5, 8, 9, 11]);
  assert.equal(sampleOf(text, 'mango_request_duration_seconds_sum{route="shop"}'), 1.25);
  assert.equal(sampleOf(text, 'mango_request_duration_seconds_count{route="shop"}'), 11);
});

test("requests are counted by route and code, also those no route matched", async () => {
  const text = await scrape(counters);
  assert.equal(sampleOf(text, 'mango_requests_total{route="shop",code="200"}'), 11);
  assert.equal(sampleOf(text, 'mango_requests_total{route="",code="404"}'), 3);
});

test("a device tells of itself, and what it does not tell has no sample", async () => {
  const away = { state: "gone", resets: 2, lostListeners: ["web", "api"], fields: {} };
  const without = await scrape(counters, {}, away);
  const values = (text: string, ...names: string[]) =>
    names.map((name) => sampleOf(text, `mango_device_${name}`));
  assert.deepEqual(values(without, "up", "resets_total", "listeners_lost", "sessions"), [0, 2, 2, undefined]);
  const fields = {
    "sessions.open": "17",
    "clients.open": "3",
    "counters.rx_bytes": "1000",
    "counters.tx_bytes": "2000",
    "counters.accepted": "40",
    "device.ip": "10.0.0.2",
  };
  const text = await scrape(counters, {}, { ...away, state: "ready", lostListeners: [], fields });
  assert.deepEqual(values(text, "up", "sessions", "clients"), [1, 17, 3]);
  assert.deepEqual(values(text, "received_bytes_total", "sent_bytes_total"), [1000, 2000]);
  assert.deepEqual(values(text, 'operations_total{operation="accepted"}'), [40]);
  assert.ok(!text.includes("rx_bytes"));
});

test("gRPC calls are counted by route and status", async () => {
  const text = await scrape(counters);
  const calls = (status: string) =>
    sampleOf(text, `mango_grpc_responses_total{route="shop",grpc_status="${status}"}`);
  assert.deepEqual(["0", "14", "none", "13"].map(calls), [4, 1, 2, undefined]);
});

test("connections of bytes are counted by route, for they have no status", async () => {
  const routes = [{ ...routeCounters("database"), requests: [], grpc: [], connections: 3 }];
  const text = await scrape({ ...counters, routes });
  assert.equal(sampleOf(text, 'mango_route_connections_total{route="database"}'), 3);
  assert.ok(!text.includes("mango_grpc_responses_total{"));
});

test("routes past the limit share one series, and their histograms are added", async () => {
  const routes = ["a", "b", "c", "d"].map((name) => routeCounters(name));
  const text = await scrape({ ...counters, routes }, { maxRoutes: 2 });
  assert.equal(sampleOf(text, 'mango_requests_total{route="b",code="200"}'), 11);
  assert.equal(sampleOf(text, 'mango_requests_total{route="other",code="200"}'), 22);
  assert.equal(sampleOf(text, 'mango_request_duration_seconds_bucket{le="+Inf",route="other"}'), 22);
  assert.ok(!text.includes('route="c"'));
});

test("servers past the limit share one series", async () => {
  const servers = ["1", "2", "3"].map((name) => serverCounters("shop", name));
  const text = await scrape({ ...counters, servers }, { maxServers: 1 });
  assert.equal(sampleOf(text, 'mango_upstream_requests_total{upstream="other",server="other"}'), 22);
});

test("a thousand invented status codes cannot make a thousand series", async () => {
  const requests = Array.from({ length: 900 }, (_, index) => ({ status: 100 + index, count: 1 }));
  const text = await scrape({ ...counters, routes: [{ ...routeCounters("shop"), requests }] });
  const lines = text.split("\n").filter((line) => line.startsWith("mango_requests_total{"));
  assert.ok(lines.length < 80, `${lines.length} series`);
  assert.equal(
    lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0),
    900,
  );
});

test("without a data plane the control plane's own metrics are still there", async () => {
  const text = await scrape(null);
  assert.equal(sampleOf(text, "mango_config_generation"), 3);
  assert.equal(sampleOf(text, "mango_config_last_reload_successful"), 0);
  assert.equal(sampleOf(text, "mango_config_last_reload_success_timestamp_seconds"), 1_700_000_000.5);
  assert.equal(
    sampleOf(text, 'mango_certificate_expiry_timestamp_seconds{certificate="localhost"}'),
    1_800_000_000,
  );
  assert.ok(!text.includes("mango_requests_total{"));
  assert.match(text, /^process_cpu_seconds_total /m);
});

test("label values are escaped", async () => {
  const text = await scrape({ ...counters, routes: [routeCounters('a"b\\c\nd')] });
  assert.ok(text.includes('route="a\\"b\\\\c\\nd"'));
});

const promtool = spawnSync("promtool", ["--version"]).status === 0;

test("promtool has nothing to say about the exposition", {
  skip: promtool ? false : "promtool is not installed",
}, async () => {
  const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], {
    input: await scrape(counters),
  });
  assert.equal(`${stdout}${stderr}`, "");
  assert.equal(status, 0);
});
