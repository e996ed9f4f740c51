// SPDX-License-Identifier: Apache-2.0
// Session tickets: one a handshake, good on every worker and after reloads, never across trust boundaries.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { secureProxyTo } from "../support/configs.ts";
import { type Edge, startEdge } from "../support/edge.ts";
import { fileScope, temporaryFolder } from "../support/scope.ts";
import { type Handshake, handshake, refusedHandshake } from "../support/tls_client.ts";
import { httpUpstream } from "../support/upstreams.ts";

const authority = new CertificateAuthority(temporaryFolder(fileScope));
const a = authority.issue("a", ["a.example"]);
const b = authority.issue("b", ["b.example"]);
const upstream = await httpUpstream(fileScope);

const guarded = {
  address: "127.0.0.1:0",
  protocol: "https",
  tls: { certificates: ["b", "a"], clientAuth: { mode: "require", ca: authority.certificate.certFile } },
};
const base = secureProxyTo(upstream.url, { a, b }, { top: { workers: 4 } });
const config = { ...base, listeners: { ...(base["listeners"] as object), guarded } };
const edge: Edge = await startEdge(fileScope, config);
const port = edge.port("main");

const versions = ["TLSv1.2", "TLSv1.3"] as const;
const lastTicket = (seen: Handshake): Buffer => seen.sessions.at(-1) ?? assert.fail("no ticket came");

for (const version of versions) {
  const only = { minVersion: version, maxVersion: version };

  test(`${version}: exactly one ticket comes with a full handshake`, async (t) => {
    const seen = await handshake(t, { port, servername: "a.example", ...only });
    assert.deepEqual([seen.resumed, seen.sessions.length], [false, 1]);
  });

  test(`${version}: tickets resume on every worker`, async (t) => {
    let session = lastTicket(await handshake(t, { port, servername: "a.example", ...only }));
    // 24 connections spread over 4 workers by the kernel: a worker that cannot resume would be met.
    for (let i = 0; i < 24; i += 1) {
      const seen = await handshake(t, { port, servername: "a.example", session, ...only });
      assert.equal(seen.resumed, true, `connection ${i} was not resumed`);
      session = seen.sessions.at(-1) ?? session;
    }
  });

  test(`${version}: tickets resume after a reload`, async (t) => {
    const session = lastTicket(await handshake(t, { port, servername: "a.example", ...only }));
    await edge.reload({ ...config, limits: { drain: version === "TLSv1.2" ? "20s" : "21s" } });
    for (let i = 0; i < 8; i += 1) {
      assert.equal((await handshake(t, { port, servername: "a.example", session, ...only })).resumed, true);
    }
  });

  test(`abuse 12, ${version}: a ticket of host a is not resumed for host b`, async (t) => {
    const session = lastTicket(await handshake(t, { port, servername: "a.example", ...only }));
    const seen = await handshake(t, { port, servername: "b.example", session, ...only });
    assert.deepEqual([seen.resumed, seen.subject, seen.response.status], [false, "b", 200]);
  });

  test(`abuse 12, ${version}: a ticket from a listener without client certificates opens none that requires them`, async (t) => {
    const session = lastTicket(await handshake(t, { port, servername: "a.example", ...only }));
    for (const servername of ["a.example", "b.example"]) {
      const target = { port: edge.port("guarded"), servername, session, ...only };
      assert.doesNotMatch(await refusedHandshake(t, target), /answered/);
      const { cert, key } = authority.issueClient(`client-${version}-${servername}`);
      const seen = await handshake(t, { ...target, cert, key });
      assert.deepEqual([seen.resumed, seen.response.status], [false, 200]);
    }
  });

  test(`${version}: a ticket of a client with a certificate resumes where it was made`, async (t) => {
    const { cert, key } = authority.issueClient(`returning-${version}`);
    const target = { port: edge.port("guarded"), servername: "b.example", cert, key, ...only };
    const session = lastTicket(await handshake(t, target));
    const seen = await handshake(t, { ...target, session });
    assert.deepEqual([seen.resumed, seen.response.status], [true, 200]);
  });
}

test("resumed handshakes are counted as such", async () => {
  assert.ok((await edge.metric("mango_tls_handshakes_total", { resumed: "true", result: "ok" })) > 50);
});

test("a ticket of another proxy's key is not resumed and does no harm", async (t) => {
  const other = await startEdge(t, base);
  const session = lastTicket(await handshake(t, { port: other.port("main"), servername: "a.example" }));
  const seen = await handshake(t, { port, servername: "a.example", session });
  assert.deepEqual([seen.resumed, seen.response.status], [false, 200]);
});

test("tickets can be switched off", async (t) => {
  const off = await startEdge(
    t,
    secureProxyTo(upstream.url, { a }, { tls: { tickets: { enabled: false } } }),
  );
  const seen = await handshake(t, { port: off.port("main"), servername: "a.example" });
  assert.deepEqual([seen.sessions.length, seen.response.status], [0, 200]);
});
