// SPDX-License-Identifier: Apache-2.0
// The engines' figures as Markdown and as a picture. A ratio is of costs: of two throughputs it is turned round, so that
// below 1 is less than what the engine replaces, everywhere.
import { type Caption, draw, type Group } from "./bars.ts";
import { goalCaption } from "./chart.ts";
import { type Column, type Figures, type OffloadRow, SERIES, type SeriesName } from "./offload_row.ts";
import { markdownTable } from "./report.ts";
import { median, reaches } from "./statistics.ts";

const NAMES: Readonly<Record<SeriesName, string>> = {
  plain: "nginx, plain sockets, iperf3",
  kernel: "kernel engine",
  device: "device, gRPC",
  iceoryx: "device, iceoryx",
};
const COLOURS: Readonly<Record<SeriesName, string>> = {
  plain: "#8fa3b0",
  kernel: "#5f7482",
  device: "#e8871e",
  iceoryx: "#c25e0a",
};

export interface MeasuredVariant {
  readonly series: SeriesName;
  readonly label: string;
  readonly skipped?: string; // why there are no rounds
  readonly rounds: readonly Figures[];
}

export interface MeasuredRow {
  readonly row: Omit<OffloadRow, "variants">;
  readonly variants: readonly MeasuredVariant[];
}

export interface OffloadResults {
  readonly date: string;
  readonly machine: string;
  readonly versions: readonly string[];
  readonly rounds: number;
  readonly seconds: number;
  readonly deviceCore: string;
  readonly rows: readonly MeasuredRow[];
}

export function medianOf(variant: MeasuredVariant | undefined, metric: string): number | undefined {
  const values = (variant?.rounds ?? []).flatMap((figures) => figures[metric] ?? []);
  return values.length === 0 ? undefined : median(values);
}

// What a variant costs against plain; undefined where either was not measured.
export function costRatio({ row, variants }: MeasuredRow, series: SeriesName): number | undefined {
  const metric = row.columns[0]?.metric ?? "";
  const of = (name: SeriesName) =>
    medianOf(
      variants.find((variant) => variant.series === name),
      metric,
    );
  const [own, plain] = [of(series), of("plain")];
  if (own === undefined || plain === undefined) return undefined;
  return row.better === "lower" ? own / plain : plain / own;
}

function reached(measured: MeasuredRow): boolean | null {
  const ratio = costRatio(measured, "device");
  const { goal } = measured.row;
  return ratio === undefined || goal === undefined ? null : reaches(ratio, goal);
}

function print(value: number | undefined, { digits }: Pick<Column, "digits">): string {
  if (value === undefined) return "–";
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function spread(variant: MeasuredVariant, { metric }: Column): string {
  const values = variant.rounds.flatMap((figures) => figures[metric] ?? []);
  if (values.length === 0) return "–";
  const half = (Math.max(...values) - Math.min(...values)) / 2;
  return `±${((half / median(values)) * 100).toFixed(0)}%`;
}

function firstColumn(row: Pick<OffloadRow, "columns">): Column {
  const [first] = row.columns;
  if (first === undefined) throw new Error("a row without columns");
  return first;
}

function overview(rows: readonly MeasuredRow[]): string {
  const head = [
    "",
    "figure",
    "plain",
    "kernel engine",
    "device, gRPC",
    "device, iceoryx",
    "device against plain",
    "goal",
  ];
  const lines = rows.map((measured) => {
    const { row, variants } = measured;
    const first = firstColumn(row);
    const figures = SERIES.map((series) =>
      print(
        medianOf(
          variants.find((variant) => variant.series === series),
          first.metric,
        ),
        first,
      ),
    );
    const verdict = reached(measured);
    const goal = row.goal === undefined ? "–" : `≤ ${row.goal.toFixed(2)}`;
    const said = verdict === null ? "" : verdict ? ", reached" : ", **not reached**";
    return [
      row.title,
      first.head,
      ...figures,
      print(costRatio(measured, "device"), { digits: 2 }),
      `${goal}${said}`,
    ];
  });
  return markdownTable(head, lines);
}

function rowText(measured: MeasuredRow): string {
  const { row, variants } = measured;
  const columns = row.columns.filter(({ metric }) =>
    variants.some((variant) => medianOf(variant, metric) !== undefined),
  );
  const first = firstColumn(row);
  const lines = variants
    .filter((variant) => variant.skipped === undefined)
    .map((variant) => [
      variant.label,
      ...columns.map((column) => print(medianOf(variant, column.metric), column)),
      spread(variant, first),
      print(costRatio(measured, variant.series), { digits: 2 }),
    ]);
  const skipped = variants.flatMap(({ label, skipped: why }) =>
    why === undefined ? [] : [`Not measured: ${label}, because ${why}.`, ""],
  );
  return [
    `### ${row.title}`,
    "",
    markdownTable(["", ...columns.map((column) => column.head), "spread", "cost against plain"], lines),
    "",
    ...skipped,
    `What limits it: ${row.limit}`,
    "",
  ].join("\n");
}

export function offloadMarkdown(results: OffloadResults): string {
  return [
    "# The engines below mango-edge",
    "",
    overview(results.rows),
    "",
    `- ${results.machine}, ${results.date}`,
    ...results.versions.map((version) => `- ${version}`),
    `- ${results.rounds} rounds of ${results.seconds} s in turn, medians; proxy or client on core 0, load generator and upstream or peer on core 1, mango-toed on ${results.deviceCore}`,
    "- CPU is user and system time of a whole process for one request or operation; the machine's is all that both cores did",
    "- a ratio is of costs: of throughputs and rates it is turned round, so that less is better everywhere",
    "",
    "## All figures",
    "",
    ...results.rows.map(rowText),
  ].join("\n");
}

function groupOf(measured: MeasuredRow): Group {
  const { row } = measured;
  const [what = "", ...rest] = row.title.split(", ");
  const goal = row.goal === undefined ? {} : { goal: { series: SERIES.indexOf("device"), ratio: row.goal } };
  const caption: readonly Caption[] =
    row.goal === undefined ? [] : [goalCaption(row.goal, reached(measured))];
  return {
    bars: SERIES.flatMap((name, series) => {
      const ratio = costRatio(measured, name);
      return ratio === undefined ? [] : [{ series, ratio }];
    }),
    ...goal,
    captions: [
      { text: firstColumn(row).head, strong: true },
      { text: what },
      { text: rest.join(", ") },
      ...caption,
    ],
  };
}

export function offloadChart(results: OffloadResults): string {
  return draw({
    name: "mango-edge's engines beside what they replace",
    title: "Cost relative to nginx, plain sockets and plain iperf3 (1.0), lower is better",
    subtitle: `${results.machine}, ${results.date}, ${results.rounds} rounds; throughputs and rates turned round`,
    series: SERIES.map((name) => ({ name: NAMES[name], colour: COLOURS[name] })),
    goalName: "goal of the device",
    groups: results.rows.map(groupOf),
  });
}
