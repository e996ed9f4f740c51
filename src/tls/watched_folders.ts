// SPDX-License-Identifier: Apache-2.0
// Which folders must be watched to notice that a path leads to other bytes. A file may be replaced by rename in its
// own folder, or by swapping any symbolic link on the way to it: certbot swaps the last link, Kubernetes a link to
// the folder ("..data"), deployment tools one further up.
import { lstat, readlink } from "node:fs/promises";
import { join, parse, resolve, sep } from "node:path";

const MAX_LINKS = 40; // as the kernel's own

/** Existing folders only: where the path ends early, the last folder there is. */
export async function watchedFolders(path: string): Promise<Set<string>> {
  const folders = new Set<string>();
  let rest = components(path);
  let here = parse(resolve(path)).root;
  let links = 0;
  while (rest.length > 0) {
    const [name = "", ...others] = rest;
    const next = join(here, name);
    const target = await linkTarget(next);
    if (target === undefined || others.length === 0) folders.add(here);
    if (target === undefined) return folders;
    if (target === "") {
      [here, rest] = [next, others];
      continue;
    }
    folders.add(here);
    if (++links > MAX_LINKS) return folders;
    const absolute = resolve(here, target);
    here = parse(absolute).root;
    rest = [...components(absolute), ...others];
  }
  return folders;
}

function components(path: string): string[] {
  const absolute = resolve(path);
  return absolute
    .slice(parse(absolute).root.length)
    .split(sep)
    .filter((name) => name !== "");
}

// undefined: nothing there; "": no link.
async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : "";
  } catch {
    return undefined;
  }
}
