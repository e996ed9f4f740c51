// SPDX-License-Identifier: Apache-2.0
// What may be shown of a certificate: everything but its key.
import { X509Certificate } from "node:crypto";
import type { CertificateInfo } from "./control.ts";
import type { SnapshotCertificate } from "./snapshot.ts";

export function describeCertificate({ name, hostnames, certPem }: SnapshotCertificate): CertificateInfo {
  const leaf = new X509Certificate(certPem); // the first of the chain
  return {
    name,
    hostnames,
    subject: oneLine(leaf.subject),
    issuer: oneLine(leaf.issuer),
    selfSigned: leaf.subject === leaf.issuer,
    notBefore: leaf.validFromDate.toISOString(),
    notAfter: leaf.validToDate.toISOString(),
    keyType: leaf.publicKey.asymmetricKeyType ?? "",
    fingerprint256: leaf.fingerprint256,
  };
}

function oneLine(name: string | undefined): string {
  return (name ?? "").split("\n").join(", ");
}
