// SPDX-License-Identifier: Apache-2.0
// A certificate chain and its key from PEM files: parsed, matched with each other, and described. What the data
// plane would refuse is refused here, with the file named.
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readSmallFile } from "./files.ts";

export interface CertificatePair {
  readonly certPem: string; // leaf first, then the chain
  readonly keyPem: string;
  readonly names: readonly string[]; // of the leaf: its subjectAltName
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly keyType: string; // "ec", "rsa", ...
  readonly keyReadableByAll: boolean;
}

export type PairResult =
  | { readonly pair: CertificatePair }
  | { readonly problem: string; readonly at: "cert" | "key" };

const MAX_CHAIN = 16;

export async function loadPair(certPath: string, keyPath: string): Promise<PairResult> {
  const [cert, key] = await Promise.all([readSmallFile(certPath), readSmallFile(keyPath)]);
  if ("problem" in cert) return { problem: cert.problem, at: "cert" };
  if ("problem" in key) return { problem: key.problem, at: "key" };
  const keyReadableByAll = (key.mode & 0o004) !== 0;
  return checkPair(cert.content.toString("latin1"), key.content.toString("latin1"), {
    certPath,
    keyPath,
    keyReadableByAll,
  });
}

interface Origin {
  readonly certPath: string;
  readonly keyPath: string;
  readonly keyReadableByAll: boolean;
}

export function checkPair(certText: string, keyText: string, origin: Origin): PairResult {
  const chain = parseCertificates(certText);
  if (typeof chain === "string") return { problem: `${origin.certPath}: ${chain}`, at: "cert" };
  const key = parseKey(keyText);
  if (typeof key === "string") return { problem: `${origin.keyPath}: ${key}`, at: "key" };
  const [leaf] = chain;
  if (leaf === undefined) return { problem: `${origin.certPath}: no certificate in this file`, at: "cert" };
  if (!leaf.checkPrivateKey(key))
    return { problem: `${origin.keyPath} is not the key of ${origin.certPath}`, at: "key" };
  return {
    pair: {
      certPem: chain.map((each) => each.toString()).join(""),
      keyPem: key.export({ type: "pkcs8", format: "pem" }).toString(),
      names: subjectNames(leaf),
      notBeforeMs: Date.parse(leaf.validFrom),
      notAfterMs: Date.parse(leaf.validTo),
      keyType: key.asymmetricKeyType ?? "",
      keyReadableByAll: origin.keyReadableByAll,
    },
  };
}

/** All certificates of a PEM text in their order, or why there are none. */
export function parseCertificates(text: string): X509Certificate[] | string {
  const blocks =
    text.match(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED )?CERTIFICATE-----/g) ??
    [];
  if (blocks.length === 0) return "no certificate in this file (expected PEM)";
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return "broken certificate in this file";
  }
}

/** A chain longer than this is a mistake, and costs every handshake. */
export function chainTooLong(certPem: string): boolean {
  return (certPem.match(/-----BEGIN CERTIFICATE-----/g) ?? []).length > MAX_CHAIN;
}

function parseKey(text: string): KeyObject | string {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(text))
    return "the key is encrypted; expected an unencrypted PEM key";
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return "no private key in this file (expected PEM)";
  try {
    return createPrivateKey(text);
  } catch {
    return "broken private key in this file";
  }
}

// "DNS:a.example, IP Address:127.0.0.1"; names that need quoting there are no host names.
function subjectNames(leaf: X509Certificate): string[] {
  const entries = (leaf.subjectAltName ?? "").split(", ");
  return entries.flatMap((entry) => {
    const match = /^(?:DNS|IP Address):([^"\s]+)$/.exec(entry);
    return match?.[1] === undefined ? [] : [match[1].toLowerCase()];
  });
}
