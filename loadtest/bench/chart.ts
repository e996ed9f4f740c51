// SPDX-License-Identifier: Apache-2.0
// The comparison of proxies as a picture: one group of bars for each goal, every bar relative to the better peer (1.0).
import { type Caption, draw, GOAL_COLOUR, type Group, PLAIN_COLOUR, REACHED_COLOUR } from "./bars.ts";
import { PROXY_NAMES, type ProxyName } from "./options.ts";
import type { Summary } from "./summary.ts";

const SUBJECT: ProxyName = "mango-edge";
const COLOURS: Readonly<Record<ProxyName, string>> = {
  nginx: "#8fa3b0",
  haproxy: "#5f7482",
  "mango-edge": "#e8871e",
};

interface ProxyBar {
  readonly proxy: ProxyName;
  readonly ratio: number;
}

// Every proxy against the better peer. Empty when no peer was measured.
export function barsOf(summary: Summary): readonly ProxyBar[] {
  const value = (proxy: ProxyName) => summary.measured[proxy]?.[summary.goal.metric]?.median;
  const peers = [value("nginx"), value("haproxy")].filter((each) => each !== undefined);
  if (peers.length === 0) return [];
  const best = Math.min(...peers);
  return PROXY_NAMES.flatMap((proxy) => {
    const own = value(proxy);
    return own === undefined ? [] : [{ proxy, ratio: own / best }];
  });
}

// What a goal's caption says, and in which colour.
export function goalCaption(ratio: number, reached: boolean | null): Caption {
  const goal = `goal ≤ ${ratio.toFixed(2)}`;
  if (reached === null) return { text: goal, colour: PLAIN_COLOUR };
  return reached
    ? { text: `${goal}: reached`, colour: REACHED_COLOUR }
    : { text: `${goal}: not reached`, colour: GOAL_COLOUR };
}

function groupOf(summary: Summary): Group {
  const [first = "", ...rest] = summary.title.split(", ");
  const { label, ratio } = summary.goal;
  return {
    bars: barsOf(summary).map((bar) => ({ series: PROXY_NAMES.indexOf(bar.proxy), ratio: bar.ratio })),
    goal: { series: PROXY_NAMES.indexOf(SUBJECT), ratio },
    captions: [
      { text: label, strong: true },
      { text: first },
      { text: rest.join(", ") },
      goalCaption(ratio, summary.reached),
    ],
  };
}

export function chart(summaries: readonly Summary[], subtitle: string): string {
  return draw({
    name: "mango-edge beside nginx and HAProxy",
    title: "Cost relative to the better of nginx and HAProxy (1.0), lower is better",
    subtitle,
    series: PROXY_NAMES.map((name) => ({ name, colour: COLOURS[name] })),
    goalName: "goal of mango-edge",
    groups: summaries.map(groupOf),
  });
}
