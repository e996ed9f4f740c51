// SPDX-License-Identifier: Apache-2.0
// Says that the proxy accepts, and where: to people on standard output, to programs as a JSON document in a file or
// on a file descriptor. The file appears whole or not at all.
import { closeSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { speaksHttp } from "../config/index.ts";
import type { Loaded } from "../proxy/config_source.ts";
import type { ListenerAddress } from "../proxy/control.ts";

export interface ReadyFacts {
  readonly pid: number;
  readonly admin: { readonly address: string; readonly port: number; readonly url: string } | null;
  readonly listeners: readonly ListenerAddress[];
}

export function announce(facts: ReadyFacts, loaded: Loaded, readyFile: string | undefined): void {
  process.stdout.write(readyText(facts, loaded));
  const document = `${JSON.stringify(facts)}\n`;
  if (readyFile !== undefined) {
    const partial = `${readyFile}.${process.pid}.tmp`;
    writeFileSync(partial, document);
    renameSync(partial, readyFile);
  }
  const descriptor = Number(process.env["MANGO_EDGE_READY_FD"]);
  if (!Number.isInteger(descriptor) || descriptor < 3) return;
  writeSync(descriptor, document);
  closeSync(descriptor);
}

export function readyText(
  { pid, admin, listeners }: ReadyFacts,
  { document }: Pick<Loaded, "document">,
): string {
  const urls = listeners.map((listener) => {
    const protocol = document.listeners[listener.name]?.protocol ?? "http";
    return {
      name: listener.name,
      protocol,
      url: `${protocol}://${reachable(listener.address)}:${listener.port}${speaksHttp({ protocol }) ? "/" : ""}`,
    };
  });
  const width = Math.max(5, ...urls.map(({ name }) => name.length));
  return [
    `mango-edge is ready (pid ${pid})`,
    ...urls.map(({ name, url }) => `  ${name.padEnd(width)}  ${url}`),
    ...(admin === null ? [] : [`  ${"admin".padEnd(width)}  ${admin.url}/`]),
    "Try:",
    ...urls
      .filter(speaksHttp)
      .map(({ protocol, url }) => `  curl ${protocol === "https" ? "-k " : "-i "}${url}`),
    ...(admin === null ? [] : [`  curl ${admin.url}/metrics`, `  curl ${admin.url}/v1/sessions`]),
    "Ctrl-C drains and stops.",
    "",
  ].join("\n");
}

// A wildcard is no address one can connect to.
function reachable(address: string): string {
  if (["0.0.0.0", "::", "127.0.0.1", "::1"].includes(address)) return "localhost";
  return address.includes(":") ? `[${address}]` : address;
}
