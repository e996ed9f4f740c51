// SPDX-License-Identifier: Apache-2.0
// What all proxies of a run have in common: a scratch folder, one certificate, one upstream (nginx serving files), one
// set of client TLS settings, and which core does what. Core 0 belongs to the proxy under test, core 1 to everybody else.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CertificateFiles, makeCertificate } from "../support/certificate.ts";
import { freePort, waitForPort } from "../support/network.ts";
import { logTail, type Processes } from "../support/processes.ts";
import { nginxUser } from "./nginx.ts";

export const PROXY_CORE = ["taskset", "-c", "0"] as const;
export const LOAD_CORE = ["taskset", "-c", "1"] as const;
export const SMALL_FILE = { path: "/1k", bytes: 1024 } as const;
export const LARGE_FILE = { path: "/1m", bytes: 1024 * 1024 } as const;

export interface Lab {
  readonly folder: string;
  readonly processes: Processes;
  readonly certificate: CertificateFiles;
  readonly upstreamPort: number;
  // Environment of every OpenSSL client: all proxies negotiate the same version, cipher and group.
  readonly clientEnv: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

// AES-128-GCM and X25519 are what browsers put first and all three proxies have.
const CLIENT_OPENSSL_CONF = `openssl_conf = init
[init]
ssl_conf = modules
[modules]
system_default = client
[client]
MinProtocol = TLSv1.3
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
`;

// Files from the page cache, described once, sent without copying: the upstream must not be what is measured.
function upstreamConfig(folder: string, port: number): string {
  return `${nginxUser()}daemon off;
worker_processes 1;
pid ${folder}/upstream.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=16 inactive=1h;
  open_file_cache_valid 1h;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  etag off;
  server {
    listen 127.0.0.1:${port};
    root ${folder}/files;
  }
}
`;
}

async function startUpstream(processes: Processes, folder: string): Promise<number> {
  const port = await freePort();
  const config = join(folder, "upstream.conf");
  const log = join(folder, "upstream.log");
  writeFileSync(config, upstreamConfig(folder, port));
  const child = processes.start([...LOAD_CORE, "nginx", "-c", config, "-e", "stderr"], { log });
  if (!(await waitForPort(port, () => child.exitCode === null))) throw new Error(`upstream: ${logTail(log)}`);
  return port;
}

export async function openLab(processes: Processes): Promise<Lab> {
  const folder = mkdtempSync(join(tmpdir(), "mango-bench-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  mkdirSync(join(folder, "files"));
  writeFileSync(join(folder, "files", SMALL_FILE.path), "x".repeat(SMALL_FILE.bytes));
  writeFileSync(join(folder, "files", LARGE_FILE.path), "x".repeat(LARGE_FILE.bytes));
  writeFileSync(join(folder, "openssl.cnf"), CLIENT_OPENSSL_CONF);
  return {
    folder,
    processes,
    certificate: await makeCertificate(processes, folder),
    upstreamPort: await startUpstream(processes, folder),
    clientEnv: { OPENSSL_CONF: join(folder, "openssl.cnf") },
    close: async () => {
      await processes.stopAll();
      remove();
    },
  };
}
