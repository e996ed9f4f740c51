// SPDX-License-Identifier: Apache-2.0
// The results as Markdown. Units are chosen by metric; a ratio below 1 means that mango-edge needs less.
import type { Environment } from "./environment.ts";
import { PROXY_NAMES, type ProxyName } from "./options.ts";
import type { Measured, Summary } from "./summary.ts";
import type { Metric } from "./workloads.ts";

export interface Results {
  readonly environment: Environment;
  readonly rounds: number;
  readonly seconds: number;
  readonly sessions: number;
  readonly halfLoadRate: number | null; // requests per second
  readonly summaries: readonly Summary[];
}

interface Column {
  readonly metric: Metric;
  readonly head: string;
  readonly print: (value: number) => string;
}

const micros = (value: number) => (value < 100 ? value.toFixed(1) : Math.round(value).toString());

const COLUMNS: readonly Column[] = [
  { metric: "cpuUs", head: "CPU µs/request", print: micros },
  {
    metric: "requestsPerSecond",
    head: "requests/s",
    print: (value) => Math.round(value).toLocaleString("en"),
  },
  { metric: "p50Us", head: "p50 µs", print: micros },
  { metric: "p99Us", head: "p99 µs", print: micros },
  { metric: "sessionBytes", head: "kB/session", print: (value) => (value / 1000).toFixed(1) },
];

export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? "---" : "---:"))), ...rows.map(line)].join(
    "\n",
  );
}

function cell(measured: Measured | undefined, metric: Metric): string {
  const range = measured?.[metric];
  return range === undefined
    ? "–"
    : (COLUMNS.find((column) => column.metric === metric)?.print(range.median) ?? "–");
}

function verdict(summary: Summary): string {
  if (summary.reached === null) return "–";
  return summary.reached ? "reached" : "**not reached**";
}

function goalTable(summaries: readonly Summary[]): string {
  const head = ["workload", "figure", ...PROXY_NAMES, "ratio to the better", "goal", ""];
  const rows = summaries.map((summary) => {
    const { metric, label, ratio } = summary.goal;
    const column = COLUMNS.find((each) => each.metric === metric);
    return [
      summary.title,
      `${label} (${
        column?.head
          .replace("/request", "")
          .replace("/session", "")
          .replace(/^\w+ µs|.* µs/, "µs") ?? ""
      })`,
      ...PROXY_NAMES.map((proxy) => cell(summary.measured[proxy], metric)),
      summary.ratios[metric]?.toFixed(2) ?? "–",
      `≤ ${ratio.toFixed(2)}`,
      verdict(summary),
    ];
  });
  return markdownTable(head, rows);
}

function spread(measured: Measured, metric: Metric): string {
  const range = measured[metric];
  if (range === undefined || range.median === 0) return "–";
  return `±${(((range.highest - range.lowest) / 2 / range.median) * 100).toFixed(0)}%`;
}

function detailTable(summary: Summary): string {
  const columns = COLUMNS.filter(({ metric }) =>
    Object.values(summary.measured).some((each) => each[metric] !== undefined),
  );
  const row = (proxy: ProxyName, measured: Measured) => [
    proxy,
    ...columns.map(({ metric }) => cell(measured, metric)),
    spread(measured, summary.goal.metric),
  ];
  const rows = PROXY_NAMES.flatMap((proxy) => {
    const measured = summary.measured[proxy];
    return measured === undefined ? [] : [row(proxy, measured)];
  });
  const ratios = columns.map(({ metric }) => summary.ratios[metric]?.toFixed(2) ?? "–");
  return [
    `### ${summary.title}`,
    "",
    ...(summary.note === undefined ? [] : [summary.note, ""]),
    markdownTable(
      ["", ...columns.map((column) => column.head), "spread"],
      [...rows, ["mango-edge / better peer", ...ratios, ""]],
    ),
  ].join("\n");
}

function environmentList(results: Results): string {
  const { environment } = results;
  return [
    `- ${environment.cpu}, ${environment.cores} cores, Linux ${environment.kernel}, ${environment.date}`,
    ...Object.entries(environment.proxies).map(([proxy, text]) => `- ${proxy} ${text}`),
    `- ${results.rounds} rounds of ${results.seconds} s in turn, medians; proxy on core 0, load and upstream on core 1`,
    ...(results.halfLoadRate === null
      ? []
      : [`- half load: ${results.halfLoadRate.toLocaleString("en")} requests/s for everybody`]),
  ].join("\n");
}

export function markdown(results: Results): string {
  return [
    "# mango-edge beside nginx and HAProxy",
    "",
    goalTable(results.summaries),
    "",
    environmentList(results),
    "",
    "## All figures",
    "",
    "The spread is half the distance between the lowest and the highest round of the figure that the goal is about.",
    "",
    results.summaries.map(detailTable).join("\n\n"),
    "",
  ].join("\n");
}
