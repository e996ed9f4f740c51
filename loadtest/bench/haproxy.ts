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

function config(lab: Lab, port: number): string {
  return `global
  nbthread 1
  maxconn 8000
  ssl-default-bind-options ssl-min-ver TLSv1.3
  tune.bufsize 65536
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  http-reuse always
frontend edge
  bind 127.0.0.1:${port} ssl crt ${bundle(lab)} alpn http/1.1
  default_backend files
backend files
  server files 127.0.0.1:${lab.upstreamPort} pool-max-conn 256
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
  async start(lab) {
    const port = await freePort();
    const file = join(lab.folder, "haproxy.cfg");
    writeFileSync(file, config(lab, port));
    return launchOnPort(lab, "haproxy", ["haproxy", "-db", "-f", file], port);
  },
};
