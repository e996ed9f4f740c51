// SPDX-License-Identifier: Apache-2.0
// What the process does on signals: stop, stop at once, reload, reopen the access log.
import { constants } from "node:os";
import type { Controller } from "../proxy/control.ts";
import { fromNative } from "../proxy/errors.ts";
import type { Logger } from "../proxy/logger.ts";

const kKeepAliveMs = 2 ** 30;

export interface Signals {
  readonly stopRequested: Promise<void>;
  close(): void;
}

export function handleSignals(controller: Controller, logger: Logger): Signals {
  const { promise, resolve } = Promise.withResolvers<void>();
  const keepAlive = setInterval(() => undefined, kKeepAliveMs); // the admin API may be off
  let asked = false;

  const stop = (signal: NodeJS.Signals): void => {
    // Before there is anything to drain, and when asked twice, the end is at once.
    if (asked || controller.state === "new" || controller.state === "starting") {
      process.exit(asked ? 128 + constants.signals[signal] : 0);
    }
    asked = true;
    logger.info({ signal }, "stopping; the same signal again ends at once");
    resolve();
  };
  const reload = (): void => {
    controller.reload().catch(() => undefined); // the log has the reason
  };
  const reopen = (): void => {
    try {
      controller.reopenAccessLog();
      logger.info("access log reopened");
    } catch (error) {
      logger.error({ err: fromNative(error) }, "access log not reopened");
    }
  };

  const handlers = { SIGINT: stop, SIGTERM: stop, SIGHUP: reload, SIGUSR1: reopen } as const;
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal as NodeJS.Signals, handler);
  return {
    stopRequested: promise,
    close() {
      clearInterval(keepAlive);
      for (const [signal, handler] of Object.entries(handlers))
        process.off(signal as NodeJS.Signals, handler);
    },
  };
}
