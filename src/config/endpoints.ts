// SPDX-License-Identifier: Apache-2.0
// What the control plane has to find out before a snapshot is complete: names to resolve, built-in services to start.
import { parseServerUrl } from "./server_url.ts";
import type { EdgeConfig } from "./types.ts";

export interface NamedServer {
  readonly key: string; // of the endpoints map and of the snapshot
  readonly host: string;
  readonly port: number;
}

export interface OpenEndpoints {
  readonly named: readonly NamedServer[];
  readonly builtins: ReadonlySet<"demo">; // their key is "builtin:" and the name
}

export function openEndpoints(config: EdgeConfig): OpenEndpoints {
  const named = new Map<string, NamedServer>();
  const builtins = new Set<"demo">();
  for (const server of Object.values(config.upstreams).flatMap((upstream) => upstream.servers)) {
    const parsed = parseServerUrl(server.url);
    if (!("url" in parsed)) continue;
    const { url } = parsed;
    if (url.kind === "builtin") builtins.add(url.name);
    if (url.kind === "network" && !url.literal)
      named.set(url.key, { key: url.key, host: url.host, port: url.port });
  }
  return { named: [...named.values()], builtins };
}
