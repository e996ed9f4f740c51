// SPDX-License-Identifier: Apache-2.0
// HAProxy as a peer, with the settings that measured best here, CPU per request of the 1 MiB workload in brackets:
// - tune.bufsize 65536 (790-1080 us; 16384, the default, 1030-1490; 131072 1240-1290); idle sessions hold no buffer.
// - http-reuse always and as many idle upstream connections as nginx keeps; one thread.
// - Tickets on, as mango-edge has them; `no-tls-tickets` made no difference beyond noise.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../support/network.ts";
import type { Lab } from "./lab.ts";
import { type Contender, launchOnPort } from "./proxy.ts";
import { KEPT_CONNECTIONS, SETUPS, type Setup } from "./setups.ts";

// HAProxy wants certificate and key in one file.
function bundle(lab: Lab): string {
  const file = join(lab.folder, "haproxy.pem");
  writeFileSync(
    file,
    readFileSync(lab.certificate.certFile, "utf8") + readFileSync(lab.certificate.keyFile, "utf8"),
    { mode: 0o600 },
  );
  return file;
}

function config(lab: Lab, setup: Setup, port: number): string {
  const { client } = SETUPS[setup];
  const alpn = client === undefined ? "" : ` alpn ${client}`;
  const patience = setup === "exposed" ? "60s" : "1h"; // it comes with none at all
  const h2c = setup === "http2c" || setup === "grpc";
  const server = h2c ? `127.0.0.1:${lab.h2cPort} proto h2` : `127.0.0.1:${lab.upstreamPort}`;
  return `global
  nbthread 1
  maxconn 8000
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ${setup === "exposed" ? "" : "tune.bufsize 65536"}
defaults
  mode ${setup === "tcp" ? "tcp" : "http"}
  timeout connect 5s
  timeout client ${patience}
  timeout server ${patience}
${setup === "tcp" ? "" : "  http-reuse always\n"}frontend edge
  bind 127.0.0.1:${port} ssl crt ${bundle(lab)}${alpn}
  default_backend files
backend files
  server files ${server} pool-max-conn ${KEPT_CONNECTIONS}
`;
}

export const haproxy: Contender = {
  name: "haproxy",
  async version(lab) {
    const { stdout } = await lab.processes.run(["haproxy", "-vv"]);
    const version = /HAProxy version (\S+)/.exec(stdout)?.[1] ?? "?";
    const openssl = /Running on OpenSSL version : (OpenSSL \S+)/.exec(stdout)?.[1] ?? "?";
    return `${version} (${openssl})`;
  },
  setups: ["http1", "http2", "http2c", "grpc", "exposed", "tcp"],
  async start(lab, setup) {
    const port = await freePort();
    const file = join(lab.folder, "haproxy.cfg");
    writeFileSync(file, config(lab, setup, port));
    return launchOnPort(lab, "haproxy", ["haproxy", "-db", "-f", file], port);
  },
};
