// SPDX-License-Identifier: Apache-2.0
// A throw-away ECDSA P-256 certificate for localhost, the same for every proxy of a run.
import { join } from "node:path";
import type { Processes } from "./processes.ts";

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export async function makeCertificate(processes: Processes, folder: string): Promise<CertificateFiles> {
  const files = { certFile: join(folder, "cert.pem"), keyFile: join(folder, "key.pem") };
  const { code, stderr } = await processes.run([
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "30",
    "-subj",
    "/CN=localhost",
    "-addext",
    "subjectAltName=DNS:localhost,IP:127.0.0.1",
    "-keyout",
    files.keyFile,
    "-out",
    files.certFile,
  ]);
  if (code !== 0) throw new Error(`openssl req failed: ${stderr}`);
  return files;
}
