// SPDX-License-Identifier: Apache-2.0
// A certificate with its key that can be used, and still deserves a word to the operator.
import { type CertificatePair, chainTooLong } from "../tls/pair.ts";
import type { CheckContext } from "./checks/context.ts";
import type { Path } from "./errors.ts";

const SOON_MS = 7 * 86_400_000;

/** `path` holds certFile and keyFile. */
export function warnAboutPair({ reporter }: CheckContext, path: Path, pair: CertificatePair): void {
  const at = [...path, "certFile"];
  const now = Date.now();
  if (pair.notAfterMs < now) reporter.warning(at, `this certificate expired on ${day(pair.notAfterMs)}`);
  else if (pair.notAfterMs < now + SOON_MS)
    reporter.warning(at, `this certificate expires on ${day(pair.notAfterMs)}`);
  if (pair.notBeforeMs > now)
    reporter.warning(at, `this certificate is not valid before ${day(pair.notBeforeMs)}`);
  if (pair.keyReadableByAll)
    reporter.warning([...path, "keyFile"], "everybody on this machine can read this key; expected mode 0600");
  if (chainTooLong(pair.certPem))
    reporter.warning(at, "this chain is very long, and every handshake carries it");
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
