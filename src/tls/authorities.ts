// SPDX-License-Identifier: Apache-2.0
// The certificate authorities that client certificates are checked against.
import { readSmallFile } from "./files.ts";
import { parseCertificates } from "./pair.ts";

export type AuthoritiesResult =
  | { readonly pem: string; readonly expired: number }
  | { readonly problem: string };

const MAX_BUNDLE_BYTES = 8 * 1024 * 1024;

export async function loadAuthorities(path: string): Promise<AuthoritiesResult> {
  const file = await readSmallFile(path, MAX_BUNDLE_BYTES);
  if ("problem" in file) return file;
  const certificates = parseCertificates(file.content.toString("latin1"));
  if (typeof certificates === "string") return { problem: `${path}: ${certificates}` };
  const stranger = certificates.find((each) => !each.ca);
  if (stranger !== undefined)
    return { problem: `${path}: ${oneLine(stranger.subject)} is not a certificate authority` };
  return {
    pem: certificates.map((each) => each.toString()).join(""),
    expired: certificates.filter((each) => Date.parse(each.validTo) < Date.now()).length,
  };
}

function oneLine(subject: string): string {
  return JSON.stringify(subject.replaceAll("\n", ", "));
}
