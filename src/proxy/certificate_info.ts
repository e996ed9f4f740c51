// SPDX-License-Identifier: Apache-2.0
// What may be shown of a certificate: everything but its key.
import { X509Certificate } from "node:crypto";
import type { CertificateInfo } from "./control.ts";
import type { Snapshot, SnapshotCertificate } from "./snapshot.ts";

type Shown = Pick<SnapshotCertificate, "name" | "hostnames" | "certPem">;

/** All that the snapshot holds; what is shown to an upstream's servers is named "upstreams/" and the upstream. */
export function describeCertificates({ certificates, upstreams }: Snapshot): CertificateInfo[] {
  const toServers = upstreams.flatMap(({ name, tls }): Shown[] =>
    tls === null || tls.certPem === ""
      ? []
      : [{ name: `upstreams/${name}`, hostnames: [], certPem: tls.certPem }],
  );
  return [...certificates, ...toServers].map(describeCertificate);
}

function describeCertificate({ name, hostnames, certPem }: Shown): CertificateInfo {
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
