// SPDX-License-Identifier: Apache-2.0
// mango-edge under test: one worker, as many kept upstream connections as the peers have, access log off like theirs.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { listenerPort, REPOSITORY, startEdge } from "../support/edge.ts";
import { type Lab, PROXY_CORE } from "./lab.ts";
import { type Contender, running } from "./proxy.ts";

function config(lab: Lab): string {
  return `workers: 1
admin: { address: "127.0.0.1:0" }
accessLog: { enabled: false }
state: { dir: ${lab.folder}/state }
listeners:
  https:
    address: 127.0.0.1:0
    protocol: https
    backlog: 4096
    tls: { certificates: [bench], minVersion: "1.3" }
    timeouts: { idle: 1h }
certificates:
  bench: { certFile: ${lab.certificate.certFile}, keyFile: ${lab.certificate.keyFile} }
routes:
  - name: files
    backendRefs: [{ name: files }]
upstreams:
  files:
    servers: [{ url: "http://127.0.0.1:${lab.upstreamPort}" }]
    timeouts: { idle: 1h }
    connectionPool: { maxIdle: 256 }
`;
}

export const mangoEdge: Contender = {
  name: "mango-edge",
  async version() {
    const { version } = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8")) as {
      version: string;
    };
    return `${version} (Node ${process.versions.node}, OpenSSL ${process.versions.openssl})`;
  },
  async start(lab) {
    const edge = await startEdge(lab.processes, {
      folder: lab.folder,
      config: config(lab),
      prefix: PROXY_CORE,
    });
    const proxy = running(lab, "mango-edge", edge.child, listenerPort(edge.ready, "https"));
    return { ...proxy, pids: [edge.ready.pid], workerPid: edge.ready.pid };
  },
};
