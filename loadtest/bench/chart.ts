// SPDX-License-Identifier: Apache-2.0
// The comparison as an SVG picture: one group of bars for each goal, every bar relative to the better peer (1.0),
// a line where mango-edge has to end. As many rows of groups as are needed to keep their captions apart. Plain strings:
// a chart library would be the only reason for one.
import { PROXY_NAMES, type ProxyName } from "./options.ts";
import type { Summary } from "./summary.ts";

const WIDTH = 960;
const PLOT = { left: 64, right: 936, top: 92 } as const;
const ROW_HEIGHT = 340; // bars and captions
const PLOT_HEIGHT = 240; // bars alone
const GROUPS_A_ROW = 5;
const BAR_GAP = 6;
const GROUP_FILL = 0.74; // the rest of a group's width keeps it apart from the next
const SCALE_STEP = 0.25;
const SCALE_LIMIT = 2.5; // a bar beyond is cut, its label still tells
const COLOURS: Readonly<Record<ProxyName, string>> = {
  nginx: "#8fa3b0",
  haproxy: "#5f7482",
  "mango-edge": "#e8871e",
};
const GOAL_COLOUR = "#b3261e";
const REACHED_COLOUR = "#1b7f3b";

interface Bar {
  readonly proxy: ProxyName;
  readonly ratio: number;
}

interface Group {
  readonly summary: Summary;
  readonly bars: readonly Bar[];
}

// Where a row of groups stands, and how high a ratio is in it.
interface Row {
  readonly bottom: number;
  readonly top: number; // the highest ratio
  y(ratio: number): number;
}

function rowAt(index: number, top: number): Row {
  const bottom = PLOT.top + index * ROW_HEIGHT + PLOT_HEIGHT;
  return { bottom, top, y: (ratio) => bottom - (ratio / top) * PLOT_HEIGHT };
}

function escapeXml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

function text(x: number, y: number, content: string, attributes = ""): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escapeXml(content)}</text>`;
}

function line(x1: number, y1: number, x2: number, y2: number, attributes: string): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map((each) => each.toFixed(1));
  return `<line x1="${a}" y1="${b}" x2="${c}" y2="${d}" ${attributes}/>`;
}

// Every proxy against the better peer. Empty when no peer was measured.
export function barsOf(summary: Summary): readonly Bar[] {
  const value = (proxy: ProxyName) => summary.measured[proxy]?.[summary.goal.metric]?.median;
  const peers = [value("nginx"), value("haproxy")].filter((each) => each !== undefined);
  if (peers.length === 0) return [];
  const best = Math.min(...peers);
  return PROXY_NAMES.flatMap((proxy) => {
    const own = value(proxy);
    return own === undefined ? [] : [{ proxy, ratio: own / best }];
  });
}

function scaleTop(groups: readonly (readonly Bar[])[]): number {
  const highest = Math.max(1, ...groups.flat().map((bar) => bar.ratio));
  return Math.min(SCALE_LIMIT, Math.ceil((highest + 0.1) / SCALE_STEP) * SCALE_STEP);
}

function axis({ top, y }: Row): string[] {
  const marks: string[] = [];
  for (let ratio = 0; ratio <= top + 1e-9; ratio += SCALE_STEP) {
    const strong = Math.abs(ratio - 1) < 1e-9;
    const style = strong ? 'stroke="#333" stroke-width="1.5"' : 'stroke="#ddd"';
    marks.push(line(PLOT.left, y(ratio), PLOT.right, y(ratio), style));
    marks.push(text(PLOT.left - 8, y(ratio) + 4, ratio.toFixed(2), 'text-anchor="end" class="small"'));
  }
  return marks;
}

function groupOf({ summary, bars }: Group, left: number, width: number, row: Row): string[] {
  const { bottom, top, y } = row;
  const start = left + (width * (1 - GROUP_FILL)) / 2;
  const barWidth = (width * GROUP_FILL) / PROXY_NAMES.length - BAR_GAP;
  const parts = bars.flatMap(({ proxy, ratio }) => {
    const x = start + PROXY_NAMES.indexOf(proxy) * (barWidth + BAR_GAP);
    const barTop = y(Math.min(ratio, top));
    return [
      `<rect x="${x.toFixed(1)}" y="${barTop.toFixed(1)}" width="${barWidth.toFixed(1)}" height="${(bottom - barTop).toFixed(1)}" fill="${COLOURS[proxy]}"><title>${escapeXml(proxy)} ${ratio.toFixed(2)}</title></rect>`,
      text(x + barWidth / 2, bottom - 9, ratio.toFixed(2), 'text-anchor="middle" class="value"'),
    ];
  });
  const goalX = start + 2 * (barWidth + BAR_GAP);
  const goalY = y(summary.goal.ratio);
  parts.push(
    line(
      goalX - 5,
      goalY,
      goalX + barWidth + 5,
      goalY,
      `stroke="${GOAL_COLOUR}" stroke-width="3" stroke-dasharray="6 3"`,
    ),
  );
  return [...parts, ...captions(summary, left + width / 2, bottom)];
}

function captions(summary: Summary, middle: number, bottom: number): string[] {
  const [first = "", ...rest] = summary.title.split(", ");
  const goal = `goal ≤ ${summary.goal.ratio.toFixed(2)}`;
  const verdict = summary.reached === null ? goal : `${goal}: ${summary.reached ? "reached" : "not reached"}`;
  const colour = summary.reached === false ? GOAL_COLOUR : REACHED_COLOUR;
  return [
    text(middle, bottom + 20, summary.goal.label, 'text-anchor="middle" class="strong"'),
    text(middle, bottom + 37, first, 'text-anchor="middle" class="small"'),
    text(middle, bottom + 52, rest.join(", "), 'text-anchor="middle" class="small"'),
    text(
      middle,
      bottom + 70,
      verdict,
      `text-anchor="middle" class="small" fill="${summary.reached === null ? "#333" : colour}"`,
    ),
  ];
}

function legend(): string[] {
  const entries = PROXY_NAMES.flatMap((proxy, index) => {
    const x = PLOT.left + index * 120;
    return [
      `<rect x="${x}" y="62" width="14" height="14" fill="${COLOURS[proxy]}"/>`,
      text(x + 20, 74, proxy, 'class="label"'),
    ];
  });
  const x = PLOT.left + PROXY_NAMES.length * 120 + 16;
  const mark = line(x, 69, x + 26, 69, `stroke="${GOAL_COLOUR}" stroke-width="3" stroke-dasharray="6 3"`);
  return [...entries, mark, text(x + 34, 74, "goal of mango-edge", 'class="label"')];
}

export function chart(summaries: readonly Summary[], subtitle: string): string {
  const groups = summaries.map((summary) => ({ summary, bars: barsOf(summary) }));
  const top = scaleTop(groups.map((group) => group.bars));
  const rows = Array.from({ length: Math.max(1, Math.ceil(groups.length / GROUPS_A_ROW)) }, (_, index) =>
    rowAt(index, top),
  );
  const width = (PLOT.right - PLOT.left) / Math.max(1, Math.min(groups.length, GROUPS_A_ROW));
  const height = PLOT.top + rows.length * ROW_HEIGHT;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    "<title>mango-edge beside nginx and HAProxy</title>",
    "<style>text{font-family:system-ui,'DejaVu Sans',sans-serif;font-size:13px}.small{font-size:11.5px}.value{font-size:12px;font-weight:600;fill:#fff}.strong{font-weight:600}.title{font-size:19px;font-weight:600}</style>",
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(
      PLOT.left,
      30,
      "Cost relative to the better of nginx and HAProxy (1.0), lower is better",
      'class="title"',
    ),
    text(PLOT.left, 50, subtitle, 'class="small"'),
    ...legend(),
    ...rows.flatMap((row, index) => [
      ...axis(row),
      ...groups
        .slice(index * GROUPS_A_ROW, (index + 1) * GROUPS_A_ROW)
        .flatMap((group, place) => groupOf(group, PLOT.left + place * width, width, row)),
    ]),
    "</svg>",
    "",
  ].join("\n");
}
