// SPDX-License-Identifier: Apache-2.0
// Reads what the configuration names: certificates, keys, authorities, the admin token (what upstreams name:
// upstream_materials.ts). Each problem is reported at
// the scalar that names the file. Nothing is kept of a file that does not do: the running configuration stays.
import { resolve } from "node:path";
import { loadAuthorities } from "../tls/authorities.ts";
import { readSmallFile } from "../tls/files.ts";
import { type CertificatePair, loadPair } from "../tls/pair.ts";
import { selfSignedPair } from "../tls/self_signed.ts";
import { readTicketKeyFile } from "../tls/ticket-keys.ts";
import { type CheckContext, entriesOf } from "./checks/context.ts";
import { checkHostnames } from "./checks/routes.ts";
import type { Path } from "./errors.ts";
import { hostnameCovers, normaliseHostname } from "./hostnames.ts";
import { warnAboutPair } from "./pair_warnings.ts";
import type { CertificateConfig } from "./schema/root.ts";
import type { CertificateMaterial, Materials } from "./types.ts";
import { loadUpstreamMaterials } from "./upstream_materials.ts";

const MIN_TOKEN = 16;
const PARALLEL = 32; // file descriptors in use at once

export interface MaterialOptions {
  readonly baseDir: string;
  readonly stateDir: string;
  readonly readOnly: boolean;
  readonly files: Set<string>; // filled with every path that was named
}

export async function loadMaterials(context: CheckContext, options: MaterialOptions): Promise<Materials> {
  const certificates = new Map<string, CertificateMaterial>();
  const entries = [...entriesOf(context, "certificates", context.document.certificates)];
  await inBatches(entries, async ([path, certificate, name]) => {
    const material = await loadCertificate(context, path, certificate, name, options);
    if (material !== undefined) certificates.set(name, material);
  });
  return {
    certificates,
    clientAuthorities: await loadClientAuthorities(context, options),
    upstreams: await loadUpstreamMaterials(context, options),
    adminToken: await loadToken(context, options),
  };
}

async function inBatches<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  for (let start = 0; start < items.length; start += PARALLEL)
    await Promise.all(items.slice(start, start + PARALLEL).map(work));
}

async function loadCertificate(
  context: CheckContext,
  path: Path,
  certificate: CertificateConfig,
  name: string,
  options: MaterialOptions,
): Promise<CertificateMaterial | undefined> {
  const { certFile, keyFile } = certificate;
  checkHostnames(context, [...path, "hostnames"], certificate.hostnames ?? []);
  if (!isComplete(context, path, certificate)) return undefined;
  const hostnames = (certificate.hostnames ?? []).flatMap((text) => normaliseHostname(text) ?? []);
  if (certFile === undefined || keyFile === undefined) {
    const pair = await selfSigned(context, path, name, hostnames, options);
    return pair && { ...pair, hostnames: hostnames.length > 0 ? hostnames : ["localhost"], selfSigned: true };
  }
  const paths = { cert: resolve(options.baseDir, certFile), key: resolve(options.baseDir, keyFile) };
  options.files.add(paths.cert).add(paths.key);
  const result = await loadPair(paths.cert, paths.key);
  if ("problem" in result) {
    context.reporter.error([...path, result.at === "cert" ? "certFile" : "keyFile"], result.problem);
    return undefined;
  }
  warnAbout(context, path, result.pair, certificate, hostnames);
  const served =
    hostnames.length > 0 ? hostnames : result.pair.names.flatMap((each) => normaliseHostname(each) ?? []);
  return { ...result.pair, hostnames: served, selfSigned: false };
}

function isComplete(
  context: CheckContext,
  path: Path,
  { certFile, keyFile, selfSigned: own }: CertificateConfig,
): boolean {
  const { reporter } = context;
  if (own === true && (certFile !== undefined || keyFile !== undefined)) {
    reporter.error([...path, "selfSigned"], "expected either selfSigned or certFile with keyFile", {
      at: "key",
    });
    return false;
  }
  if (own === true || (certFile !== undefined && keyFile !== undefined)) return true;
  const missing = certFile === undefined && keyFile !== undefined ? "certFile" : "keyFile";
  const message =
    certFile === undefined && keyFile === undefined
      ? "expected certFile with keyFile, or selfSigned: true"
      : `missing key "${missing}": a certificate needs both files`;
  reporter.error(path, message, { at: "key" });
  return false;
}

async function selfSigned(
  context: CheckContext,
  path: Path,
  name: string,
  hostnames: readonly string[],
  options: MaterialOptions,
): Promise<CertificatePair | undefined> {
  try {
    return await selfSignedPair({ name, hostnames, stateDir: options.stateDir, readOnly: options.readOnly });
  } catch (error) {
    context.reporter.error(
      [...path, "selfSigned"],
      `cannot keep the certificate in ${options.stateDir}: ${(error as Error).message}`,
    );
    return undefined;
  }
}

function warnAbout(
  context: CheckContext,
  path: Path,
  pair: CertificatePair,
  certificate: CertificateConfig,
  hostnames: readonly string[],
): void {
  warnAboutPair(context, path, pair);
  for (const [index, name] of hostnames.entries()) {
    const covered = pair.names.some((own) => hostnameCovers(own, name));
    if (!covered)
      context.reporter.warning(
        [...path, "hostnames", index],
        `the certificate in ${certificate.certFile} is not for ${name}`,
      );
  }
}

async function loadClientAuthorities(
  context: CheckContext,
  options: MaterialOptions,
): Promise<Map<string, string>> {
  const authorities = new Map<string, string>();
  for (const [path, listener, name] of entriesOf(context, "listeners", context.document.listeners)) {
    await checkTicketKeys(context, path, listener.tls?.tickets.keyFile, options);
    const ca = listener.tls?.clientAuth.ca;
    if (ca === undefined) continue;
    const at = [...path, "tls", "clientAuth", "ca"];
    const file = resolve(options.baseDir, ca);
    options.files.add(file);
    const result = await loadAuthorities(file);
    if ("problem" in result) context.reporter.error(at, result.problem);
    else authorities.set(name, result.pem);
    if ("expired" in result && result.expired > 0)
      context.reporter.warning(at, `${result.expired} of these authorities expired`);
  }
  return authorities;
}

async function checkTicketKeys(
  context: CheckContext,
  path: Path,
  keyFile: string | undefined,
  options: MaterialOptions,
): Promise<void> {
  if (keyFile === undefined) return;
  const file = resolve(options.baseDir, keyFile);
  options.files.add(file);
  const result = await readTicketKeyFile(file);
  if ("problem" in result) context.reporter.error([...path, "tls", "tickets", "keyFile"], result.problem);
}

async function loadToken(context: CheckContext, options: MaterialOptions): Promise<string | undefined> {
  const { admin } = context.document;
  if (context.broken.has("admin")) return undefined;
  if (admin.tokenFile === undefined) return admin.token;
  const at = ["admin", "tokenFile"];
  const file = resolve(options.baseDir, admin.tokenFile);
  options.files.add(file);
  const result = await readSmallFile(file, 8192);
  if ("problem" in result) {
    context.reporter.error(at, result.problem);
    return undefined;
  }
  const token = result.content.toString("utf8").trim();
  if (token.length < MIN_TOKEN || /\s/.test(token))
    context.reporter.error(at, `expected one token of at least ${MIN_TOKEN} characters in ${file}`);
  return token;
}
