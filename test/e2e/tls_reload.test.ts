// SPDX-License-Identifier: Apache-2.0
// Certificate files change under a running proxy: renewed pairs are served without a restart, broken ones never.
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { type Certificate, CertificateAuthority, replaceCertificate } from "../support/certificates.ts";
import { secureProxyTo } from "../support/configs.ts";
import { type Edge, startEdge } from "../support/edge.ts";
import { RawClient } from "../support/raw_client.ts";
import { fileScope, type Scope, temporaryFolder } from "../support/scope.ts";
import { handshake } from "../support/tls_client.ts";
import { httpUpstream } from "../support/upstreams.ts";

const upstream = await httpUpstream(fileScope);

interface Site {
  readonly authority: CertificateAuthority;
  readonly live: Certificate; // in the files the proxy watches
  readonly edge: Edge;
  readonly config: ReturnType<typeof secureProxyTo>;
}

async function startSite(scope: Scope): Promise<Site> {
  const authority = new CertificateAuthority(temporaryFolder(scope));
  const live = authority.issue("before", ["site.example"]);
  const config = secureProxyTo(upstream.url, { site: live });
  return { authority, live, config, edge: await startEdge(scope, config) };
}

const target = (edge: Edge): { port: number; servername: string } => ({
  port: edge.port("main"),
  servername: "site.example",
});

test("a renewed pair is served without a restart, and open connections live on", async (t) => {
  const { authority, live, edge } = await startSite(t);
  const open = await RawClient.open(t, { port: edge.port("main"), tls: { servername: "site.example" } });
  replaceCertificate(live, authority.issue("after", ["site.example"]));
  await edge.stderr.wait(/configuration applied/);
  assert.equal((await handshake(t, target(edge))).subject, "after");
  await open.send("GET / HTTP/1.1\r\nHost: site.example\r\n\r\n");
  assert.equal((await open.response()).status, 200);
});

const breakages: readonly (readonly [string, (site: Site) => void])[] = [
  [
    "a key that belongs to another certificate",
    ({ live, authority }) => {
      writeFileSync(live.keyFile, authority.issue("stranger", ["site.example"]).key);
    },
  ],
  ["a certificate that is cut in half", ({ live }) => writeFileSync(live.certFile, live.cert.slice(0, 300))],
  ["an empty key file", ({ live }) => writeFileSync(live.keyFile, "")],
  ["a key file that is gone", ({ live }) => rmSync(live.keyFile)],
];

for (const [what, breakIt] of breakages) {
  test(`${what}: the old pair stays, the log says so, and a good pair heals it`, async (t) => {
    const site = await startSite(t);
    const { authority, live, edge } = site;
    const seenLines = edge.stderr.all.length;
    breakIt(site);
    const said = await edge.stderr.wait(/configuration refused/, seenLines);
    assert.match(said, /before|site/, `the log should name the certificate or its file: ${said}`);
    assert.equal((await handshake(t, target(edge))).subject, "before");
    const mark = edge.stderr.all.length;
    replaceCertificate(live, authority.issue("healed", ["site.example"]));
    await edge.stderr.wait(/configuration applied/, mark);
    assert.equal((await handshake(t, target(edge))).subject, "healed");
  });
}

test("abuse 13: a reload with a missing key, certificate or client CA is refused and the old one stays", async (t) => {
  const { edge, live } = await startSite(t);
  const broken = [
    secureProxyTo(upstream.url, { site: { ...live, keyFile: "/nowhere/site.key" } }),
    secureProxyTo(upstream.url, { site: { ...live, certFile: "/nowhere/site.crt" } }),
    secureProxyTo(
      upstream.url,
      { site: live },
      { tls: { clientAuth: { mode: "require", ca: "/nowhere/ca.crt" } } },
    ),
  ];
  for (const config of broken) {
    await assert.rejects(edge.reload(config), /\/nowhere\//);
    const seen = await handshake(t, target(edge));
    assert.deepEqual([seen.subject, seen.response.status], ["before", 200]);
  }
  assert.equal(await edge.metric("mango_config_last_reload_successful"), 0);
});
