// SPDX-License-Identifier: Apache-2.0
// The certificate authorities that certificates of clients and of upstream servers are checked against.
import { readSmallFile } from "./files.ts";
import { parseCertificates } from "./pair.ts";

export type AuthoritiesResult =
  | { readonly pem: string; readonly expired: number }
  | { readonly problem: string };

const MAX_BUNDLE_BYTES = 8 * 1024 * 1024; // with what people write between certificates
const MAX_PEM_BYTES = 1024 * 1024; // what the data plane takes (native/config)

export async function loadAuthorities(path: string): Promise<AuthoritiesResult> {
  const file = await readSmallFile(path, MAX_BUNDLE_BYTES);
  if ("problem" in file) return file;
  const certificates = parseCertificates(file.content.toString("latin1"));
  if (typeof certificates === "string") return { problem: `${path}: ${certificates}` };
  const stranger = certificates.find((each) => !each.ca);
  if (stranger !== undefined)
    return { problem: `${path}: ${oneLine(stranger.subject)} is not a certificate authority` };
  const pem = [...new Set(certificates.map((each) => each.toString()))].join("");
  if (pem.length > MAX_PEM_BYTES)
    return { problem: `${path}: more than ${MAX_PEM_BYTES} bytes of certificates` };
  return {
    pem,
    expired: certificates.filter((each) => Date.parse(each.validTo) < Date.now()).length,
  };
}

function oneLine(subject: string): string {
  return JSON.stringify(subject.replaceAll("\n", ", "));
}
