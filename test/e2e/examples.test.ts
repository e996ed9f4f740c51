// SPDX-License-Identifier: Apache-2.0
// The examples in config/ as an operator takes them: each is checked, started and asked. Only what their environment
// variables name is another here: addresses, certificates, upstreams.
import assert from "node:assert/strict";
import { copyFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { ask } from "../support/client.ts";
import { runCli } from "../support/edge.ts";
import { elsewhere, exampleFile, startExample } from "../support/examples.ts";
import { mappedFiles } from "../support/process_facts.ts";
import { repositoryRoot, temporaryFolder } from "../support/scope.ts";
import { refusedHandshake } from "../support/tls_client.ts";
import { closedPort, httpUpstream, readEcho } from "../support/upstreams.ts";
import { Toed } from "../toed/daemon.ts";

// The pairs that an example names, under the endings it names them by; the CA comes along.
function certificatesFor(folder: string, hosts: Readonly<Record<string, string>>): CertificateAuthority {
  const authority = new CertificateAuthority(folder, "partners-ca");
  for (const [name, host] of Object.entries(hosts)) {
    authority.issue(name, [host, "example.org"], name.endsWith("rsa") ? "rsa" : "ec");
    copyFileSync(join(folder, `${name}.crt`), join(folder, `${name}.pem`));
  }
  copyFileSync(join(folder, "partners-ca.crt"), join(folder, "partners-ca.pem"));
  return authority;
}

test("quickstart: TLS to the demo service, and the redirect to it", async (t) => {
  const edge = await startExample(t, "quickstart", elsewhere(temporaryFolder(t)));
  const served = await ask({ port: edge.port("https"), host: "localhost", tls: true });
  assert.equal(served.status, 200);
  const moved = await ask({ port: edge.port("http"), host: "localhost", path: "/a?b" });
  assert.deepEqual([moved.status, moved.headers["location"]], [308, "https://localhost:8443/a?b"]);
  assert.equal((await edge.admin("/metrics")).status, 200);
});

test("production: a rewritten path, a wildcard's Unix socket, partners only from their networks", async (t) => {
  const folder = temporaryFolder(t);
  const authority = certificatesFor(folder, {
    "www-ecdsa": "www.example.org",
    "www-rsa": "www.example.org",
    shops: "*.shops.example.org",
    partners: "partners.example.org",
  });
  const api = await httpUpstream(t);
  const shops = await httpUpstream(t, undefined, { path: join(folder, "shops.sock") });
  const environment = {
    ...elsewhere(folder),
    MANGO_CERTS: folder,
    MANGO_API: api.url,
    MANGO_SHOPS: shops.url.slice("unix:".length),
  };
  const edge = await startExample(t, "production", environment);
  const port = edge.port("public");
  const users = await ask({ port, host: "www.example.org", path: "/api/users?x=1", tls: true });
  assert.deepEqual([users.status, readEcho(users.body).url], [200, "/users?x=1"]);
  const shop = await ask({ port, host: "a.shops.example.org", path: "/basket", tls: true });
  assert.deepEqual([shop.status, shops.requests()], [200, 1]);
  const bare = await ask({ port, host: "example.org", path: "/p", tls: true });
  assert.deepEqual([bare.status, bare.headers["location"]], [301, `https://www.example.org:${port}/p`]);
  const plain = await ask({ port: edge.port("plain"), host: "www.example.org", path: "/p" });
  assert.deepEqual([plain.status, plain.headers["location"]], [308, "https://www.example.org/p"]);
  // 127.0.0.1 is none of the partners' networks, whatever certificate it shows.
  const { cert, key } = authority.issueClient("partner");
  const partner = { port: edge.port("partners"), servername: "partners.example.org", cert, key };
  assert.doesNotMatch(await refusedHandshake(t, partner), /answered/);
  await edge.events((event) => event["trigger"] === "denied" && event["policy"] === "partners");
});

test("dpu: the data plane runs on the library it names", async (t) => {
  const folder = temporaryFolder(t);
  certificatesFor(folder, { www: "www.example.org" });
  const library = join(repositoryRoot, "build/release/libmango.so");
  const [one, two] = [await httpUpstream(t), await httpUpstream(t)];
  const edge = await startExample(t, "dpu", {
    ...elsewhere(folder),
    MANGO_CERTS: folder,
    MANGO_LIBRARY: library,
    MANGO_WWW_1: one.url,
    MANGO_WWW_2: two.url,
  });
  const served = await ask({ port: edge.port("https"), host: "www.example.org", path: "/a", tls: true });
  assert.deepEqual([served.status, one.requests() + two.requests()], [200, 1]);
  const moved = await ask({ port: edge.port("http"), host: "www.example.org", path: "/a" });
  assert.deepEqual([moved.status, moved.headers["location"]], [308, "https://www.example.org/a"]);
  assert.deepEqual(mappedFiles(edge.pid, /libmango\.so/), [realpathSync(library)]);
  assert.ok((await edge.metric("mango_engine_calls_total")) > 0);
});

test("device: TCP is in the other process, and the page comes all the same", async (t) => {
  const toed = await Toed.start(t);
  const edge = await startExample(t, "device", {
    ...elsewhere(temporaryFolder(t)),
    MANGO_DEVICE: toed.address,
  });
  const served = await ask({ port: edge.port("https"), host: "localhost", tls: true });
  assert.equal(served.status, 200);
  const { engine, state } = await edge.adminJson("/v1/device");
  assert.deepEqual([engine, state], [`device 0 at ${toed.address}`, "ready"]);
  assert.ok(Number(await toed.get("counters.accepted")) > 0);
});

test("device: without mango-toed the start fails with one line that says so", async (t) => {
  const environment = { MANGO_DEVICE: `127.0.0.1:${await closedPort(t)}` };
  const validated = await runCli(t, ["validate", exampleFile("device")], { environment });
  const { code, stdout, stderr } = await runCli(t, ["run", "--config", exampleFile("device")], {
    environment,
  });
  assert.deepEqual([validated.code, code, stdout], [0, 7, ""]);
  assert.match(stderr, /^mango-edge: the device at .* does not answer; is mango-toed running\?$/);
});
