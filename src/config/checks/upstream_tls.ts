// SPDX-License-Identifier: Apache-2.0
// upstreams.<name>.tls: verification that is wholly on or visibly off, names that certificates can have.
import { isIP } from "node:net";
import type { Path } from "../errors.ts";
import { normaliseHostname } from "../hostnames.ts";
import type { UpstreamConfig } from "../schema/root.ts";
import { type CheckContext, checkUnique } from "./context.ts";

type UpstreamTls = NonNullable<UpstreamConfig["tls"]>;

export function checkUpstreamTls(context: CheckContext, path: Path, tls: UpstreamTls): void {
  checkVerification(context, path, tls);
  checkServerName(context, [...path, "serverName"], tls.serverName);
  checkPins(context, [...path, "subjectAltNames"], tls.subjectAltNames);
  if ((tls.certFile === undefined) === (tls.keyFile === undefined)) return;
  const missing = tls.certFile === undefined ? "certFile" : "keyFile";
  context.reporter.error(path, `missing key "${missing}": a certificate needs both files`, { at: "key" });
}

function checkVerification({ reporter }: CheckContext, path: Path, tls: UpstreamTls): void {
  if (!tls.insecureSkipVerify) return;
  const because = "has no effect with insecureSkipVerify: true; expected one of the two";
  if (tls.ca !== undefined) reporter.error([...path, "ca"], `ca ${because}`, { at: "key" });
  if (tls.subjectAltNames.length > 0)
    reporter.error([...path, "subjectAltNames"], `subjectAltNames ${because}`, { at: "key" });
  reporter.warning(
    [...path, "insecureSkipVerify"],
    "the certificates of these servers are not verified: whoever is in between can read and change everything",
    { at: "key" },
  );
}

function checkServerName({ reporter }: CheckContext, path: Path, name: string | undefined): void {
  if (name === undefined) return;
  if (isIP(name) !== 0)
    return reporter.error(path, "SNI holds no addresses; expected a host name, or subjectAltNames");
  if (!isExact(name)) reporter.error(path, "expected one exact host name, without scheme, port or wildcard");
}

function checkPins(context: CheckContext, path: Path, names: readonly string[]): void {
  for (const [index, name] of names.entries()) {
    if (isIP(name) === 0 && !isExact(name))
      context.reporter.error([...path, index], "expected an exact host name or an IP address");
  }
  const normal = names.map((name) => normaliseHostname(name) ?? name);
  checkUnique(context, path, normal, "name");
}

function isExact(name: string): boolean {
  const normal = normaliseHostname(name);
  return normal !== undefined && !normal.startsWith("*");
}
