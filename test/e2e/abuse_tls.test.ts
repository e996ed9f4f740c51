// SPDX-License-Identifier: Apache-2.0
// TLS: early data is off, floods of handshakes that go nowhere end by their deadline. (Tickets across hosts and
// 421 are in tls_resumption and tls_certificates.)
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { CertificateAuthority } from "../support/certificates.ts";
import { secureProxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually, fileScope, temporaryFolder } from "../support/scope.ts";
import { handshake } from "../support/tls_client.ts";
import { httpUpstream } from "../support/upstreams.ts";

const run = promisify(execFile);
const folder = temporaryFolder(fileScope);
const site = new CertificateAuthority(folder).issue("site", ["site.example"]);
const upstream = await httpUpstream(fileScope);
const timeouts = { handshake: "2s" };
const edge = await startEdge(fileScope, secureProxyTo(upstream.url, { site }, { listener: { timeouts } }));
const port = edge.port("main");

async function sClient(...more: string[]): Promise<string> {
  const where = ["-connect", `127.0.0.1:${port}`, "-servername", "site.example", "-tls1_3"];
  const child = run("openssl", ["s_client", ...where, ...more], { timeout: 20_000 });
  child.child.stdin?.end("GET / HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n");
  const { stdout } = await child;
  return stdout;
}

test("abuse 21: tickets allow no early data, and early data that is sent anyway is not taken", async () => {
  const session = join(folder, "session.pem");
  const early = join(folder, "early.txt");
  writeFileSync(early, "POST /early HTTP/1.1\r\nHost: site.example\r\nContent-Length: 0\r\n\r\n");
  const first = await sClient("-ign_eof", "-sess_out", session);
  assert.match(first, /Max Early Data: 0/);
  const second = await sClient("-ign_eof", "-sess_in", session, "-early_data", early).catch(
    (error: { stdout?: string; message: string }) => error.stdout ?? error.message,
  );
  assert.doesNotMatch(second, /Early data was accepted/);
  assert.ok(!upstream.log.all.some((line) => line.includes("/early")));
});

test("abuse 20: a thousand handshakes that never go on are ended, and an honest client is served meanwhile", async (t) => {
  const stuck: RawClient[] = [];
  for (let i = 0; i < 10; i += 1) {
    const group = Array.from({ length: 100 }, () => RawClient.open(t, { port }));
    stuck.push(...(await Promise.all(group)));
  }
  assert.equal((await handshake(t, { port, servername: "site.example" })).response.status, 200);
  await Promise.all(stuck.map((client) => client.ended()));
  await eventually(
    () => edge.metric("mango_sessions_active"),
    (active) => active <= 1,
    "the sessions to be gone",
  );
  assert.ok((await edge.metric("mango_tls_handshakes_total", { result: "timeout" })) >= 1000);
});

const malformed: Readonly<Record<string, Buffer>> = {
  "an SSLv2 hello": Buffer.from("802e0103010015000000100100800200800300800400800500800600400700c0", "hex"),
  "a record of 64 KiB": Buffer.concat([Buffer.from([0x16, 0x03, 0x01, 0xff, 0xff]), Buffer.alloc(65_535)]),
  "an alert first": Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28]),
  "application data first": Buffer.concat([Buffer.from([0x17, 0x03, 0x03, 0x00, 0x10]), Buffer.alloc(16)]),
  "an empty handshake message": Buffer.from([0x16, 0x03, 0x01, 0x00, 0x04, 0x01, 0x00, 0x00, 0x00]),
  zeros: Buffer.alloc(4096),
};

for (const [what, bytes] of Object.entries(malformed)) {
  test(`abuse 20: ${what} ends the connection and hurts nobody else`, async (t) => {
    const client = await RawClient.open(t, { port });
    void client.send(bytes);
    await client.ended();
    assert.equal((await handshake(t, { port, servername: "site.example" })).response.status, 200);
  });
}
