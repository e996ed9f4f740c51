// SPDX-License-Identifier: Apache-2.0
// Client certificates: required, optional, from the wrong authority, and an authority that changes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { secureProxyTo } from "../support/configs.ts";
import { type Config, startEdge } from "../support/edge.ts";
import { fileScope, temporaryFolder } from "../support/scope.ts";
import { handshake, refusedHandshake } from "../support/tls_client.ts";
import { httpUpstream } from "../support/upstreams.ts";

const folder = temporaryFolder(fileScope);
const authority = new CertificateAuthority(folder);
const strangers = new CertificateAuthority(folder, "other-ca");
const site = authority.issue("site", ["site.example"]);
const known = authority.issueClient("known");
const unknown = strangers.issueClient("unknown");
const upstream = await httpUpstream(fileScope);

function withMode(mode: string, ca = authority): Config {
  const clientAuth = mode === "none" ? { mode } : { mode, ca: ca.certificate.certFile };
  return secureProxyTo(upstream.url, { site }, { tls: { clientAuth } });
}

const cases = [
  { mode: "require", client: "no certificate", pair: {}, served: false },
  { mode: "require", client: "a certificate of another authority", pair: unknown, served: false },
  { mode: "require", client: "a good certificate", pair: known, served: true },
  { mode: "optional", client: "no certificate", pair: {}, served: true },
  { mode: "optional", client: "a certificate of another authority", pair: unknown, served: false },
  { mode: "optional", client: "a good certificate", pair: known, served: true },
  { mode: "none", client: "a certificate nobody asked for", pair: unknown, served: true },
] as const;

const edges = new Map<string, Awaited<ReturnType<typeof startEdge>>>();
for (const mode of ["require", "optional", "none"])
  edges.set(mode, await startEdge(fileScope, withMode(mode)));

for (const { mode, client, pair, served } of cases) {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`${mode}, ${maxVersion}: a client with ${client} is ${served ? "served" : "refused"}`, async (t) => {
      const port = edges.get(mode)?.port("main") ?? 0;
      const outcome = await refusedHandshake(t, { port, servername: "site.example", maxVersion, ...pair });
      assert.equal(outcome === "answered 200", served, outcome);
    });
  }
}

test("refused client certificates are counted as failed handshakes and never reach a route", async () => {
  const edge = edges.get("require") ?? assert.fail();
  assert.ok((await edge.metric("mango_tls_handshakes_total", { result: "error" })) >= 2);
});

test("a reload can change the authority: new handshakes follow it", async (t) => {
  const edge = await startEdge(t, withMode("require"));
  const target = { port: edge.port("main"), servername: "site.example" };
  assert.equal((await handshake(t, { ...target, ...known })).response.status, 200);
  await edge.reload(withMode("require", strangers));
  assert.equal((await handshake(t, { ...target, ...unknown })).response.status, 200);
  assert.doesNotMatch(await refusedHandshake(t, { ...target, ...known }), /answered/);
});

test("after the authority changed, a ticket from before does not open the door", async (t) => {
  const edge = await startEdge(t, withMode("require"));
  const target = { port: edge.port("main"), servername: "site.example" };
  const first = await handshake(t, { ...target, ...known });
  const session = first.sessions.at(-1) ?? assert.fail("no ticket");
  await edge.reload(withMode("require", strangers));
  assert.doesNotMatch(await refusedHandshake(t, { ...target, ...known, session }), /answered/);
});
