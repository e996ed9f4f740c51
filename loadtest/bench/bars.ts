// SPDX-License-Identifier: Apache-2.0
// Groups of bars as an SVG picture: every bar relative to what its group is compared with (1.0), a line where a bar has
// to end. As many rows of groups as are needed to keep their captions apart. Plain strings: a chart library would be the
// only reason for one.

const WIDTH = 960;
const PLOT = { left: 64, right: 936, top: 92 } as const;
const ROW_HEIGHT = 340; // bars and captions
const PLOT_HEIGHT = 240; // bars alone
const GROUPS_A_ROW = 5;
const BAR_GAP = 6;
const GROUP_FILL = 0.74; // the rest of a group's width keeps it apart from the next
const SCALE_STEP = 0.25;
const SCALE_LIMIT = 2.5; // a bar beyond is cut, its label still tells
const LABEL_HEIGHT = 22; // a bar lower than this has its label above itself
const CAPTION_TOPS = [20, 37, 52, 70] as const;
const LEGEND = { mark: 20, letter: 6.6, gap: 28 } as const;
export const GOAL_COLOUR = "#b3261e";
export const REACHED_COLOUR = "#1b7f3b";
export const PLAIN_COLOUR = "#333";

export interface Series {
  readonly name: string;
  readonly colour: string;
}

export interface Bar {
  readonly series: number; // index into the picture's
  readonly ratio: number;
}

export interface Caption {
  readonly text: string;
  readonly strong?: boolean;
  readonly colour?: string;
}

export interface Group {
  readonly bars: readonly Bar[];
  readonly goal?: Bar; // where the bar of that series has to end
  readonly captions: readonly Caption[]; // four at most
}

export interface Picture {
  readonly name: string; // for who cannot see it
  readonly title: string;
  readonly subtitle: string;
  readonly series: readonly Series[];
  readonly goalName: string;
  readonly groups: readonly Group[];
}

// Where a row of groups stands, and how high a ratio is in it.
interface Row {
  readonly bottom: number;
  readonly top: number; // the highest ratio
  y(ratio: number): number;
}

// Where the bars of a group stand.
interface Places {
  readonly width: number;
  x(series: number): number;
}

function rowAt(index: number, top: number): Row {
  const bottom = PLOT.top + index * ROW_HEIGHT + PLOT_HEIGHT;
  return { bottom, top, y: (ratio) => bottom - (ratio / top) * PLOT_HEIGHT };
}

function placesIn(left: number, groupWidth: number, count: number): Places {
  const start = left + (groupWidth * (1 - GROUP_FILL)) / 2;
  const width = (groupWidth * GROUP_FILL) / count - BAR_GAP;
  return { width, x: (series) => start + series * (width + BAR_GAP) };
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

function goalLine(x1: number, x2: number, y: number): string {
  return line(x1, y, x2, y, `stroke="${GOAL_COLOUR}" stroke-width="3" stroke-dasharray="6 3"`);
}

function scaleTop(groups: readonly Group[]): number {
  const ratios = groups.flatMap((group) => group.bars.map((bar) => bar.ratio));
  return Math.min(SCALE_LIMIT, Math.ceil((Math.max(1, ...ratios) + 0.1) / SCALE_STEP) * SCALE_STEP);
}

function axis({ top, y }: Row): string[] {
  const marks: string[] = [];
  for (let ratio = 0; ratio <= top + 1e-9; ratio += SCALE_STEP) {
    const strong = Math.abs(ratio - 1) < 1e-9;
    const style = strong ? `stroke="${PLAIN_COLOUR}" stroke-width="1.5"` : 'stroke="#ddd"';
    marks.push(line(PLOT.left, y(ratio), PLOT.right, y(ratio), style));
    marks.push(text(PLOT.left - 8, y(ratio) + 4, ratio.toFixed(2), 'text-anchor="end" class="small"'));
  }
  return marks;
}

function barOf({ ratio }: Bar, series: Series, x: number, width: number, row: Row): string[] {
  const top = row.y(Math.min(ratio, row.top));
  const height = row.bottom - top;
  const [labelY, style] = height < LABEL_HEIGHT ? [top - 5, "outside"] : [row.bottom - 9, "value"];
  return [
    `<rect x="${x.toFixed(1)}" y="${top.toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}" fill="${series.colour}"><title>${escapeXml(series.name)} ${ratio.toFixed(2)}</title></rect>`,
    text(x + width / 2, labelY, ratio.toFixed(2), `text-anchor="middle" class="${style}"`),
  ];
}

function groupOf(group: Group, series: readonly Series[], left: number, width: number, row: Row): string[] {
  const places = placesIn(left, width, series.length);
  const bars = group.bars.flatMap((bar) => {
    const own = series[bar.series];
    return own === undefined ? [] : barOf(bar, own, places.x(bar.series), places.width, row);
  });
  const { goal } = group;
  const goalX = goal === undefined ? 0 : places.x(goal.series);
  const mark =
    goal === undefined
      ? []
      : [goalLine(goalX - 5, goalX + places.width + 5, row.y(Math.min(goal.ratio, row.top)))];
  return [...bars, ...mark, ...captionsOf(group, left + width / 2, row.bottom)];
}

function captionsOf(group: Group, middle: number, bottom: number): string[] {
  return CAPTION_TOPS.flatMap((top, index) => {
    const caption = group.captions[index];
    if (caption === undefined) return [];
    const style = `text-anchor="middle" class="${caption.strong === true ? "strong" : "small"}"`;
    const colour = caption.colour === undefined ? "" : ` fill="${caption.colour}"`;
    return [text(middle, bottom + top, caption.text, `${style}${colour}`)];
  });
}

function legend(series: readonly Series[], goalName: string): string[] {
  let x: number = PLOT.left;
  const entries = series.flatMap(({ name, colour }) => {
    const parts = [
      `<rect x="${x.toFixed(1)}" y="62" width="14" height="14" fill="${colour}"/>`,
      text(x + LEGEND.mark, 74, name, 'class="label"'),
    ];
    x += LEGEND.mark + name.length * LEGEND.letter + LEGEND.gap;
    return parts;
  });
  return [...entries, goalLine(x, x + 26, 69), text(x + 34, 74, goalName, 'class="label"')];
}

export function draw(picture: Picture): string {
  const { groups, series } = picture;
  const top = scaleTop(groups);
  const rows = Array.from({ length: Math.max(1, Math.ceil(groups.length / GROUPS_A_ROW)) }, (_, index) =>
    rowAt(index, top),
  );
  const width = (PLOT.right - PLOT.left) / Math.max(1, Math.min(groups.length, GROUPS_A_ROW));
  const height = PLOT.top + rows.length * ROW_HEIGHT;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escapeXml(picture.name)}</title>`,
    "<style>text{font-family:system-ui,'DejaVu Sans',sans-serif;font-size:13px}.small{font-size:11.5px}.value,.outside{font-size:12px;font-weight:600}.value{fill:#fff}.strong{font-weight:600}.title{font-size:19px;font-weight:600}</style>",
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text(PLOT.left, 30, picture.title, 'class="title"'),
    text(PLOT.left, 50, picture.subtitle, 'class="small"'),
    ...legend(series, picture.goalName),
    ...rows.flatMap((row, index) => [
      ...axis(row),
      ...groups
        .slice(index * GROUPS_A_ROW, (index + 1) * GROUPS_A_ROW)
        .flatMap((group, place) => groupOf(group, series, PLOT.left + place * width, width, row)),
    ]),
    "</svg>",
    "",
  ].join("\n");
}
