// SPDX-License-Identifier: Apache-2.0
// npm run conformance: HTTP/2 of mango-edge, judged by h2spec over TLS and in the clear.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenerPort, startEdge } from "../support/edge.ts";
import { createProcesses, onInterrupt, type Processes } from "../support/processes.ts";
import { EXIT_MISSING_TOOL } from "../support/tools.ts";
import { startUpstreamThread } from "../support/upstream_thread.ts";
import {
  buildH2spec,
  conforms,
  failures,
  findH2spec,
  HOW_TO_GET_H2SPEC,
  h2specArguments,
  readVerdict,
  type Target,
} from "./h2spec.ts";
import { HELP, parseConformanceOptions, UsageError } from "./options.ts";

const EXIT_USAGE = 2;
const EXIT_FAILED = 1;

function config(upstreamPort: number): string {
  return `admin: { address: "127.0.0.1:0" }
accessLog: { enabled: false }
state: { dir: state }
listeners:
  https: { address: "127.0.0.1:0", protocol: https, tls: { certificates: [localhost] } }
  http: { address: "127.0.0.1:0", protocol: http }
certificates:
  localhost: { hostnames: [localhost], selfSigned: true }
routes:
  - { name: all, backendRefs: [{ name: service }] }
upstreams:
  service: { servers: [{ url: "http://127.0.0.1:${upstreamPort}" }] }
`;
}

interface Subject {
  readonly targets: readonly Target[];
  close(): Promise<void>;
}

async function startOwn(processes: Processes): Promise<Subject> {
  const folder = mkdtempSync(join(tmpdir(), "mango-conformance-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const upstream = await startUpstreamThread();
  const { ready } = await startEdge(processes, { folder, config: config(upstream.port), ownGroup: true });
  return {
    targets: [
      { host: "localhost", port: listenerPort(ready, "https"), tls: true },
      { host: "localhost", port: listenerPort(ready, "http"), tls: false },
    ],
    close: () => upstream.close(),
  };
}

async function judge(processes: Processes, program: string, target: Target): Promise<boolean> {
  const { stdout, stderr } = await processes.run([program, ...h2specArguments(target)]);
  const verdict = readVerdict(`${stdout}${stderr}`);
  if (!conforms(verdict)) process.stdout.write(`${failures(stdout)}\n\n`);
  const name = target.tls ? "over TLS" : "in the clear";
  process.stdout.write(`h2spec, strict, ${name}: ${verdict.passed} of ${verdict.tests} passed\n`);
  return conforms(verdict);
}

async function run(processes: Processes, target: Target | undefined): Promise<number> {
  const program = findH2spec() ?? (await buildH2spec(processes));
  if (program === undefined) {
    process.stderr.write(HOW_TO_GET_H2SPEC);
    return EXIT_MISSING_TOOL;
  }
  const subject =
    target === undefined ? await startOwn(processes) : { targets: [target], close: async () => {} };
  try {
    let failed = false;
    for (const each of subject.targets) failed = !(await judge(processes, program, each)) || failed;
    return failed ? EXIT_FAILED : 0;
  } finally {
    await subject.close();
  }
}

async function main(): Promise<number> {
  const options = parseConformanceOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const processes = createProcesses();
  onInterrupt(() => processes.stopAll());
  try {
    return await run(processes, options.target);
  } finally {
    await processes.stopAll();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
}
