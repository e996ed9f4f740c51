// SPDX-License-Identifier: Apache-2.0
// routes: which route and upstream would this URL take, and why. Asked of the running proxy, or of a file.
import { compileSnapshot, loadConfig } from "../../config/index.ts";
import { loadAddon } from "../../proxy/addon.ts";
import { UsageError } from "../../proxy/errors.ts";
import { explainRequest } from "../../proxy/explain.ts";
import { createAdminClient } from "../admin_client.ts";
import { type Arguments, flag, onePositional, text, texts } from "../arguments.ts";
import { formatExplanation } from "../explanation.ts";

export async function routes(args: Arguments): Promise<number> {
  const url = onePositional(args, "URL");
  const file = text(args, "config");
  if (file !== undefined && text(args, "admin") !== undefined)
    throw new UsageError("give either --config or --admin");
  const answer = file === undefined ? await askRunning(args, url) : await askFile(args, file, url);
  process.stdout.write(
    flag(args, "json") ? `${JSON.stringify(answer, null, 2)}\n` : formatExplanation(answer),
  );
  return 0;
}

function askRunning(args: Arguments, url: string): Promise<unknown> {
  const query = {
    url,
    method: text(args, "method"),
    listener: text(args, "listener"),
    header: texts(args, "header"),
  };
  return createAdminClient(args)("/v1/explain", { query });
}

async function askFile(args: Arguments, file: string, url: string): Promise<unknown> {
  const { config } = await loadConfig(file, process.env, { readOnly: true });
  const snapshot = compileSnapshot(config, { generation: 1, ticketKeys: [], endpoints: new Map() });
  const listener = text(args, "listener");
  return explainRequest(loadAddon(), snapshot, [], {
    url,
    method: text(args, "method") ?? "GET",
    headers: texts(args, "header").map(parseHeader),
    ...(listener === undefined ? {} : { listener }),
  });
}

function parseHeader(field: string): readonly [string, string] {
  const colon = field.indexOf(":");
  if (colon < 1) throw new UsageError(`--header ${JSON.stringify(field)}: expected 'NAME: VALUE'`);
  return [field.slice(0, colon).trim(), field.slice(colon + 1).trim()];
}
