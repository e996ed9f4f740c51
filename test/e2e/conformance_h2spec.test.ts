// SPDX-License-Identifier: Apache-2.0
// HTTP/2 as others read RFC 9113 and RFC 7541: all cases of h2spec, where it is installed (`npm run conformance`
// brings it where Go is).
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import {
  conforms,
  failures,
  findH2spec,
  h2specArguments,
  readVerdict,
  type Target,
} from "../../loadtest/conformance/h2spec.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { proxyTo, secureProxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { type Scope, temporaryFolder } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const program = findH2spec();
const skip = program === undefined ? "h2spec is not installed; npm run conformance brings it" : false;
const run = promisify(execFile);

// The cases on flow control need content to be held back; those on malformed requests an answer that does not come
// before their end.
async function service(scope: Scope): Promise<string> {
  const { url } = await httpUpstream(scope, (request, response) => {
    request.on("error", () => {});
    request.resume().on("end", () => response.end("x".repeat(1024)));
  });
  return url;
}

async function conformant(target: Target): Promise<void> {
  const { stdout } = await run(program ?? "", h2specArguments(target)).catch((error) => error);
  const output = String(stdout);
  assert.ok(conforms(readVerdict(output)), failures(output));
}

async function overTls(t: TestContext): Promise<void> {
  const site = new CertificateAuthority(temporaryFolder(t)).issue("site", ["localhost"]);
  const edge = await startEdge(t, secureProxyTo(await service(t), { site }));
  await conformant({ host: "localhost", port: edge.port("main"), tls: true });
}

async function inTheClear(t: TestContext): Promise<void> {
  const edge = await startEdge(t, proxyTo(await service(t)));
  await conformant({ host: "localhost", port: edge.port("main"), tls: false });
}

test("h2spec finds nothing wrong over TLS", { skip }, overTls);
test("h2spec finds nothing wrong in the clear", { skip }, inTheClear);
