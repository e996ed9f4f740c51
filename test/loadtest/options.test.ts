// SPDX-License-Identifier: Apache-2.0
// The command lines of bench and loadtest.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOptions, UsageError, WORKLOAD_NAMES } from "../../loadtest/bench/options.ts";
import { parseConformanceOptions } from "../../loadtest/conformance/options.ts";
import { listScenarios, summaryOf } from "../../loadtest/support/k6.ts";
import { help, parseRunOptions, UsageError as RunUsageError } from "../../loadtest/support/run_options.ts";
import { missingPackages } from "../../loadtest/support/tools.ts";

test("bench measures everything five times unless told otherwise", () => {
  const options = parseOptions([]);
  assert.equal(options.rounds, 5);
  assert.deepEqual(options.workloads, WORKLOAD_NAMES);
});

test("bench --quick is short, and single options still win", () => {
  const options = parseOptions(["--quick", "--rounds", "3", "--only", "body,idle"]);
  assert.deepEqual([options.rounds, options.seconds], [3, 2]);
  assert.deepEqual(options.workloads, ["body", "idle"]);
});

test("bench refuses what it does not know, naming what it does", () => {
  assert.throws(() => parseOptions(["--only", "bodies"]), /unknown "bodies", expected keepalive/);
  assert.throws(() => parseOptions(["--rounds", "0"]), UsageError);
  assert.throws(() => parseOptions(["--fast"]), UsageError);
});

test("every scenario says what it is, and the help lists it", () => {
  const scenarios = listScenarios();
  const text = help(scenarios);
  assert.ok(scenarios.length >= 6);
  for (const { name, summary } of scenarios) {
    assert.notEqual(summary, "", `${name}.js needs a line "// ${name}: ..."`);
    assert.ok(text.includes(summary));
  }
});

test("a scenario's summary is the comment that starts with its name", () => {
  assert.equal(summaryOf("spike", "// SPDX\n// spike: up and down\n"), "up and down");
  assert.equal(summaryOf("spike", "// smoke: no\n"), "");
});

test("settings of a load test reach the scenario as its environment, unset ones do not", () => {
  const options = parseRunOptions(["smoke", "--rate", "50", "--path", "/x"], ["smoke"]);
  assert.deepEqual(options.env, { RATE: "50", REQUEST_PATH: "/x" });
  assert.equal(options.target, undefined);
});

test("a load test needs one known scenario and sane options", () => {
  const names = ["smoke", "spike"];
  assert.throws(() => parseRunOptions([], names), /which scenario/);
  assert.throws(() => parseRunOptions(["smok"], names), /unknown scenario "smok" \(smoke, spike\)/);
  assert.throws(() => parseRunOptions(["smoke", "spike"], names), RunUsageError);
  assert.throws(() => parseRunOptions(["smoke", "--target", "localhost"], names), /expected a URL/);
  assert.throws(() => parseRunOptions(["smoke", "--rate", "fast"], names), /above 0/);
  assert.equal(parseRunOptions(["--help"], names).help, true);
});

test("missing programs become one apt command, each package once", () => {
  const find = (name: string) => (name === "nginx" ? "/usr/sbin/nginx" : undefined);
  assert.equal(
    missingPackages(["nginx", "c++", "wrk"], find),
    "sudo apt-get install -y --no-install-recommends g++ wrk",
  );
  assert.equal(missingPackages(["nginx"], find), undefined);
});

test("conformance runs against its own instance unless it is given a URL", () => {
  assert.equal(parseConformanceOptions([]).target, undefined);
  const { target } = parseConformanceOptions(["--target", "https://edge.example"]);
  assert.deepEqual(target, { host: "edge.example", port: 443, tls: true });
  assert.throws(() => parseConformanceOptions(["--target", "localhost:1"]), /expected a URL/);
  assert.throws(() => parseConformanceOptions(["--fast"]), /fast/);
});
