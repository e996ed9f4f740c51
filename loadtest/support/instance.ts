// SPDX-License-Identifier: Apache-2.0
// A mango-edge of our own for a k6 scenario: free ports, a generated certificate, deadlines short enough to be seen at
// work within one run, and a configuration file that changes under it when asked to.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenerPort, startEdge } from "./edge.ts";
import { logTail, type Processes } from "./processes.ts";
import type { Upstream } from "./upstream.ts";
import { startUpstreamThread } from "./upstream_thread.ts";

const REWRITE_MS = 1_000;

// No slow client may live longer than the longest deadline below, and a moment.
export const LONGEST_SLOW_CLIENT_MS = 15_000;

export interface Instance {
  readonly host: string;
  readonly port: number;
  readonly admin: string;
  readonly pid: number;
  // Gives the file a new generation, for a reload to have something to do.
  rewrite(): void;
  // The same, every second.
  keepRewriting(): void;
  // Answers what went wrong, if anything did.
  stop(): Promise<string | undefined>;
}

function config({ port, grpcPort }: Upstream, generation: number): string {
  return `admin: { address: "127.0.0.1:0" }
accessLog: { path: access.log }
limits: { drain: 2s }
state: { dir: state }
listeners:
  https:
    address: 127.0.0.1:0
    protocol: https
    tls: { certificates: [localhost] }
    timeouts:
      handshake: 2s
      requestHeaders: 3s
      requestBody: 5s
      write: 5s
      idle: 60s
      minRate: { bytesPerSecond: 240, after: 3s }
certificates:
  localhost: { hostnames: [localhost], selfSigned: true }
routes:
  - name: calls
    matches: [{ path: { type: PathPrefix, value: /mango.loadtest.Echo } }]
    backendRefs: [{ name: calls }]
  - name: all
    filters:
      - responseHeaderModifier: { set: [{ name: X-Generation, value: "${generation}" }] }
    backendRefs: [{ name: service }]
upstreams:
  service: { servers: [{ url: "http://127.0.0.1:${port}" }] }
  calls: { servers: [{ url: "http://127.0.0.1:${grpcPort}" }], protocol: h2c }
`;
}

// Replaced in one step: a reload must never read half a file.
function replace(file: string, text: string): void {
  writeFileSync(`${file}.new`, text);
  renameSync(`${file}.new`, file);
}

export async function startInstance(processes: Processes): Promise<Instance> {
  const folder = mkdtempSync(join(tmpdir(), "mango-loadtest-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const upstream = await startUpstreamThread();
  const edge = await startEdge(processes, { folder, config: config(upstream, 0), ownGroup: true });
  const { admin } = edge.ready;
  let generation = 0;
  let timer: NodeJS.Timeout | undefined;
  const rewrite = () => {
    generation += 1;
    replace(edge.configFile, config(upstream, generation));
  };
  return {
    host: "127.0.0.1",
    port: listenerPort(edge.ready, "https"),
    admin: admin === null ? "" : `http://${admin.address}:${admin.port}`,
    pid: edge.ready.pid,
    rewrite,
    keepRewriting: () => {
      timer = setInterval(rewrite, REWRITE_MS);
    },
    stop: async () => {
      clearInterval(timer);
      const died = edge.child.exitCode !== null || edge.child.signalCode !== null;
      const code = await processes.stop(edge.child);
      await upstream.close();
      if (!died && code === 0) return undefined;
      return `mango-edge ${died ? "died" : "did not end cleanly"} (${code ?? edge.child.signalCode}):\n${logTail(edge.logFile)}`;
    },
  };
}
