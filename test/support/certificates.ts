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

function forServer(hostnames: readonly string[]): string[] {
  const names = hostnames.map((host) => (/^[\d.]+$|:/.test(host) ? `IP:${host}` : `DNS:${host}`));
  return [`subjectAltName=${names.join(",")}`, "extendedKeyUsage=serverAuth"];
}

// As certificates write it: YYYYMMDDHHMMSSZ.
function daysFromNow(days: number): string {
  const then = new Date(Date.now() + days * 24 * 3_600_000);
  return `${then.toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`;
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
    return this.#sign(name, kind, forServer(hostnames));
  }

  // A server's certificate that expired yesterday. Only `openssl ca` can give a date in the past; it wants a
  // configuration, and a database of what it signed.
  issueExpired(name: string, hostnames: readonly string[]): Certificate {
    const file = (ending: string): string => join(this.#folder, `${name}.${ending}`);
    const [certFile, keyFile, request, config] = [file("crt"), file("key"), file("csr"), file("cnf")];
    const subject = ["-nodes", "-keyout", keyFile, "-out", request, "-subj", `/CN=${name}`];
    openssl(["req", "-new", ...keyArguments.ec, ...subject]);
    writeFileSync(file("index"), "");
    const signing = [
      `database=${file("index")}`,
      `new_certs_dir=${this.#folder}`,
      "policy=any",
      "rand_serial=yes",
    ];
    const sections = ["[any]", "commonName=supplied", "[server]", ...forServer(hostnames)];
    writeFileSync(config, ["[signing]", ...signing, "default_md=sha256", ...sections, ""].join("\n"));
    const { certFile: ca, keyFile: caKey } = this.certificate;
    const how = ["-batch", "-config", config, "-name", "signing", "-extensions", "server"];
    const dates = ["-startdate", daysFromNow(-2), "-enddate", daysFromNow(-1)];
    openssl([
      "ca",
      ...how,
      ...dates,
      "-cert",
      ca,
      "-keyfile",
      caKey,
      "-in",
      request,
      "-out",
      certFile,
      "-notext",
    ]);
    return load(certFile, keyFile);
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
