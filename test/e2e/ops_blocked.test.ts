// SPDX-License-Identifier: Apache-2.0
// JavaScript is never on the data path: with the event loop of the proxy's process blocked for ten seconds, plain
// and TLS traffic goes on, new connections and handshakes included.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { ask } from "../support/client.ts";
import { secureProxyTo } from "../support/configs.ts";
import { type Config, startEdge } from "../support/edge.ts";
import { Load } from "../support/load.ts";
import { repositoryRoot, temporaryFolder } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const blocker = join(repositoryRoot, "test/support/block_event_loop.ts");

test("abuse 28: a blocked event loop costs not one request", async (t) => {
  const upstream = await httpUpstream(t, (_request, response) => response.end("ok"));
  const site = new CertificateAuthority(temporaryFolder(t)).issue("site", ["site.example"]);
  const secure = secureProxyTo(upstream.url, { site });
  const plain = { address: "127.0.0.1:0", protocol: "http" };
  const config = { ...secure, listeners: { ...(secure["listeners"] as Config), plain } };
  const edge = await startEdge(t, config, { preload: [blocker] });
  const loads = [
    new Load({ port: edge.port("plain") }),
    new Load({ port: edge.port("main"), host: "site.example", tls: true }),
  ];
  for (const load of loads) await load.more(20);

  edge.signal("SIGUSR2");
  await edge.stderr.wait("event loop blocked");
  const isFree = (): boolean => edge.stderr.all.includes("event loop free");
  let newConnections = 0;
  while (!isFree()) {
    const answer = await ask({ port: edge.port("main"), host: "site.example", tls: true });
    assert.equal(answer.status, 200);
    if (!isFree()) newConnections += 1;
    for (const load of loads) await load.more(50);
  }

  assert.ok(newConnections > 10, `only ${newConnections} new TLS connections were served meanwhile`);
  for (const load of loads) {
    const { failures, slowestMs } = await load.stop();
    assert.deepEqual(failures, []);
    // Whoever had to wait for the event loop would have waited for most of the ten seconds.
    assert.ok(slowestMs < 5_000, `a request took ${Math.round(slowestMs)} ms`);
  }
  assert.equal((await edge.admin("/readyz")).status, 200);
});
