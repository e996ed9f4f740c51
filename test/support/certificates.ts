// SPDX-License-Identifier: Apache-2.0
// Certificates for tests, made by the openssl program: what an operator would hand to the proxy, and never the
// library under test.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type KeyKind = "ec" | "rsa";

export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

const keyArguments: Readonly<Record<KeyKind, readonly string[]>> = {
  ec: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  rsa: ["-newkey", "rsa:2048"],
};

function openssl(args: readonly string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}

function load(certFile: string, keyFile: string): Certificate {
  return { certFile, keyFile, cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
}

export class CertificateAuthority {
  readonly certificate: Certificate;
  readonly #folder: string;

  constructor(folder: string, name = "ca") {
    this.#folder = folder;
    const certFile = join(folder, `${name}.crt`);
    const keyFile = join(folder, `${name}.key`);
    const usage = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign,cRLSign"];
    const files = [
      "-nodes",
      "-keyout",
      keyFile,
      "-out",
      certFile,
      "-days",
      "30",
      "-subj",
      `/CN=Test ${name}`,
    ];
    openssl(["req", "-x509", ...keyArguments.ec, ...files, ...usage]);
    this.certificate = load(certFile, keyFile);
  }

  // A server's certificate for these names. `name` is the files' and the subject's; two certificates for the
  // same host differ by it.
  issue(name: string, hostnames: readonly string[], kind: KeyKind = "ec"): Certificate {
    const names = hostnames.map((host) => (/^[\d.]+$|:/.test(host) ? `IP:${host}` : `DNS:${host}`));
    return this.#sign(name, kind, [`subjectAltName=${names.join(",")}`, "extendedKeyUsage=serverAuth"]);
  }

  issueClient(name: string): Certificate {
    return this.#sign(name, "ec", ["extendedKeyUsage=clientAuth"]);
  }

  #sign(name: string, kind: KeyKind, extensions: readonly string[]): Certificate {
    const certFile = join(this.#folder, `${name}.crt`);
    const keyFile = join(this.#folder, `${name}.key`);
    const files = ["-nodes", "-keyout", keyFile, "-out", certFile, "-days", "20", "-subj", `/CN=${name}`];
    const signer = ["-CA", this.certificate.certFile, "-CAkey", this.certificate.keyFile];
    const added = [...extensions, "basicConstraints=CA:FALSE"].flatMap((text) => ["-addext", text]);
    openssl(["req", "-x509", ...keyArguments[kind], ...files, ...signer, ...added]);
    return load(certFile, keyFile);
  }
}

// Puts another certificate where the proxy reads this one: key and certificate, as a renewal tool would.
export function replaceCertificate(at: Certificate, by: Certificate): void {
  writeFileSync(at.keyFile, by.key);
  writeFileSync(at.certFile, by.cert);
}
