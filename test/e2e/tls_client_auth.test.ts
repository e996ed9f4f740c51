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

const modes = ["require", "optional", "none"] as const;

function listenerOf(mode: (typeof modes)[number], ca: CertificateAuthority): Config {
  const clientAuth = mode === "none" ? { mode } : { mode, ca: ca.certificate.certFile };
  return { address: "127.0.0.1:0", protocol: "https", tls: { certificates: ["site"], clientAuth } };
}

// A listener for each mode, all in one proxy.
const believing = (ca: CertificateAuthority): Config => ({
  ...secureProxyTo(upstream.url, { site }),
  listeners: Object.fromEntries(modes.map((mode) => [mode, listenerOf(mode, ca)])),
});
const edge = await startEdge(fileScope, believing(authority));

const cases = [
  { mode: "require", client: "no certificate", pair: {}, served: false },
  { mode: "require", client: "a certificate of another authority", pair: unknown, served: false },
  { mode: "require", client: "a good certificate", pair: known, served: true },
  { mode: "optional", client: "no certificate", pair: {}, served: true },
  { mode: "optional", client: "a certificate of another authority", pair: unknown, served: false },
  { mode: "optional", client: "a good certificate", pair: known, served: true },
  { mode: "none", client: "a certificate nobody asked for", pair: unknown, served: true },
] as const;

for (const { mode, client, pair, served } of cases) {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`${mode}, ${maxVersion}: a client with ${client} is ${served ? "served" : "refused"}`, async (t) => {
      const port = edge.port(mode);
      const outcome = await refusedHandshake(t, { port, servername: "site.example", maxVersion, ...pair });
      assert.equal(outcome === "answered 200", served, outcome);
    });
  }
}

test("refused client certificates are counted as failed handshakes and never reach a route", async () => {
  const refused = 2 * cases.filter(({ served }) => !served).length;
  assert.equal(await edge.metric("mango_tls_handshakes_total", { result: "error" }), refused);
  assert.equal(upstream.requests(), 2 * cases.length - refused);
});

test("a reload can change the authority: new handshakes follow it", async (t) => {
  await edge.reload(believing(authority));
  const target = { port: edge.port("require"), servername: "site.example" };
  assert.equal((await handshake(t, { ...target, ...known })).response.status, 200);
  await edge.reload(believing(strangers));
  assert.equal((await handshake(t, { ...target, ...unknown })).response.status, 200);
  assert.doesNotMatch(await refusedHandshake(t, { ...target, ...known }), /answered/);
});

test("after the authority changed, a ticket from before does not open the door", async (t) => {
  await edge.reload(believing(authority));
  const target = { port: edge.port("require"), servername: "site.example" };
  const first = await handshake(t, { ...target, ...known });
  const session = first.sessions.at(-1) ?? assert.fail("no ticket");
  await edge.reload(believing(strangers));
  assert.doesNotMatch(await refusedHandshake(t, { ...target, ...known, session }), /answered/);
});
