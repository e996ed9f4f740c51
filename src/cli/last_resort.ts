// SPDX-License-Identifier: Apache-2.0
// What nobody caught. The control plane is not on the data path: ending the process because a timer or an admin
// request of ours failed would cut every client off. It is logged with its stack, and traffic goes on.
import { fromNative } from "../proxy/errors.ts";
import type { Logger } from "../proxy/logger.ts";

export function surviveMistakes(logger: Logger): () => void {
  const report = (thrown: unknown): void => {
    const error = fromNative(thrown);
    logger.fatal({ err: error.cause ?? error }, "mistake in the control plane; traffic goes on");
  };
  process.on("uncaughtException", report);
  process.stderr.on("error", ignore); // whoever read our log is gone
  return () => {
    process.off("uncaughtException", report);
    process.stderr.off("error", ignore);
  };
}

function ignore(): void {}
