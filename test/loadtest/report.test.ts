// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { barsOf, chart } from "../../loadtest/bench/chart.ts";
import { PROXY_NAMES, type ProxyName } from "../../loadtest/bench/options.ts";
import { markdown } from "../../loadtest/bench/report.ts";
import { type SampleRecord, summarize } from "../../loadtest/bench/summary.ts";
import { WORKLOADS } from "../../loadtest/bench/workloads.ts";

const keepAlive = WORKLOADS[0]!;

function rounds(proxy: ProxyName, cpu: readonly number[]): SampleRecord[] {
  return cpu.map((cpuUs, round) => {
    const sample = { cpuUs, requestsPerSecond: 1e6 / cpuUs };
    return { workload: keepAlive.name, proxy, round, sample };
  });
}

const records = [
  ...rounds("nginx", [20, 22, 21]),
  ...rounds("haproxy", [20, 19, 90]),
  ...rounds("mango-edge", [17, 15, 16]),
];
const environment = {
  date: "2026-01-01 00:00",
  cpu: "A <fast> CPU",
  cores: 2,
  kernel: "6.1",
  proxies: { nginx: "1.22" },
};

test("a summary compares medians with the better peer, figure by figure", () => {
  const summary = summarize(keepAlive, records);
  assert.equal(summary.measured.haproxy?.cpuUs?.median, 20);
  assert.equal(summary.ratios.cpuUs, 16 / 20);
  assert.equal(summary.ratios.requestsPerSecond, 20 / 16);
  assert.equal(summary.reached, true);
});

test("a goal is open, not missed, while mango-edge or the peers were not measured", () => {
  assert.equal(summarize(keepAlive, rounds("nginx", [20])).reached, null);
  assert.equal(summarize(keepAlive, rounds("mango-edge", [20])).reached, null);
});

test("a goal that is missed is said to be", () => {
  const summary = summarize(keepAlive, [...rounds("nginx", [20]), ...rounds("mango-edge", [19.5])]);
  assert.equal(summary.reached, false);
  assert.match(report([summary]), /not reached/);
});

function report(summaries: Parameters<typeof markdown>[0]["summaries"]): string {
  return markdown({ environment, rounds: 3, seconds: 5, sessions: 5000, halfLoadRate: 12000, summaries });
}

test("the report's first table has figures, ratio and goal in one row", () => {
  const text = report([summarize(keepAlive, records)]);
  assert.match(text, /\| 1 KiB, keep-alive.*\| 21\.0 \| 20\.0 \| 16\.0 \| 0\.80 \| ≤ 0\.95 \| reached \|/);
  assert.match(text, /half load: 12,000 requests\/s/);
});

test("bars are relative to the better peer", () => {
  assert.deepEqual(
    barsOf(summarize(keepAlive, records)).map(({ proxy, ratio }) => `${proxy} ${ratio}`),
    ["nginx 1.05", "haproxy 1", "mango-edge 0.8"],
  );
});

test("the chart is one well-formed picture with every bar and the goal, names escaped", () => {
  const svg = chart([summarize(keepAlive, records)], environment.cpu);
  assert.equal(svg.match(/<title>(nginx|haproxy|mango-edge) [\d.]+<\/title>/g)?.length, PROXY_NAMES.length);
  assert.match(svg, /A &lt;fast&gt; CPU/);
  assert.match(svg, /goal ≤ 0\.95: reached/);
  assert.equal(svg.match(/<text /g)?.length, svg.match(/<\/text>/g)?.length);
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
});

test("many workloads stand in several rows, one below the other", () => {
  const height = (count: number) => {
    const svg = chart(
      Array.from({ length: count }, () => summarize(keepAlive, records)),
      "",
    );
    assert.equal(svg.match(/<title>mango-edge [\d.]+<\/title>/g)?.length, count);
    return Number(/height="(\d+)" role/.exec(svg)?.[1]);
  };
  assert.equal(height(1), height(5));
  assert.equal(height(11) - height(10), height(6) - height(5));
});

test("what a reader has to know of a workload stands above its figures", () => {
  const summary = summarize({ ...keepAlive, note: "The upstream speaks h2c." }, records);
  assert.match(report([summary]), /\n\nThe upstream speaks h2c\.\n\n\|/);
});

test("a chart of peers alone, or of nothing, is still a picture", () => {
  for (const summaries of [[], [summarize(keepAlive, rounds("nginx", [20]))]]) {
    assert.doesNotMatch(chart(summaries, ""), /NaN|undefined|Infinity/);
  }
});
