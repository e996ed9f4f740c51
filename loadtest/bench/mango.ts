// SPDX-License-Identifier: Apache-2.0
// mango-edge under test: one worker, as many kept upstream connections as the peers have, access log off like theirs.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { listenerPort, REPOSITORY, startEdge } from "../support/edge.ts";
import { type Lab, PROXY_CORE } from "./lab.ts";
import { type Contender, type RunningProxy, running } from "./proxy.ts";
import { KEPT_CONNECTIONS, SETUPS, type Setup } from "./setups.ts";

const POOL = `    timeouts: { idle: 1h }
    connectionPool: { maxIdle: ${KEPT_CONNECTIONS} }
`;

interface Upstream {
  readonly url: string;
  readonly protocol?: string;
}

function upstreamOf(lab: Lab, setup: Setup): Upstream {
  if (setup === "tcp") return { url: `tcp://127.0.0.1:${lab.upstreamPort}` };
  if (setup === "http2c" || setup === "grpc")
    return { url: `http://127.0.0.1:${lab.h2cPort}`, protocol: "h2c" };
  return { url: `http://127.0.0.1:${lab.upstreamPort}` };
}

// Lines of YAML that choose the engine; none: the kernel engine.
function config(lab: Lab, setup: Setup, offload: string): string {
  const { client } = SETUPS[setup];
  const { url, protocol } = upstreamOf(lab, setup);
  const tuned = setup !== "exposed" && setup !== "tcp"; // a tunnel has neither requests nor a pool
  return `workers: 1
${offload}admin: { address: "127.0.0.1:0" }
accessLog: { enabled: false }
state: { dir: ${lab.folder}/state }
listeners:
  edge:
    address: 127.0.0.1:0
    protocol: ${setup === "tcp" ? "tls" : "https"}
    backlog: 4096
    tls: { certificates: [bench], minVersion: "1.3"${client === undefined ? "" : `, alpn: [${client}]`} }
${tuned ? "    timeouts: { idle: 1h }\n" : ""}certificates:
  bench: { certFile: ${lab.certificate.certFile}, keyFile: ${lab.certificate.keyFile} }
routes:
  - name: files
    listeners: [edge]
    backendRefs: [{ name: files }]
upstreams:
  files:
    servers: [{ url: "${url}" }]
${protocol === undefined ? "" : `    protocol: ${protocol}\n`}${tuned ? POOL : ""}`;
}

export async function startMangoEdge(lab: Lab, setup: Setup, offload = ""): Promise<RunningProxy> {
  const edge = await startEdge(lab.processes, {
    folder: lab.folder,
    config: config(lab, setup, offload),
    prefix: PROXY_CORE,
  });
  const proxy = running(lab, "mango-edge", edge.child, listenerPort(edge.ready, "edge"));
  return { ...proxy, pids: [edge.ready.pid], workerPid: edge.ready.pid };
}

export const mangoEdge: Contender = {
  name: "mango-edge",
  async version() {
    const { version } = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8")) as {
      version: string;
    };
    return `${version} (Node ${process.versions.node}, OpenSSL ${process.versions.openssl})`;
  },
  setups: ["http1", "http2", "http2c", "grpc", "exposed", "tcp"],
  start: (lab, setup) => startMangoEdge(lab, setup),
};
