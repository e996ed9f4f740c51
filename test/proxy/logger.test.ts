// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigInvalidError } from "../../src/proxy/errors.ts";
import { createLogger, type LogLevel } from "../../src/proxy/logger.ts";

function recording(level: LogLevel = "info") {
  const lines: string[] = [];
  const logger = createLogger({ level, write: (line) => lines.push(line) });
  return { logger, lines, last: () => JSON.parse(lines.at(-1) ?? "null") as Record<string, unknown> };
}

test("a line is one JSON object with time, level and message", () => {
  const { logger, lines, last } = recording();
  logger.info({ port: 443 }, "ready");
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /^\{.*\}\n$/);
  const { time, ...rest } = last();
  assert.deepEqual(rest, { level: "info", msg: "ready", port: 443 });
  assert.ok(!Number.isNaN(Date.parse(String(time))));
});

test("what a peer sent cannot break out of its line", () => {
  const { logger, lines } = recording();
  logger.warn({ sni: 'a"\r\n{"level":"fatal"}\u2028' }, "line\nfeed");
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.trimEnd().includes("\n"), false);
});

test("levels below the chosen one are silent", () => {
  const { logger, lines } = recording("warn");
  logger.info("no");
  logger.child({ part: "x" }).debug("no");
  logger.error("yes");
  assert.equal(lines.length, 1);
});

test("secrets are masked wherever they stand", () => {
  const { logger, lines } = recording();
  logger.info(
    { token: "t0psecret", nested: { authorization: "Bearer t0psecret", keyPem: "t0psecret" } },
    "x",
  );
  assert.ok(!lines.join("").includes("t0psecret"));
});

test("an error with a code is told without its stack, one of our own with it", () => {
  const { logger, last } = recording();
  logger.error({ err: new ConfigInvalidError("bad file") }, "x");
  assert.deepEqual(last()["err"], {
    type: "ConfigInvalidError",
    message: "bad file",
    code: "CONFIG_INVALID",
  });
  logger.error(new TypeError("oops"));
  assert.match(String((last()["err"] as { stack: string }).stack), /TypeError: oops\n/);
});

test("fields that cannot be written do not stop the line", () => {
  const { logger, last } = recording();
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  logger.info({ circular }, "still here");
  assert.equal(last()["msg"], "still here");
});
