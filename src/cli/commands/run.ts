// SPDX-License-Identifier: Apache-2.0
// run: wires everything together and waits for a signal. The admin API comes up first, so that probes see "not
// ready" instead of nothing while names are resolved and listeners opened.
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type AdminServer, startAdmin } from "../../admin/server.ts";
import { createMetrics } from "../../metrics/registry.ts";
import { loadAddon } from "../../proxy/addon.ts";
import { type AdminSettings, createConfigSource, type Loaded } from "../../proxy/config_source.ts";
import { EdgeController } from "../../proxy/controller.ts";
import { UsageError } from "../../proxy/errors.ts";
import { createLogger, isLogLevel, type Logger } from "../../proxy/logger.ts";
import { createNameLookup } from "../../proxy/name_lookup.ts";
import { createFileWatcher } from "../../tls/watcher.ts";
import { type Arguments, flag, noPositionals, text } from "../arguments.ts";
import { surviveMistakes } from "../last_resort.ts";
import { announce, type ReadyFacts } from "../ready.ts";
import { handleSignals } from "../signals.ts";
import { packageVersion } from "../version.ts";

const quickstart = fileURLToPath(new URL("../../../config/quickstart.yaml", import.meta.url));

export async function run(args: Arguments): Promise<number> {
  noPositionals(args);
  const logger = createLogger({ level: logLevel(args) });
  const version = packageVersion();
  const source = createConfigSource(text(args, "config") ?? quickstart);
  const loaded = await source.readFile();
  const watcher = createFileWatcher((changed) => {
    const change = changed.includes(resolve(source.file))
      ? controller.reload()
      : controller.refresh("files changed");
    change.catch(() => undefined); // the log has the reason
  });
  const watchedFiles = ({ files }: Loaded) => (flag(args, "watch") ? files : files.slice(1));
  const controller = new EdgeController({
    source,
    addon: loadAddon(),
    logger,
    lookup: createNameLookup(),
    version,
    onApplied: (applied) => void watcher.update(watchedFiles(applied), applied.startedMs),
  });
  const signals = handleSignals(controller, logger);
  const mistakesOver = surviveMistakes(logger);
  let admin: AdminServer | null = null;
  try {
    admin = await openAdmin(loaded.admin, controller, logger, version);
    const { listeners, warnings } = await controller.start(loaded);
    for (const warning of warnings) logger.warn({ ...warning }, "configuration warning");
    announce(readyFacts(admin, listeners), loaded, text(args, "ready-file"));
    logger.info({ version, listeners, admin: admin?.url }, "ready");
    await signals.stopRequested;
    await controller.drain();
    return 0;
  } finally {
    watcher.close();
    await controller.stop();
    await admin?.close();
    signals.close();
    mistakesOver();
  }
}

async function openAdmin(
  { enabled, host, port, token }: AdminSettings,
  controller: EdgeController,
  logger: Logger,
  version: string,
): Promise<AdminServer | null> {
  if (!enabled) return null;
  const metrics = createMetrics({
    source: {
      counters: () => controller.counters(),
      facts: () => controller.facts(),
      device: () => controller.askDevice(),
    },
  });
  return startAdmin({ host, port, token, version, controller, metrics, logger });
}

function readyFacts(admin: AdminServer | null, listeners: ReadyFacts["listeners"]): ReadyFacts {
  return {
    pid: process.pid,
    admin: admin && { address: admin.address, port: admin.port, url: admin.url },
    listeners,
  };
}

function logLevel(args: Arguments): NonNullable<Parameters<typeof createLogger>[0]>["level"] & string {
  const level = text(args, "log-level") ?? process.env["MANGO_EDGE_LOG_LEVEL"] ?? "info";
  if (!isLogLevel(level))
    throw new UsageError(`--log-level ${level}: expected trace, debug, info, warn, error or fatal`);
  return level;
}
