// SPDX-License-Identifier: Apache-2.0
// reload: the running proxy reads its file again. Warnings are shown, a refusal is an error with its places.
import type { ApplyResult } from "../../proxy/control.ts";
import { createAdminClient } from "../admin_client.ts";
import { type Arguments, flag, noPositionals } from "../arguments.ts";
import { formatDetail } from "./validate.ts";

export async function reload(args: Arguments): Promise<number> {
  noPositionals(args);
  const result = await createAdminClient(args)<ApplyResult>("/v1/reload", { method: "POST" });
  if (flag(args, "json")) {
    process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    return 0;
  }
  for (const warning of result.warnings) process.stderr.write(`${formatDetail(warning, "warning: ")}\n`);
  process.stdout.write(`applied as generation ${result.generation}\n`);
  if (result.needsRestart.length > 0) {
    process.stdout.write(`these changes wait for a restart: ${result.needsRestart.join(", ")}\n`);
  }
  return 0;
}
