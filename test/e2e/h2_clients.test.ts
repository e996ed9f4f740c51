// SPDX-License-Identifier: Apache-2.0
// HTTP/2 with other people's programs: curl, nghttp and h2load, over TLS by ALPN and with prior knowledge.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { secureProxyTo, withPlain } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { fileScope, temporaryFolder } from "../support/scope.ts";
import { runTool } from "../support/tools.ts";
import { httpUpstream, readEcho } from "../support/upstreams.ts";

const folder = temporaryFolder(fileScope);
const authority = new CertificateAuthority(folder);
const site = authority.issue("site", ["site.example"]);
const upstream = await httpUpstream(fileScope);
const edge = await startEdge(fileScope, withPlain(secureProxyTo(upstream.url, { site })));
const upload = join(folder, "upload");
writeFileSync(upload, "u".repeat(3_000_000));

interface Variant {
  readonly name: string;
  readonly origin: string;
  readonly curl: readonly string[];
}

const securePort = edge.port("main");
const plainPort = edge.port("plain");
const variants: readonly Variant[] = [
  {
    name: "over TLS",
    origin: `https://site.example:${securePort}`,
    curl: [
      "--http2",
      "--resolve",
      `site.example:${securePort}:127.0.0.1`,
      "--cacert",
      authority.certificate.certFile,
    ],
  },
  {
    name: "with prior knowledge",
    origin: `http://127.0.0.1:${plainPort}`,
    curl: ["--http2-prior-knowledge"],
  },
];

async function curl(variant: Variant, ...args: string[]): Promise<string> {
  const common = ["--silent", "--show-error", "--fail", ...variant.curl];
  const said = await runTool("curl", [...common, ...args]);
  assert.equal(said.status, 0, said.stderr);
  return said.stdout;
}

const [secure] = variants as [Variant, Variant];

for (const variant of variants) {
  const { name, origin } = variant;

  test(`curl speaks HTTP/2 ${name}`, async () => {
    const output = await curl(variant, "--write-out", "\n%{http_version} %{http_code}", `${origin}/curl?x=1`);
    const [body = "", facts] = output.split("\n");
    assert.equal(facts, "2 200");
    assert.equal(readEcho(body).url, "/curl?x=1");
  });

  test(`curl uploads 3 MB ${name}`, async () => {
    assert.equal(
      readEcho(await curl(variant, "--data-binary", `@${upload}`, `${origin}/up`)).body.length,
      3_000_000,
    );
    const expecting = ["--header", "Expect: 100-continue", "--data-binary", `@${upload}`];
    assert.equal(readEcho(await curl(variant, ...expecting, `${origin}/up`)).body.length, 3_000_000);
  });

  test(`curl asks for a head ${name}`, async () => {
    const head = await curl(variant, "--head", `${origin}/`);
    assert.match(head, /^HTTP\/2 200/);
    assert.doesNotMatch(head, /^(connection|transfer-encoding|keep-alive):/im);
  });

  test(`nghttp gets an answer ${name}, and its PRIORITY frames hurt nobody`, async () => {
    const { status, stdout, stderr } = await nghttp(origin, "-v", `${urlFor(origin)}/nghttp`);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /send PRIORITY frame/);
    assert.match(stdout, /recv \(stream_id=\d+\) :status: 200/);
    assert.match(stdout, /recv SETTINGS frame/);
    assert.doesNotMatch(stdout, /recv (GOAWAY|RST_STREAM) frame/);
    assert.match(stdout, /"url":"\/nghttp"/);
  });

  test(`nghttp sends content and trailers ${name}`, async () => {
    const content = ["-d", upload, "--no-content-length", "--trailer", "x-checksum: 4711"];
    const { status, stdout, stderr } = await nghttp(origin, ...content, `${urlFor(origin)}/up`);
    assert.equal(status, 0, stderr);
    const seen = readEcho(stdout);
    assert.equal(seen.body.length, 3_000_000);
    assert.deepEqual(seen.trailers, { "x-checksum": "4711" });
  });

  test(`nghttp asks 50 times on one connection ${name}`, async () => {
    const { status, stdout, stderr } = await nghttp(origin, "-n", "-s", "-m", "50", `${urlFor(origin)}/many`);
    assert.equal(status, 0, stderr);
    assert.equal(stdout.match(/ 200 +\d+\w* +\/many/g)?.length, 50, stdout);
  });

  test(`h2load: 5,000 requests, 32 at once on each of 4 connections ${name}, all answered 200`, async () => {
    const before = await edge.metric("mango_sessions_total");
    const how = ["-n", "5000", "-c", "4", "-m", "32", ...toAddress(origin)];
    const { status, stdout, stderr } = await runTool("h2load", [...how, `${origin}/h2load`]);
    assert.equal(status, 0, stderr);
    assert.match(stdout, /Application protocol: h2/);
    assert.match(stdout, /5000 done, 5000 succeeded, 0 failed, 0 errored, 0 timeout/);
    assert.match(stdout, /status codes: 5000 2xx, 0 3xx, 0 4xx, 0 5xx/);
    assert.equal((await edge.metric("mango_sessions_total")) - before, 4);
  });
}

// (curl 7.88 cannot use a connection twice with prior knowledge, whatever the server.)
test("curl puts 40 transfers on one connection", async () => {
  const before = await edge.metric("mango_sessions_total");
  const urls = Array.from({ length: 40 }, (_, i) => `${secure.origin}/parallel/${i}`);
  const sinks = urls.flatMap((url) => ["--output", "/dev/null", url]);
  const output = await curl(secure, "--parallel", "--write-out", "%{http_code} %{num_connects}\n", ...sinks);
  const answers = output.trim().split("\n");
  assert.equal(answers.length, 40);
  assert.ok(
    answers.every((line) => line.startsWith("200 ")),
    output,
  );
  assert.equal((await edge.metric("mango_sessions_total")) - before, 1);
});

// nghttp takes the server name from the authority it is told.
function nghttp(origin: string, ...args: string[]): ReturnType<typeof runTool> {
  const named = origin.startsWith("https") ? ["--no-verify-peer", "-H", ":authority: site.example"] : [];
  return runTool("nghttp", [...named, ...args]);
}

function urlFor(origin: string): string {
  return origin.replace("site.example", "127.0.0.1");
}

function toAddress(origin: string): string[] {
  return origin.startsWith("https") ? ["--connect-to", `127.0.0.1:${securePort}`] : [];
}
