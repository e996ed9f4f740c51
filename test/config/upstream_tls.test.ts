// SPDX-License-Identifier: Apache-2.0
// What TLS towards upstreams reads from files, and what becomes of files that do not do.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compileSnapshot } from "../../src/config/compile.ts";
import { diffConfig, formatChange } from "../../src/config/diff.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { EdgeConfig } from "../../src/config/types.ts";
import type { SnapshotUpstreamTls } from "../../src/proxy/snapshot.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { onlyErrorOf, parse, temporaryFolder } from "./config_text.ts";

const text = (tls: string): string => `listeners: {l: {address: ":0", protocol: http}}
routes: [{name: r, backendRefs: [{name: u}]}]
upstreams:
  u:
    servers: [{url: "https://app.example.org"}]
${tls}`;

function compiledTls(config: EdgeConfig): SnapshotUpstreamTls {
  const options = { generation: 1, ticketKeys: [], endpoints: new Map() };
  const tls = compileSnapshot(config, options).upstreams[0]?.tls;
  assert.ok(tls);
  return tls;
}

test("authorities, names and a certificate of our own arrive as text", async (context) => {
  const folder = temporaryFolder(context);
  const authority = new CertificateAuthority(folder);
  const own = authority.issueClient("edge");
  const path = join(folder, "edge.yaml");
  writeFileSync(
    path,
    text(`    tls:
      ca: ca.crt
      serverName: App.Internal
      subjectAltNames: [App.Internal, 10.0.0.1]
      certFile: ./edge.crt
      keyFile: edge.key
      minVersion: "1.3"
`),
  );
  const { config, files, warnings } = await loadConfig(path, {});
  assert.deepEqual(warnings, []);
  assert.deepEqual(
    [...files].sort(),
    ["ca.crt", "edge.crt", "edge.key", "edge.yaml"].map((name) => join(folder, name)),
  );
  const { keyPem, ...tls } = compiledTls(config);
  assert.deepEqual(tls, {
    verify: true,
    caPem: authority.certificate.cert,
    serverName: "app.internal",
    altNames: ["app.internal", "10.0.0.1"],
    certPem: own.cert,
    minVersion: "1.3",
  });
  assert.match(keyPem, /^-----BEGIN PRIVATE KEY-----/);
});

test("without authorities those of the system are believed, each once", async () => {
  const { config, files } = await parse(text(""));
  const { verify, caPem } = compiledTls(config);
  const certificates = caPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? [];
  assert.ok(verify && certificates.length > 0);
  assert.equal(certificates.join(""), caPem);
  assert.equal(new Set(certificates).size, certificates.length);
  assert.equal(files.length, 1);
});

test("nobody is asked where nothing is verified, and that is a warning", async () => {
  const { config, warnings } = await parse(text("    tls: {insecureSkipVerify: true}\n"));
  assert.deepEqual(
    warnings.map(({ path, line, column }) => [path, line, column]),
    [["upstreams.u.tls.insecureSkipVerify", 6, 11]],
  );
  const { verify, caPem } = compiledTls(config);
  assert.deepEqual([verify, caPem], [false, ""]);
});

test("broken files are refused where they are named", async (context) => {
  const folder = temporaryFolder(context);
  const authority = new CertificateAuthority(folder);
  authority.issueClient("one");
  authority.issueClient("two");
  writeFileSync(join(folder, "empty.crt"), "");
  const refusal = async (tls: string) => {
    const { line, column, message } = await onlyErrorOf(text(`    tls:\n${tls}`));
    return `${line}:${column} ${message}`;
  };
  assert.match(await refusal(`      ca: ${folder}/empty.crt\n`), /^7:11 .*no certificate in this file/);
  assert.match(await refusal(`      ca: ${folder}/one.crt\n`), /^7:11 .*is not a certificate authority/);
  assert.match(
    await refusal(`      certFile: ${folder}/one.crt\n      keyFile: ${folder}/two.key\n`),
    /^8:16 .*two.key is not the key of .*one.crt/,
  );
});

test("other contents of a file are a difference", async (context) => {
  const folder = temporaryFolder(context);
  new CertificateAuthority(folder, "first");
  new CertificateAuthority(folder, "second");
  const load = (name: string) => parse(text(`    tls: {ca: "${folder}/${name}.crt"}\n`));
  const before = (await load("first")).config;
  const after = { ...before, materials: (await load("second")).config.materials };
  assert.deepEqual(diffConfig(before, after).map(formatChange), [
    "~ upstreams.u.tls (contents of its files)",
  ]);
});
