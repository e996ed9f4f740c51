// SPDX-License-Identifier: Apache-2.0
// Named stages, one after the other: each says how long it took, all run even if one fails, the last lines sum up.
import { step } from "./log.mjs";

const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/**
 * Runs stages {name, what, body}. A stage fails by throwing.
 * Answers the exit status.
 */
export async function runStages(stages) {
  const results = new Map();
  for (const stage of stages) {
    results.set(stage.name, await runStage(stage));
  }
  summarise(results);
  return [...results.values()].every((result) => result.outcome === "passed") ? 0 : 1;
}

async function runStage(stage) {
  step(`[${stage.name}] ${stage.what}`);
  const start = performance.now();
  try {
    await stage.body();
    return { outcome: "passed", ms: performance.now() - start, why: "" };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(`[${stage.name}] ${why}\n`);
    return { outcome: "failed", ms: performance.now() - start, why: why.split("\n", 1)[0] };
  }
}

function summarise(results) {
  const lines = [...results].map(([name, { outcome, ms, why }]) => {
    return `  ${outcome.padEnd(8)}${name.padEnd(8)}${seconds(ms).padStart(9)}  ${why}`.trimEnd();
  });
  const count = (wanted) => [...results.values()].filter(({ outcome }) => outcome === wanted).length;
  const total = [...results.values()].reduce((sum, { ms }) => sum + ms, 0);
  process.stdout.write(`\nStages:\n${lines.join("\n")}\n`);
  process.stdout.write(
    `Stages: ${count("passed")} passed, ${count("failed")} failed, in ${seconds(total)}\n`,
  );
}
