// SPDX-License-Identifier: Apache-2.0
// Did configuration changes work? What the reload metrics show.
import type { ControlFacts } from "../metrics/control_metrics.ts";
import type { Clock } from "./clock.ts";

export interface ReloadRecord {
  succeeded(): void;
  failed(): void;
  read(): ControlFacts["reloads"];
}

export function createReloadRecord(clock: Clock): ReloadRecord {
  let [ok, failed, lastOk, lastOkMs] = [0, 0, false, 0];
  return {
    succeeded() {
      ok += 1;
      lastOk = true;
      lastOkMs = clock.now();
    },
    failed() {
      failed += 1;
      lastOk = false;
    },
    read: () => ({ ok, failed, lastOk, lastOkMs }),
  };
}
