// SPDX-License-Identifier: Apache-2.0
// diff: what a reload with this file would change. Like diff(1), the exit code says whether there is a difference.
import {
  type ConfigDocument,
  diffDocuments,
  formatChange,
  loadConfig,
  publicConfig,
} from "../../config/index.ts";
import { createAdminClient } from "../admin_client.ts";
import { type Arguments, flag, onePositional } from "../arguments.ts";

const kDiffers = 9;

export async function diff(args: Arguments): Promise<number> {
  const file = onePositional(args, "file");
  const { config } = await loadConfig(file, process.env, { readOnly: true });
  const running = await createAdminClient(args)<{ readonly config: ConfigDocument }>("/v1/config");
  const changes = diffDocuments(running.config, publicConfig(config));
  if (flag(args, "json")) process.stdout.write(`${JSON.stringify(changes, null, 2)}\n`);
  else if (changes.length === 0) process.stdout.write("no difference\n");
  else process.stdout.write(`${changes.map(formatChange).join("\n")}\n`);
  return changes.length === 0 ? 0 : kDiffers;
}
