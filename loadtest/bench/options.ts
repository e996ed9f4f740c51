// SPDX-License-Identifier: Apache-2.0
// The command line of `npm run bench`.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { REPOSITORY } from "../support/edge.ts";

export const PROXY_NAMES = ["nginx", "haproxy", "mango-edge"] as const;
export type ProxyName = (typeof PROXY_NAMES)[number];

export const WORKLOAD_NAMES = [
  "keepalive",
  "handshake",
  "body",
  "idle",
  "halfload",
  "http2",
  "http2c",
  "grpc",
  "tcp",
  "tcpbody",
] as const;
export type WorkloadName = (typeof WORKLOAD_NAMES)[number];

// Of `npm run bench -- offload`.
export const OFFLOAD_ROW_NAMES = ["proxy", "echo", "send", "receive", "control"] as const;
export type OffloadRowName = (typeof OFFLOAD_ROW_NAMES)[number];

export const SUITES = ["proxies", "offload"] as const;
export type Suite = (typeof SUITES)[number];

const LAST_CORE = 1; // the lab has two: core 0 is the subject's, core 1 everybody else's

export interface BenchOptions {
  readonly help: boolean;
  readonly suite: Suite;
  readonly rounds: number;
  readonly seconds: number;
  readonly sessions: number; // of the idle workload
  readonly workloads: readonly WorkloadName[];
  readonly offloadRows: readonly OffloadRowName[];
  readonly deviceCore: number; // where mango-toed runs
  readonly proxies: readonly ProxyName[];
  readonly syscalls: boolean;
  readonly hostile: boolean;
  readonly out: string;
}

export const HELP = `npm run bench -- [SUITE] [options]

proxies   (default) mango-edge beside nginx and HAProxy on this machine, in turn, medians compared
offload   the engines below mango-edge beside what they replace: nginx, plain sockets, plain iperf3

  --rounds N        measurements of each proxy for each workload (default 5)
  --seconds N       length of one measurement (default 5)
  --quick           one round of two seconds, 1,000 idle sessions: does it run at all?
  --only A,B        workloads: ${WORKLOAD_NAMES.join(", ")};
                    of offload: ${OFFLOAD_ROW_NAMES.join(", ")} (default all)
  --out FOLDER      where results.json, results.md and chart.svg go (default build/bench);
                    of offload: offload.json, offload.md and offload.svg
  --syscalls        instead: system calls per keep-alive request of every proxy, counted by strace
  --help            this text

Of proxies alone
  --proxies A,B     ${PROXY_NAMES.join(", ")} (default all)
  --sessions N      idle TLS sessions held open (default 5000)
  --hostile         instead: memory that hostile HTTP/2 clients take from every proxy

Of offload alone
  --device-core N   core of mango-toed: 1, with the load generator and the upstream (default), or 0, with the client

Exit code: 0 measured (goals reached or not), 1 failed, 2 a program is missing or the command line is wrong.
`;

export class UsageError extends Error {}

function pick<T extends string>(text: string | undefined, all: readonly T[], option: string): readonly T[] {
  if (text === undefined) return all;
  const wanted = text.split(",").map((word) => word.trim());
  const unknown = wanted.find((word) => !all.some((name) => name === word));
  if (unknown !== undefined)
    throw new UsageError(`--${option}: unknown "${unknown}", expected ${all.join(", ")}`);
  return all.filter((name) => wanted.includes(name));
}

function positive(text: string | undefined, fallback: number, option: string): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`--${option}: expected a whole number above 0`);
  return value;
}

function core(text: string | undefined): number {
  const value = Number(text ?? LAST_CORE);
  if (!Number.isInteger(value) || value < 0 || value > LAST_CORE)
    throw new UsageError(`--device-core: expected 0 or ${LAST_CORE}`);
  return value;
}

function suiteOf(positionals: readonly string[]): Suite {
  if (positionals.length > 1) throw new UsageError(`one suite at a time: ${SUITES.join(", ")}`);
  const name = positionals[0] ?? SUITES[0];
  const suite = SUITES.find((each) => each === name);
  if (suite === undefined) throw new UsageError(`unknown suite "${name}", expected ${SUITES.join(", ")}`);
  return suite;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: "boolean", short: "h" },
        quick: { type: "boolean" },
        syscalls: { type: "boolean" },
        hostile: { type: "boolean" },
        rounds: { type: "string" },
        seconds: { type: "string" },
        sessions: { type: "string" },
        only: { type: "string" },
        proxies: { type: "string" },
        out: { type: "string" },
        "device-core": { type: "string" },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

export function parseOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parse(args);
  const suite = suiteOf(positionals);
  const only = (wanted: Suite) => (suite === wanted ? values.only : undefined);
  const quick = values.quick === true;
  return {
    help: values.help === true,
    suite,
    rounds: positive(values.rounds, quick ? 1 : 5, "rounds"),
    seconds: positive(values.seconds, quick ? 2 : 5, "seconds"),
    sessions: positive(values.sessions, quick ? 1_000 : 5_000, "sessions"),
    workloads: pick(only("proxies"), WORKLOAD_NAMES, "only"),
    offloadRows: pick(only("offload"), OFFLOAD_ROW_NAMES, "only"),
    deviceCore: core(values["device-core"]),
    proxies: pick(values.proxies, PROXY_NAMES, "proxies"),
    syscalls: values.syscalls === true,
    hostile: values.hostile === true,
    out: values.out ?? join(REPOSITORY, "build/bench"),
  };
}
