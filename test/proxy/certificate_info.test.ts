// SPDX-License-Identifier: Apache-2.0
// Operators see every certificate that can end: those shown to clients, and those shown to servers.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { compileSnapshot, parseConfig } from "../../src/config/index.ts";
import { describeCertificates } from "../../src/proxy/certificate_info.ts";
import { CertificateAuthority } from "../support/certificates.ts";

test("certificates for clients and for servers are told of, without keys", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "mango-certificates-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const authority = new CertificateAuthority(folder);
  authority.issue("www", ["www.example.org"]);
  authority.issueClient("edge");
  const text = `listeners: {web: {address: ":0", protocol: https, tls: {certificates: [www]}}}
certificates: {www: {certFile: www.crt, keyFile: www.key}}
routes: [{name: all, backendRefs: [{name: app}, {name: other}]}]
upstreams:
  app: {servers: [{url: "https://10.0.0.1"}], tls: {ca: ca.crt, certFile: edge.crt, keyFile: edge.key}}
  other: {servers: [{url: "https://10.0.0.2"}], tls: {ca: ca.crt}}
`;
  const { config } = await parseConfig(join(folder, "edge.yaml"), text, {});
  const options = { generation: 1, ticketKeys: [], endpoints: new Map() };
  const described = describeCertificates(compileSnapshot(config, options));
  assert.deepEqual(
    described.map(({ name, subject, hostnames }) => [name, subject, hostnames]),
    [
      ["www", "CN=www", ["www.example.org"]],
      ["upstreams/app", "CN=edge", []],
    ],
  );
  assert.ok(!JSON.stringify(described).includes("PRIVATE KEY"));
});
