// SPDX-License-Identifier: Apache-2.0
// What TLS towards upstreams needs from outside the file: authorities, and our own certificate where servers ask for
// one. A broken file is reported at the scalar that names it, and nothing of it is used.
//
// Without `ca` the system's authorities are believed (OpenSSL's own places, so SSL_CERT_FILE and SSL_CERT_DIR work),
// and where the system has none, as in a small container, Mozilla's as Node brings them.
import { resolve } from "node:path";
import { getCACertificates } from "node:tls";
import { loadAuthorities } from "../tls/authorities.ts";
import { loadPair } from "../tls/pair.ts";
import { type CheckContext, entriesOf } from "./checks/context.ts";
import type { Path } from "./errors.ts";
import type { MaterialOptions } from "./materials.ts";
import { warnAboutPair } from "./pair_warnings.ts";
import type { UpstreamConfig } from "./schema/root.ts";
import type { UpstreamMaterial } from "./types.ts";

type UpstreamTls = NonNullable<UpstreamConfig["tls"]>;

export async function loadUpstreamMaterials(
  context: CheckContext,
  options: MaterialOptions,
): Promise<Map<string, UpstreamMaterial>> {
  const materials = new Map<string, UpstreamMaterial>();
  for (const [path, upstream, name] of entriesOf(context, "upstreams", context.document.upstreams)) {
    if (upstream.tls === undefined) continue;
    const at = [...path, "tls"];
    const caPem = await loadCa(context, at, upstream.tls, options);
    materials.set(name, { caPem, ...(await loadOwn(context, at, upstream.tls, options)) });
  }
  return materials;
}

async function loadCa(
  context: CheckContext,
  path: Path,
  { ca, insecureSkipVerify }: UpstreamTls,
  options: MaterialOptions,
): Promise<string> {
  if (insecureSkipVerify) return "";
  if (ca === undefined) return systemAuthorities(context, path);
  const at = [...path, "ca"];
  const file = resolve(options.baseDir, ca);
  options.files.add(file);
  const result = await loadAuthorities(file);
  if ("problem" in result) {
    context.reporter.error(at, result.problem);
    return "";
  }
  if (result.expired > 0) context.reporter.warning(at, `${result.expired} of these authorities expired`);
  return result.pem;
}

function systemAuthorities(context: CheckContext, path: Path): string {
  const own = [...new Set(getCACertificates("system"))]; // a bundle and a folder often hold the same ones
  const all = own.length > 0 ? own : getCACertificates("bundled");
  if (all.length === 0)
    context.reporter.error(
      path,
      "this system has no authorities; expected ca: a PEM file of those to believe",
      {
        at: "key",
      },
    );
  return all.map((pem) => `${pem.trim()}\n`).join("");
}

async function loadOwn(
  context: CheckContext,
  path: Path,
  { certFile, keyFile }: UpstreamTls,
  options: MaterialOptions,
): Promise<Pick<UpstreamMaterial, "certPem" | "keyPem">> {
  if (certFile === undefined || keyFile === undefined) return { certPem: "", keyPem: "" };
  const paths = { cert: resolve(options.baseDir, certFile), key: resolve(options.baseDir, keyFile) };
  options.files.add(paths.cert).add(paths.key);
  const result = await loadPair(paths.cert, paths.key);
  if ("problem" in result) {
    context.reporter.error([...path, result.at === "cert" ? "certFile" : "keyFile"], result.problem);
    return { certPem: "", keyPem: "" };
  }
  warnAboutPair(context, path, result.pair);
  return { certPem: result.pair.certPem, keyPem: result.pair.keyPem };
}
