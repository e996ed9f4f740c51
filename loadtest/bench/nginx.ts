// SPDX-License-Identifier: Apache-2.0
// nginx as a peer, with the settings that measured best here, CPU per request of the 1 MiB workload in brackets:
// - ssl_buffer_size 64k with eight 16k proxy buffers (850-1020 us; defaults 920-1330, larger proxy buffers 1120-1460,
//   proxy_buffering off 900-1280); idle sessions give these buffers back. No temporary file for what a client lags behind.
// - Tickets and session cache on, as mango-edge has them. `ssl_session_tickets off` saves nothing in TLS 1.3: nginx then
//   sends stateful tickets.
// - HTTP/2: gRPC is the only HTTP/2 that nginx speaks to an upstream, so "http2c" is "http2" here.
// - Connections are never retired by count or age, downstream or upstream; one listening socket, reuseport.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../support/network.ts";
import type { Lab } from "./lab.ts";
import { type Contender, launchOnPort } from "./proxy.ts";
import { KEPT_CONNECTIONS, type Setup } from "./setups.ts";

// Workers of a root-started nginx become "nobody" and could not read the scratch folder.
export function nginxUser(): string {
  return process.getuid?.() === 0 ? "user root;\n" : "";
}

const HTTP_LOCATION = `location / {
      proxy_pass http://files;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffer_size 16k;
      proxy_buffers 8 16k;
      proxy_max_temp_file_size 0;
    }`;
const UNTUNED_LOCATION = `location / {
      proxy_pass http://files;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }`;
const GRPC_LOCATION = "location / { grpc_pass grpc://files; }";

function locationOf(setup: Setup): string {
  if (setup === "grpc") return GRPC_LOCATION;
  return setup === "exposed" ? UNTUNED_LOCATION : HTTP_LOCATION;
}

const TUNING = `keepalive_timeout 1h;
  keepalive_requests 1000000000;
  ssl_buffer_size 64k;`;

function config(lab: Lab, setup: Setup, port: number): string {
  const upstreamPort = setup === "grpc" ? lab.h2cPort : lab.upstreamPort;
  return `${nginxUser()}daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid ${lab.folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 16384; multi_accept on; }
http {
  access_log off;
  ${setup === "exposed" ? "" : TUNING}
  ssl_protocols TLSv1.3;
  ssl_certificate ${lab.certificate.certFile};
  ssl_certificate_key ${lab.certificate.keyFile};
  ssl_session_cache shared:tls:10m;
  upstream files {
    server 127.0.0.1:${upstreamPort};
    keepalive ${KEPT_CONNECTIONS};
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
  server {
    listen 127.0.0.1:${port} ssl ${setup === "http1" ? "" : "http2 "}reuseport backlog=4096;
    ${locationOf(setup)}
  }
}
`;
}

export const nginx: Contender = {
  name: "nginx",
  async version(lab) {
    const { stderr } = await lab.processes.run(["nginx", "-V"]);
    const [, version, openssl] = /nginx\/(\S+)[\s\S]*?built with (OpenSSL \S+)/.exec(stderr) ?? [];
    return `${version ?? "?"} (${openssl ?? "?"})`;
  },
  setups: ["http1", "http2", "http2c", "grpc", "exposed"],
  async start(lab, setup) {
    const port = await freePort();
    const file = join(lab.folder, "nginx.conf");
    writeFileSync(file, config(lab, setup, port));
    return launchOnPort(lab, "nginx", ["nginx", "-c", file, "-e", "stderr"], port, 1);
  },
};
