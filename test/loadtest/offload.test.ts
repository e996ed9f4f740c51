// SPDX-License-Identifier: Apache-2.0
// The comparison of engines: its command line, what it reads, its report and its picture.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OFFLOAD_ROWS } from "../../loadtest/bench/offload.ts";
import { parseIperf } from "../../loadtest/bench/offload_iperf.ts";
import {
  costRatio,
  type MeasuredRow,
  type OffloadResults,
  offloadChart,
  offloadMarkdown,
} from "../../loadtest/bench/offload_report.ts";
import type { Figures, SeriesName } from "../../loadtest/bench/offload_row.ts";
import { OFFLOAD_ROW_NAMES, parseOptions, UsageError, WORKLOAD_NAMES } from "../../loadtest/bench/options.ts";
import { parseMachineBusy } from "../../loadtest/support/proc.ts";

const [PROXY, ECHO, SEND] = OFFLOAD_ROWS;

type Rounds = Partial<Record<SeriesName, readonly Figures[]>>;

// A row as if measured; what has no rounds was left out.
function measured(row: (typeof OFFLOAD_ROWS)[number] | undefined, rounds: Rounds): MeasuredRow {
  assert.ok(row !== undefined);
  const { variants, ...rest } = row;
  return {
    row: rest,
    variants: variants.map(({ series, label }) => {
      const own = rounds[series];
      return {
        series,
        label,
        ...(own === undefined ? { skipped: "it is not there" } : {}),
        rounds: own ?? [],
      };
    }),
  };
}

function resultsOf(...rows: readonly MeasuredRow[]): OffloadResults {
  const where = { date: "2026-01-01 00:00", machine: "A <fast> CPU", deviceCore: "core 1" };
  return { ...where, versions: ["nginx 1.22"], rounds: 3, seconds: 5, rows };
}

const proxy = measured(PROXY, {
  plain: [{ hostUs: 20 }, { hostUs: 22 }, { hostUs: 21 }],
  kernel: [{ hostUs: 16.8 }],
  device: [{ hostUs: 6.3, deviceUs: 14 }],
});

test("offload measures every row unless told otherwise, and --only is about its own rows", () => {
  assert.deepEqual(parseOptions(["offload"]).offloadRows, OFFLOAD_ROW_NAMES);
  assert.deepEqual(
    OFFLOAD_ROWS.map((row) => row.name),
    OFFLOAD_ROW_NAMES,
  );
  const { suite, offloadRows, workloads } = parseOptions(["offload", "--only", "echo,control"]);
  assert.deepEqual([suite, offloadRows, workloads], ["offload", ["echo", "control"], WORKLOAD_NAMES]);
  assert.throws(
    () => parseOptions(["offload", "--only", "keepalive"]),
    /unknown "keepalive", expected proxy/,
  );
});

test("an unknown suite, two of them, and a core that is not there are refused", () => {
  assert.throws(() => parseOptions(["onload"]), /unknown suite "onload"/);
  assert.throws(() => parseOptions(["offload", "proxies"]), UsageError);
  assert.throws(() => parseOptions(["offload", "--device-core", "2"]), /expected 0 or 1/);
  assert.equal(parseOptions(["offload", "--device-core", "0"]).deviceCore, 0);
});

test("the machine's busy time is what its cores did, without idling, waiting and what was stolen", () => {
  const text = "cpu  100 10 50 9999 9999 5 5 9999 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
  assert.equal(parseMachineBusy(text), 170 * 10_000_000);
  assert.throws(() => parseMachineBusy("intr 1\n"), /no line of all cores/);
});

test("iperf3's bytes and the client's share of a core are read, and its own error is told", () => {
  const sum_received = { bytes: 2e9, bits_per_second: 8e9, seconds: 2 };
  const text = JSON.stringify({ end: { sum_received, cpu_utilization_percent: { host_total: 50 } } });
  assert.deepEqual(parseIperf(text), { bytes: 2e9, bitsPerSecond: 8e9, clientCpuNs: 1e9 });
  assert.throws(() => parseIperf('{"error":"unable to connect"}'), /unable to connect/);
});

test("a ratio is of costs: throughputs are turned round", () => {
  assert.equal(costRatio(proxy, "device"), 6.3 / 21);
  const send = measured(SEND, { plain: [{ gigabits: 20 }], kernel: [{ gigabits: 10 }] });
  assert.equal(costRatio(send, "kernel"), 2);
  assert.equal(costRatio(send, "device"), undefined);
});

test("the report has figures, ratio and goal in one row", () => {
  const text = offloadMarkdown(resultsOf(proxy));
  assert.match(text, /\| 21\.0 \| 16\.8 \| 6\.3 \| – \| 0\.30 \| ≤ 0\.35, reached \|/);
  assert.match(text, /mango-toed on core 1/);
  for (const row of OFFLOAD_ROWS) assert.match(row.limit, /^[A-Z].*\.$/s);
});

test("what was left out is said in the report, with its reason", () => {
  const text = offloadMarkdown(resultsOf(measured(ECHO, { plain: [{ p50Us: 30 }] })));
  assert.match(text, /Not measured: libmango, device, iceoryx, because it is not there\./);
  assert.doesNotMatch(text, /NaN|undefined/);
});

test("the picture has a bar for everything measured, and the goal of the device", () => {
  const svg = offloadChart(
    resultsOf(proxy, measured(SEND, { plain: [{ gigabits: 20 }] }), measured(ECHO, {})),
  );
  assert.equal(svg.match(/<rect [^>]*><title>[^<]+ \d+\.\d\d<\/title><\/rect>/g)?.length, 4);
  assert.match(svg, /A &lt;fast&gt; CPU/);
  assert.match(svg, /goal ≤ 0\.35: reached/);
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
});
