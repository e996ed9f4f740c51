// SPDX-License-Identifier: Apache-2.0
// upstreams: URLs that can be connected to, each once, and at least one that gets requests.
import { parseServerUrl } from "../addresses.ts";
import { milliseconds } from "../units.ts";
import { type CheckContext, checkUnique, entriesOf } from "./context.ts";

export function checkUpstreams(context: CheckContext): void {
  for (const [path, upstream] of entriesOf(context, "upstreams", context.document.upstreams)) {
    const keys = upstream.servers.map((server, index) => {
      const parsed = parseServerUrl(server.url);
      if ("url" in parsed) return parsed.url.key;
      context.reporter.error([...path, "servers", index, "url"], parsed.problem, {
        suggestion: parsed.suggestion,
      });
      return `${index}`;
    });
    checkUnique(context, [...path, "servers"], keys, "server");
    if (upstream.servers.every((server) => server.weight === 0)) {
      context.reporter.error([...path, "servers"], "all weights are 0: expected at least one above 0", {
        at: "key",
      });
    }
    const { baseEjectionTime, maxEjectionTime } = upstream.healthCheck.passive;
    if (milliseconds(baseEjectionTime) > milliseconds(maxEjectionTime)) {
      context.reporter.error(
        [...path, "healthCheck", "passive", "baseEjectionTime"],
        "expected at most maxEjectionTime",
      );
    }
    if (milliseconds(upstream.timeouts.connect) === 0) {
      context.reporter.error([...path, "timeouts", "connect"], "expected more than 0s");
    }
  }
}
