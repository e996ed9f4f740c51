// SPDX-License-Identifier: Apache-2.0
// The certificate mango-edge makes for itself: fit for a browser, kept, private, renewed in time.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect, createServer } from "node:tls";
import type { CertificatePair } from "../../src/tls/pair.ts";
import { selfSignedPair, selfSignedPaths } from "../../src/tls/self_signed.ts";
import { CertificateAuthority } from "../support/certificates.ts";

const DAY_MS = 86_400_000;

function stateFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "mango-self-signed-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "state");
}

function pairOf(
  stateDir: string,
  hostnames: readonly string[] = [],
  readOnly = false,
): Promise<CertificatePair> {
  return selfSignedPair({ name: "local", hostnames, stateDir, readOnly });
}

test("it is an ECDSA certificate for localhost, its addresses and the names wanted", async (context) => {
  const pair = await pairOf(stateFolder(context), ["a.example", "*.b.example"]);
  const leaf = new X509Certificate(pair.certPem);
  assert.equal(leaf.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  assert.equal(leaf.ca, false);
  assert.ok(leaf.verify(leaf.publicKey));
  for (const host of ["localhost", "a.example", "x.b.example"]) assert.ok(leaf.checkHost(host), host);
  for (const address of ["127.0.0.1", "::1"]) assert.ok(leaf.checkIP(address), address);
  assert.ok(pair.notAfterMs > Date.now() + 60 * DAY_MS);
  assert.ok(pair.notAfterMs < Date.now() + 398 * DAY_MS, "browsers refuse longer lives");
});

test("a TLS client that trusts it can connect", async (context) => {
  const { certPem, keyPem } = await pairOf(stateFolder(context));
  const server = createServer({ cert: certPem, key: keyPem }, (socket) => socket.end("hello")).listen(
    0,
    "127.0.0.1",
  );
  context.after(() => server.close());
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: "127.0.0.1", ca: certPem, servername: "localhost" });
  const [data] = await once(client, "data");
  assert.equal(String(data), "hello");
  assert.ok(client.authorized);
  client.end();
});

test("the key is for its owner only, the folder too", async (context) => {
  const state = stateFolder(context);
  await pairOf(state);
  const { cert, key } = selfSignedPaths(state, "local");
  assert.equal(statSync(key).mode & 0o777, 0o600);
  assert.equal(statSync(join(key, "..")).mode & 0o777, 0o700);
  assert.equal(statSync(state).mode & 0o777, 0o700);
  assert.ok(!readFileSync(cert, "utf8").includes("PRIVATE"));
});

test("it is used again at the next start, and a key opened to others is closed again", async (context) => {
  const state = stateFolder(context);
  const first = await pairOf(state);
  chmodSync(selfSignedPaths(state, "local").key, 0o644);
  const second = await pairOf(state);
  assert.equal(second.certPem, first.certPem);
  assert.equal(statSync(selfSignedPaths(state, "local").key).mode & 0o777, 0o600);
});

test("it is made anew for other names, when broken, and when the key is another's", async (context) => {
  const state = stateFolder(context);
  const { cert, key } = selfSignedPaths(state, "local");
  const first = await pairOf(state);
  const second = await pairOf(state, ["new.example"]);
  assert.notEqual(second.certPem, first.certPem);
  writeFileSync(cert, "rubbish");
  const third = await pairOf(state, ["new.example"]);
  assert.notEqual(third.certPem, second.certPem);
  writeFileSync(key, second.keyPem);
  const fourth = await pairOf(state, ["new.example"]);
  assert.notEqual(fourth.certPem, third.certPem);
  assert.equal(readFileSync(cert, "utf8").trim(), fourth.certPem.trim());
});

test("it is made anew when less than a week of it is left", async (context) => {
  const state = stateFolder(context);
  const { cert, key } = selfSignedPaths(state, "local");
  const first = await pairOf(state);
  context.mock.timers.enable({ apis: ["Date"], now: first.notAfterMs - 8 * DAY_MS });
  assert.equal((await pairOf(state)).certPem, first.certPem);
  context.mock.timers.setTime(first.notAfterMs - 6 * DAY_MS);
  assert.notEqual((await pairOf(state)).certPem, first.certPem);
  assert.ok(existsSync(cert) && existsSync(key));
});

test("a certificate that somebody put there is used, if it will do", async (context) => {
  const state = stateFolder(context);
  await pairOf(state);
  const { cert, key } = selfSignedPaths(state, "local");
  const issued = new CertificateAuthority(join(state, "..")).issue("x", ["localhost", "127.0.0.1", "::1"]);
  writeFileSync(cert, issued.cert);
  writeFileSync(key, issued.key);
  assert.equal((await pairOf(state)).certPem.trim(), issued.cert.trim());
});

test("read-only makes one for the moment and writes nothing", async (context) => {
  const state = stateFolder(context);
  const pair = await pairOf(state, [], true);
  assert.match(pair.keyPem, /BEGIN PRIVATE KEY/);
  assert.ok(!existsSync(state));
});
