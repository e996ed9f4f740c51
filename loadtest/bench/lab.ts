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

// A gRPC message as it is on the wire: not compressed, four bytes of length, then what would be a protobuf message.
const MESSAGE_BYTES = 64;
export const GRPC_MESSAGE = { path: "/bench.Echo/Unary", file: "message", bytes: MESSAGE_BYTES + 5 } as const;

export interface Lab {
  readonly folder: string;
  readonly processes: Processes;
  readonly certificate: CertificateFiles;
  readonly upstreamPort: number; // HTTP/1.1
  readonly h2cPort: number; // HTTP/2 with prior knowledge; answers a call to GRPC_MESSAGE.path as a gRPC server does
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
// A gRPC server, as far as a proxy can see: a POST is answered with a message (by way of a redirect, since nginx gives
// files to GET alone) and with trailers.
function upstreamConfig(folder: string, port: number, h2cPort: number): string {
  return `${nginxUser()}daemon off;
worker_processes 1;
pid ${folder}/upstream.pid;
error_log stderr warn;
worker_rlimit_nofile 32768;
events { worker_connections 16384; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=16 inactive=1h;
  open_file_cache_valid 1h;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  etag off;
  root ${folder}/files;
  server {
    listen 127.0.0.1:${port};
  }
  server {
    listen 127.0.0.1:${h2cPort} http2;
    location = ${GRPC_MESSAGE.path} {
      error_page 405 =200 /${GRPC_MESSAGE.file};
      return 405;
    }
    location = /${GRPC_MESSAGE.file} {
      default_type application/grpc;
      add_trailer grpc-status 0;
    }
  }
}
`;
}

async function startUpstream(processes: Processes, folder: string) {
  const [port, h2cPort] = [await freePort(), await freePort()];
  const config = join(folder, "upstream.conf");
  const log = join(folder, "upstream.log");
  writeFileSync(config, upstreamConfig(folder, port, h2cPort));
  const child = processes.start([...LOAD_CORE, "nginx", "-c", config, "-e", "stderr"], { log });
  if (!(await waitForPort(port, () => child.exitCode === null))) throw new Error(`upstream: ${logTail(log)}`);
  return { upstreamPort: port, h2cPort };
}

function writeFiles(folder: string): void {
  const files = join(folder, "files");
  mkdirSync(files);
  writeFileSync(join(files, SMALL_FILE.path), "x".repeat(SMALL_FILE.bytes));
  writeFileSync(join(files, LARGE_FILE.path), "x".repeat(LARGE_FILE.bytes));
  const message = Buffer.alloc(GRPC_MESSAGE.bytes, "x");
  message.writeUInt8(0, 0);
  message.writeUInt32BE(MESSAGE_BYTES, 1);
  writeFileSync(join(files, GRPC_MESSAGE.file), message);
}

export async function openLab(processes: Processes): Promise<Lab> {
  const folder = mkdtempSync(join(tmpdir(), "mango-bench-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  writeFiles(folder);
  writeFileSync(join(folder, "openssl.cnf"), CLIENT_OPENSSL_CONF);
  return {
    folder,
    processes,
    certificate: await makeCertificate(processes, folder),
    ...(await startUpstream(processes, folder)),
    clientEnv: { OPENSSL_CONF: join(folder, "openssl.cnf") },
    close: async () => {
      await processes.stopAll();
      remove();
    },
  };
}
