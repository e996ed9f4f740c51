// SPDX-License-Identifier: Apache-2.0
// /etc/hosts by name, read again when the file changes. The resolver asks it first, as nsswitch does by default:
// node:dns Resolver speaks DNS only, and an operator who overrides a name there means it.
import { readFile, stat } from "node:fs/promises";
import { isIP } from "node:net";

export interface HostsFile {
  find(name: string): Promise<readonly string[]>;
}

export function createHostsFile(path = "/etc/hosts"): HostsFile {
  let stamp = "";
  let byName: ReadonlyMap<string, readonly string[]> = new Map();

  const refresh = async (): Promise<void> => {
    const { mtimeMs, size } = await stat(path);
    if (stamp === `${mtimeMs}/${size}`) return;
    byName = parseHosts(await readFile(path, "utf8"));
    stamp = `${mtimeMs}/${size}`;
  };

  return {
    async find(name) {
      await refresh().catch(() => undefined); // no such file: what was known stays
      return byName.get(name.toLowerCase()) ?? [];
    },
  };
}

export function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const byName = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const [address = "", ...names] = (line.split("#", 1)[0] ?? "").trim().split(/\s+/);
    if (isIP(address) === 0) continue; // also link-local addresses with a zone: nothing to connect to
    for (const name of names) append(byName, name.toLowerCase(), address);
  }
  return byName;
}

function append(byName: Map<string, string[]>, name: string, address: string): void {
  const known = byName.get(name) ?? [];
  if (!known.includes(address)) byName.set(name, [...known, address]);
}
