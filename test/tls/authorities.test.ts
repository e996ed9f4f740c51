// SPDX-License-Identifier: Apache-2.0
// A file of authorities gives each of them once, and says why it gives none.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { rootCertificates } from "node:tls";
import { loadAuthorities } from "../../src/tls/authorities.ts";
import { CertificateAuthority } from "../support/certificates.ts";

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "mango-authorities-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function load(folder: string, text: string) {
  const path = join(folder, "bundle.pem");
  writeFileSync(path, text);
  return loadAuthorities(path);
}

test("authorities are taken once, whatever stands between them", async (t) => {
  const folder = temporaryFolder(t);
  const [one, two] = [new CertificateAuthority(folder, "one"), new CertificateAuthority(folder, "two")];
  const { cert: first } = one.certificate;
  const { cert: second } = two.certificate;
  assert.deepEqual(await load(folder, `# ours\n${first}\n# theirs\n${second}${first}`), {
    pem: first + second,
    expired: 0,
  });
});

test("a bundle as large as a browser's is taken", async (t) => {
  const result = await load(temporaryFolder(t), rootCertificates.join("\n"));
  assert.ok("pem" in result);
  assert.equal(result.pem.match(/BEGIN/g)?.length, new Set(rootCertificates).size);
});

test("a certificate that signs nobody is refused with its name", async (t) => {
  const folder = temporaryFolder(t);
  const { cert } = new CertificateAuthority(folder).issue("leaf", ["a.example.org"]);
  const result = await load(folder, cert);
  assert.ok("problem" in result);
  assert.match(result.problem, /bundle\.pem: "CN=leaf" is not a certificate authority$/);
});
