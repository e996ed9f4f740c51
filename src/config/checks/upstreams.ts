// SPDX-License-Identifier: Apache-2.0
// upstreams: URLs that can be connected to, each once and all reached in one way, and at least one that gets
// requests.
import type { Path } from "../errors.ts";
import { ABOUT_EXCHANGES } from "../no_effect.ts";
import type { UpstreamConfig } from "../schema/root.ts";
import { isSecure, parseServerUrl, type Reach, reachOf, reachOfAll } from "../server_url.ts";
import { milliseconds } from "../units.ts";
import { type CheckContext, checkUnique, entriesOf } from "./context.ts";
import { checkWindows } from "./http2.ts";
import { refuseWritten } from "./no_effect.ts";
import { checkUpstreamTls } from "./upstream_tls.ts";

export function checkUpstreams(context: CheckContext): void {
  for (const [path, upstream] of entriesOf(context, "upstreams", context.document.upstreams)) {
    checkServers(context, [...path, "servers"], upstream);
    const reach = reachOfAll(upstream.servers);
    if (reach !== undefined) checkReach(context, path, upstream, reach);
    checkWindows(context, [...path, "http2"], upstream.http2);
    checkTimes(context, path, upstream);
  }
}

function checkServers(context: CheckContext, path: Path, { servers }: UpstreamConfig): void {
  const { reporter } = context;
  const usual = reachOfAll(servers);
  const keys = servers.map((server, index) => {
    const at = [...path, index, "url"];
    const parsed = parseServerUrl(server.url);
    if (!("url" in parsed)) {
      reporter.error(at, parsed.problem, { suggestion: parsed.suggestion });
      return `${index}`;
    }
    const reach = reachOf(parsed.url);
    if (usual !== undefined && !goesWith(reach, usual))
      reporter.error(
        at,
        `servers of one upstream are reached alike: ${said(reach)} does not go with ${said(usual)}`,
      );
    return parsed.url.key;
  });
  checkUnique(context, path, keys, "server");
  if (servers.every((server) => server.weight === 0))
    reporter.error(path, "all weights are 0: expected at least one above 0", { at: "key" });
}

// A Unix socket takes requests or bytes, but no TLS; the built-in service speaks HTTP.
function goesWith(reach: Reach, usual: Reach): boolean {
  if (reach === usual) return true;
  if (reach === "unix") return !isSecure(usual);
  const plain: readonly Reach[] = ["http", "builtin"];
  return plain.includes(reach) && plain.includes(usual);
}

function said(reach: Reach): string {
  return reach === "unix" || reach === "builtin" ? `${reach}:` : `${reach}://`;
}

function checkReach(context: CheckContext, path: Path, upstream: UpstreamConfig, reach: Reach): void {
  const { reporter } = context;
  const { tls, proxyProtocol, servers } = upstream;
  if (reach === "tcp" || reach === "tls") {
    refuseWritten(
      context,
      path,
      ABOUT_EXCHANGES,
      `with ${said(reach)} servers: bytes are forwarded, not requests`,
    );
  } else {
    checkProtocol(context, path, upstream, reach);
  }
  if (tls !== undefined && !isSecure(reach)) {
    const instead = reach === "tcp" ? "tls://" : "https://";
    reporter.error([...path, "tls"], `tls has no effect with ${said(reach)} servers; expected ${instead}`, {
      at: "key",
    });
  } else if (tls !== undefined) {
    checkUpstreamTls(context, [...path, "tls"], tls);
  }
  if (proxyProtocol !== undefined && servers.some(({ url }) => url.startsWith("builtin:")))
    reporter.error([...path, "proxyProtocol"], "the built-in service reads no PROXY header", { at: "key" });
}

const FITTING: Readonly<Record<NonNullable<UpstreamConfig["protocol"]>, readonly Reach[]>> = {
  http1: ["http", "https", "unix", "builtin"],
  h2c: ["http", "unix"],
  h2: ["https"],
  auto: ["https"],
};

function checkProtocol(context: CheckContext, path: Path, upstream: UpstreamConfig, reach: Reach): void {
  const { protocol = "http1" } = upstream;
  const fitting = FITTING[protocol];
  if (!fitting.includes(reach)) {
    const suggestion = fitting[0] === "https" && reach !== "builtin" ? "h2c" : undefined;
    context.reporter.error(
      [...path, "protocol"],
      `${protocol} needs ${fitting.map(said).join(" or ")} servers, not ${said(reach)}`,
      { suggestion: reach === "https" ? "h2" : suggestion },
    );
  } else if (protocol === "http1") {
    refuseWritten(context, path, ["http2"], "with protocol http1");
  }
}

function checkTimes({ reporter }: CheckContext, path: Path, { healthCheck, timeouts }: UpstreamConfig): void {
  const { baseEjectionTime, maxEjectionTime } = healthCheck.passive;
  if (milliseconds(baseEjectionTime) > milliseconds(maxEjectionTime)) {
    reporter.error(
      [...path, "healthCheck", "passive", "baseEjectionTime"],
      "expected at most maxEjectionTime",
    );
  }
  if (milliseconds(timeouts.connect) === 0)
    reporter.error([...path, "timeouts", "connect"], "expected more than 0s");
}
