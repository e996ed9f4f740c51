// SPDX-License-Identifier: Apache-2.0
// A certificate that mango-edge makes for itself, for trying things out. Kept in the state folder, so that a browser
// has to be convinced once only, and made again a week before it ends or when other names are wanted.
import { webcrypto } from "node:crypto";
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { dirname, join } from "node:path";
import { hostnameCovers } from "../config/hostnames.ts";
import { type CertificatePair, checkPair, loadPair } from "./pair.ts";

const DAY_MS = 86_400_000;
const VALID_DAYS = 90; // browsers refuse very long lives
const RENEW_BEFORE_DAYS = 7;
const ALWAYS = ["localhost", "127.0.0.1", "::1"];
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

export interface SelfSignedRequest {
  readonly name: string; // of the certificate in the configuration; a file name
  readonly hostnames: readonly string[];
  readonly stateDir: string;
  readonly readOnly: boolean; // reuse what is there, write nothing
}

export async function selfSignedPair(request: SelfSignedRequest): Promise<CertificatePair> {
  const paths = selfSignedPaths(request.stateDir, request.name);
  const names = [...new Set([...request.hostnames, ...ALWAYS])];
  const kept = await loadPair(paths.cert, paths.key);
  if ("pair" in kept && isGoodFor(kept.pair, names)) {
    if (!request.readOnly) await chmod(paths.key, 0o600);
    return kept.pair;
  }
  const made = await generate(names);
  if (!request.readOnly) await store(paths, made);
  const checked = checkPair(made.certPem, made.keyPem, {
    certPath: paths.cert,
    keyPath: paths.key,
    keyReadableByAll: false,
  });
  if ("problem" in checked) throw new Error(checked.problem);
  return checked.pair;
}

export function selfSignedPaths(
  stateDir: string,
  name: string,
): { readonly cert: string; readonly key: string } {
  const folder = join(stateDir, "certificates");
  return { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
}

function isGoodFor(pair: CertificatePair, names: readonly string[]): boolean {
  if (pair.notAfterMs < Date.now() + RENEW_BEFORE_DAYS * DAY_MS || pair.notBeforeMs > Date.now())
    return false;
  const have = pair.names.map((name) => (isIP(name) === 6 ? canonical(name) : name));
  return names.every((name) => have.some((own) => hostnameCovers(own, name)));
}

// OpenSSL prints ::1 as 0:0:0:0:0:0:0:1.
function canonical(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}

// Loaded when it is needed, which is once in the life of a state folder. The library wants the polyfill to be first.
async function x509Library(): Promise<typeof import("@peculiar/x509")> {
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  x509.cryptoProvider.set(webcrypto);
  return x509;
}

async function generate(names: readonly string[]): Promise<{ certPem: string; keyPem: string }> {
  const x509 = await x509Library();
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const now = Date.now();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: positiveSerial(),
    name: `CN=${names[0] ?? "localhost"}, O=mango-edge self-signed`,
    notBefore: new Date(now - 60_000), // a clock that runs a little behind is normal
    notAfter: new Date(now + VALID_DAYS * DAY_MS),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([SERVER_AUTH]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const key = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    certPem: `${certificate.toString("pem")}\n`,
    keyPem: x509.PemConverter.encode(key, "PRIVATE KEY"),
  };
}

// A first byte below 0x80 keeps the ASN.1 integer positive, one above zero keeps it 16 bytes long.
function positiveSerial(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}

async function store(
  paths: { cert: string; key: string },
  made: { certPem: string; keyPem: string },
): Promise<void> {
  await mkdir(dirname(paths.key), { recursive: true, mode: 0o700 });
  await chmod(dirname(paths.key), 0o700);
  await replaceFile(paths.key, made.keyPem, 0o600);
  await replaceFile(paths.cert, made.certPem, 0o644);
}

// Never half a file under the final name, and never a key that others could read for a moment.
async function replaceFile(path: string, content: string, mode: number): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, content, { mode, flag: "wx" });
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}
