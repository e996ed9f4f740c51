// SPDX-License-Identifier: Apache-2.0
// Other people's clients: curl and openssl s_client, as an operator would try them.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { CertificateAuthority } from "../support/certificates.ts";
import { secureProxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { linesOfStream } from "../support/lines.ts";
import { fileScope, temporaryFolder } from "../support/scope.ts";
import { httpUpstream, readEcho } from "../support/upstreams.ts";

const run = promisify(execFile);
const folder = temporaryFolder(fileScope);
const authority = new CertificateAuthority(folder);
const site = authority.issue("site", ["site.example"]);
const upstream = await httpUpstream(fileScope);
const edge = await startEdge(fileScope, secureProxyTo(upstream.url, { site }));
const port = edge.port("main");

async function curl(...args: string[]): Promise<string> {
  const resolve = `site.example:${port}:127.0.0.1`;
  const common = [
    "--silent",
    "--show-error",
    "--fail",
    "--resolve",
    resolve,
    "--cacert",
    authority.certificate.certFile,
  ];
  const { stdout } = await run("curl", [...common, ...args], { maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

test("curl verifies the certificate and gets an answer", async () => {
  const seen = readEcho(await curl(`https://site.example:${port}/curl?x=1`));
  assert.equal(seen.url, "/curl?x=1");
  assert.equal(seen.headers["x-forwarded-proto"], "https");
});

test("curl uploads a file with Expect: 100-continue", async () => {
  const file = join(folder, "upload");
  writeFileSync(file, "u".repeat(3_000_000));
  const expect = ["--header", "Expect: 100-continue", "--data-binary", `@${file}`];
  assert.equal(readEcho(await curl(...expect, `https://site.example:${port}/up`)).body.length, 3_000_000);
});

test("curl uploads chunked", async () => {
  const chunked = ["--header", "Transfer-Encoding: chunked", "--data-binary", "abc"];
  const seen = readEcho(await curl(...chunked, `https://site.example:${port}/up`));
  assert.deepEqual([seen.body, seen.headers["transfer-encoding"]], ["abc", "chunked"]);
});

test("curl reuses its connection for several URLs", async () => {
  const url = `https://site.example:${port}/`;
  const output = await curl("--write-out", "\n%{num_connects}\n", `${url}1`, `${url}2`);
  const connects = output.split("\n").filter((line) => /^\d+$/.test(line));
  assert.deepEqual(connects, ["1", "0"]);
});

test("openssl s_client completes a verified handshake and a request", async (t) => {
  const verify = [
    "-CAfile",
    authority.certificate.certFile,
    "-verify_return_error",
    "-verify_hostname",
    "site.example",
  ];
  const where = ["-connect", `127.0.0.1:${port}`, "-servername", "site.example", "-alpn", "http/1.1"];
  const child = spawn("openssl", ["s_client", ...where, ...verify, "-ign_eof"], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  t.after(() => child.kill("SIGKILL"));
  const output = linesOfStream(child.stdout);
  child.stdin.write("GET /s_client HTTP/1.1\r\nHost: site.example\r\nConnection: close\r\n\r\n");
  await output.wait("ALPN protocol: http/1.1");
  await output.wait("Verification: OK");
  await output.wait("/s_client");
});
