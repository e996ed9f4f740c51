// SPDX-License-Identifier: Apache-2.0
// Reads small files that hold keys and certificates. A failure is a sentence, not a stack.
import { open } from "node:fs/promises";

export const MAX_PEM_BYTES = 1024 * 1024;

export type FileResult = { readonly content: Buffer; readonly mode: number } | { readonly problem: string };

export async function readSmallFile(path: string, maxBytes = MAX_PEM_BYTES): Promise<FileResult> {
  let handle: Awaited<ReturnType<typeof open>> | undefined;
  try {
    handle = await open(path, "r");
    const status = await handle.stat();
    if (!status.isFile()) return { problem: `${path} is not a file` };
    if (status.size > maxBytes) return { problem: `${path} is larger than ${maxBytes} bytes` };
    return { content: await handle.readFile(), mode: status.mode };
  } catch (error) {
    return { problem: `cannot read ${path}: ${reason(error)}` };
  } finally {
    await handle?.close();
  }
}

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOENT") return "no such file";
  if (code === "EACCES") return "permission denied";
  return code ?? String(error);
}
