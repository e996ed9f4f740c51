// SPDX-License-Identifier: Apache-2.0
// One proxy under test: started fresh for each measurement on core 0, with one worker, access log off.
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { waitForPort, waitUntil } from "../support/network.ts";
import { descendants } from "../support/proc.ts";
import { logTail } from "../support/processes.ts";
import { type Lab, PROXY_CORE } from "./lab.ts";
import type { ProxyName } from "./options.ts";
import type { Setup } from "./setups.ts";

export interface RunningProxy {
  readonly name: ProxyName;
  readonly port: number;
  readonly pids: readonly number[]; // the whole proxy: a supervisor counts too
  readonly workerPid: number; // the process that carries the traffic
  stop(): Promise<void>;
}

export interface Contender {
  readonly name: ProxyName;
  version(lab: Lab): Promise<string>;
  readonly setups: readonly Setup[]; // those it has
  start(lab: Lab, setup: Setup): Promise<RunningProxy>;
}

export function logFile(lab: Lab, name: ProxyName): string {
  return join(lab.folder, `${name}.log`);
}

export function launch(lab: Lab, name: ProxyName, command: readonly string[]): ChildProcess {
  return lab.processes.start([...PROXY_CORE, ...command], { log: logFile(lab, name) });
}

export function running(lab: Lab, name: ProxyName, child: ChildProcess, port: number): RunningProxy {
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${name} did not start`);
  const workers = descendants(pid);
  return {
    name,
    port,
    pids: [pid, ...workers],
    workerPid: workers[0] ?? pid,
    stop: async () => {
      await lab.processes.stop(child);
    },
  };
}

// For the peers, which do not report their readiness. A master listens before it has forked: its workers count too.
export async function launchOnPort(
  lab: Lab,
  name: ProxyName,
  command: readonly string[],
  port: number,
  workers = 0,
): Promise<RunningProxy> {
  const child = launch(lab, name, command);
  const alive = () => child.exitCode === null;
  const forked = () => child.pid !== undefined && descendants(child.pid).length >= workers;
  if (!(await waitForPort(port, alive)) || !(await waitUntil(forked, alive))) {
    throw new Error(`${name} does not listen: ${logTail(logFile(lab, name))}`);
  }
  return running(lab, name, child, port);
}
