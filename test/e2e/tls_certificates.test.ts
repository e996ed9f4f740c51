// SPDX-License-Identifier: Apache-2.0
// Which certificate is served to whom, which versions and protocols are agreed, and what is refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { secureProxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { RawClient } from "../support/raw_client.ts";
import { fileScope, temporaryFolder } from "../support/scope.ts";
import { type Handshake, handshake, refusedHandshake } from "../support/tls_client.ts";
import { httpUpstream } from "../support/upstreams.ts";

const authority = new CertificateAuthority(temporaryFolder(fileScope));
const certificates = {
  first: authority.issue("first", ["first.example"]),
  exact: authority.issue("exact", ["www.wild.example"]),
  wild: authority.issue("wild", ["*.wild.example", "wild.example"]),
  "both-ec": authority.issue("both-ec", ["both.example"], "ec"),
  "both-rsa": authority.issue("both-rsa", ["both.example"], "rsa"),
  twin: authority.issue("twin", ["one.twin.example", "two.twin.example"]),
};
const upstream = await httpUpstream(fileScope);
const edge = await startEdge(fileScope, secureProxyTo(upstream.url, certificates));
const port = edge.port("main");

const served: readonly (readonly [servername: string, subject: string, why: string])[] = [
  ["first.example", "first", "an exact name"],
  ["WWW.Wild.Example", "exact", "an exact name before a wildcard, in any case"],
  ["api.wild.example", "wild", "a wildcard"],
  ["wild.example", "wild", "a name beside the wildcard in the same certificate"],
  ["a.b.wild.example", "first", "the default: a wildcard is one label"],
  ["unknown.example", "first", "the default: nobody has that name"],
];

for (const [servername, subject, why] of served) {
  test(`${servername} gets the certificate of ${why}`, async (t) => {
    assert.equal((await handshake(t, { port, servername })).subject, subject);
  });
}

test("a client without a server name gets the default certificate and its site", async (t) => {
  const seen = await handshake(t, { port, hostField: "first.example" });
  assert.deepEqual([seen.subject, seen.response.status], ["first", 200]);
});

const capable: readonly (readonly [string, Record<string, string>, Handshake["keyKind"]])[] = [
  ["a TLS 1.3 client that takes both", {}, "ec"],
  ["a TLS 1.3 client with RSA-PSS only", { sigalgs: "rsa_pss_rsae_sha256" }, "rsa"],
  ["a TLS 1.3 client with ECDSA only", { sigalgs: "ecdsa_secp256r1_sha256" }, "ec"],
  [
    "a TLS 1.2 client with RSA suites",
    { maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-GCM-SHA256" },
    "rsa",
  ],
  [
    "a TLS 1.2 client with ECDSA suites",
    { maxVersion: "TLSv1.2", ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" },
    "ec",
  ],
];

for (const [who, options, kind] of capable) {
  test(`${who} gets the ${kind} certificate of a name that has two`, async (t) => {
    const seen = await handshake(t, { port, servername: "both.example", ...options });
    assert.deepEqual([seen.keyKind, seen.subject], [kind, `both-${kind}`]);
  });
}

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`${version} is spoken`, async (t) => {
    const seen = await handshake(t, {
      port,
      servername: "first.example",
      minVersion: version,
      maxVersion: version,
    });
    assert.deepEqual([seen.version, seen.response.status], [version, 200]);
  });
}

test("TLS 1.1 is refused", async (t) => {
  const old = { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
  assert.match(await refusedHandshake(t, { port, servername: "first.example", ...old }), /protocol.version/i);
});

test("minVersion 1.3 refuses TLS 1.2", async (t) => {
  const { first } = certificates;
  const strict = await startEdge(t, secureProxyTo(upstream.url, { first }, { tls: { minVersion: "1.3" } }));
  const target = { port: strict.port("main"), servername: "first.example" };
  assert.match(await refusedHandshake(t, { ...target, maxVersion: "TLSv1.2" }), /protocol.version/i);
  assert.equal((await handshake(t, target)).version, "TLSv1.3");
});

test("ALPN: h2 where it is offered, http/1.1 where only that is, and nothing when no protocol is", async (t) => {
  const target = { port, servername: "first.example" };
  const both = RawClient.start(t, { port, tls: { ...target, ALPNProtocols: ["http/1.1", "h2"] } });
  await both.connected();
  assert.equal(both.tls.alpnProtocol, "h2");
  assert.equal((await handshake(t, { ...target, ALPNProtocols: ["http/1.1"] })).alpn, "http/1.1");
  assert.equal((await handshake(t, target)).alpn, false);
});

test("a client that offers only protocols we do not speak is told so", async (t) => {
  const target = { port, servername: "first.example", ALPNProtocols: ["h3", "imap"] };
  assert.match(await refusedHandshake(t, target), /no.application.protocol|ECONNRESET/i);
});

for (const ecdhCurve of ["X25519MLKEM768", "X25519", "P-256"]) {
  test(`the key exchange group ${ecdhCurve} is agreed and counted`, async (t) => {
    const seen = await handshake(t, { port, servername: "first.example", ecdhCurve, minVersion: "TLSv1.3" });
    assert.equal(seen.response.status, 200);
    const names = ecdhCurve === "P-256" ? ["P-256", "secp256r1"] : [ecdhCurve, ecdhCurve.toLowerCase()];
    const counts = await Promise.all(
      names.map((group) => edge.metric("mango_tls_handshakes_total", { group })),
    );
    assert.ok(Math.max(...counts) >= 1);
  });
}

test("renegotiation is refused", async (t) => {
  const options = { servername: "first.example", maxVersion: "TLSv1.2" } as const;
  const client = await RawClient.open(t, { port, tls: options });
  const outcome = await new Promise<unknown>((resolve) => {
    client.socket.once("error", resolve).once("close", () => resolve("closed"));
    client.tls.renegotiate({}, (error) => resolve(error));
  });
  assert.ok(outcome !== null && outcome !== undefined, "the server renegotiated");
});

test("abuse 12: a Host under another certificate than the server name is answered 421", async (t) => {
  const crossed = await handshake(t, { port, servername: "first.example", hostField: "www.wild.example" });
  assert.equal(crossed.response.status, 421);
  await edge.accessRecord((record) => record["status"] === 421);
});

test("a Host that the certificate of the server name covers is served", async (t) => {
  const twins = await handshake(t, { port, servername: "one.twin.example", hostField: "two.twin.example" });
  assert.equal(twins.response.status, 200);
  const port443 = await handshake(t, { port, servername: "first.example", hostField: "first.example:443" });
  assert.equal(port443.response.status, 200);
});
