// SPDX-License-Identifier: Apache-2.0
// Everything at once while the configuration changes under it: not one exchange fails, no session is left, memory
// stays where it was. A few seconds here; MANGO_SOAK_SECONDS makes it longer. (`npm run loadtest -- soak` presses
// harder, for two minutes.)
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MiB } from "../support/bulk.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { withPlain } from "../support/configs.ts";
import { type Config, startEdge } from "../support/edge.ts";
import { grpcClient, grpcUpstream } from "../support/grpc.ts";
import { h2Turns, Loops, type Turn } from "../support/h2_load.ts";
import { H2Client } from "../support/http2_client.ts";
import { h2Upstream } from "../support/http2_upstream.ts";
import { Load } from "../support/load.ts";
import { openFiles, residentBytes } from "../support/process_facts.ts";
import { eventually, fileScope, type Scope, temporaryFolder, withPatience } from "../support/scope.ts";
import { httpUpstream, tcpUpstream } from "../support/upstreams.ts";
import { echoed, echoSockets, openSocket, openSocketH2 } from "../support/websockets.ts";

const seconds = Number(process.env["MANGO_SOAK_SECONDS"] ?? 4);
const authority = new CertificateAuthority(temporaryFolder(fileScope));
const site = authority.issue("site", ["site.example"]);
const server = authority.issue("server", ["up.example"]);

interface Upstreams {
  readonly http: readonly Config[]; // taken in turn
  readonly grpc: Config;
  readonly chat: Config;
  readonly bytes: Config;
}

async function startUpstreams(scope: Scope): Promise<Upstreams> {
  const servers = (url: string, more: Config = {}): Config => ({ servers: [{ url }], ...more });
  const tls = { ca: authority.certificate.certFile, serverName: "up.example" };
  const secure = await h2Upstream(scope, undefined, { tls: server, allowHTTP1: true });
  const [h1, h2c] = [await httpUpstream(scope), await h2Upstream(scope)];
  const echoing = await tcpUpstream(scope, (socket) => void socket.pipe(socket));
  return {
    http: [
      servers(h1.url),
      servers(h2c.url, { protocol: "h2c" }),
      servers(`https://127.0.0.1:${secure.port}`, { tls }),
      servers(`https://127.0.0.1:${secure.port}`, { tls, protocol: "http1" }),
    ],
    grpc: servers(`http://127.0.0.1:${(await grpcUpstream(scope)).port}`, { protocol: "h2c" }),
    chat: servers((await echoSockets(scope)).url),
    bytes: servers(`tcp://127.0.0.1:${echoing.port}`),
  };
}

function configFor({ http, grpc, chat, bytes }: Upstreams, round: number): Config {
  const prefix = (name: string, value: string): Config => ({
    name,
    matches: [{ path: { type: "PathPrefix", value } }],
    backendRefs: [{ name }],
  });
  const main = { address: "127.0.0.1:0", protocol: "https", tls: { certificates: ["site"] } };
  const bytesListener = { address: "127.0.0.1:0", protocol: "tcp" };
  return withPlain({
    certificates: { site: { certFile: site.certFile, keyFile: site.keyFile } },
    listeners: { main, bytes: bytesListener },
    routes: [
      { name: `round${round % 7}`, backendRefs: [{ name: "http" }] },
      prefix("grpc", "/test.Echo"),
      prefix("chat", "/chat"),
      { name: "bytes", listeners: ["bytes"], backendRefs: [{ name: "bytes" }] },
    ],
    upstreams: { http: http[round % http.length], grpc, chat, bytes },
  });
}

test(`${seconds} s of everything with a reload every second: nothing fails, nothing is left, memory is steady`, async (t) => {
  const upstreams = await startUpstreams(t);
  const edge = await startEdge(t, configFor(upstreams, 0));
  const [main, plain, bytes] = ["main", "plain", "bytes"].map((name) => edge.port(name)) as [
    number,
    number,
    number,
  ];
  const files = openFiles(edge.pid);

  const calls = grpcClient(t, { port: main, host: "site.example", ca: authority.certificate.cert });
  const call: Turn = async () => ((await calls.unary("hi")).message === "hi" ? undefined : "another message");
  const carrier = await H2Client.open(t, { port: plain });
  const sockets = [await openSocket(t, plain), await openSocketH2(carrier)];
  const tunnel = connect(bytes, "127.0.0.1");
  t.after(() => tunnel.destroy());
  const talk = sockets.map(
    (socket): Turn =>
      async () => {
        return String(await echoed(socket, "tick")) === "tick" ? undefined : "another echo";
      },
  );
  const stream: Turn = async () => {
    tunnel.write("tick");
    const [data] = (await withPatience(once(tunnel, "data"), () => "bytes")) as [Buffer];
    return data.toString() === "tick" ? undefined : "other bytes";
  };
  const secure = { port: main, authority: "site.example", tls: true as const };
  const turns = [...h2Turns(t, secure, 2, 8), ...h2Turns(t, { port: plain }, 2, 8), call, ...talk, stream];
  const loops = new Loops(turns);
  const loads = [
    new Load({ port: main, host: "site.example", tls: true, clients: 2 }),
    new Load({ port: plain, method: "POST", body: "content", clients: 2 }),
  ];

  let settled = 0;
  for (let round = 1; round <= seconds; round += 1) {
    await sleep(1000);
    await edge.reload(configFor(upstreams, round));
    if (round === Math.ceil(seconds / 2)) settled = residentBytes(edge.pid);
  }
  const grown = residentBytes(edge.pid) - settled;

  await loops.stop();
  const results = await Promise.all(loads.map((load) => load.stop()));
  assert.deepEqual([...loops.failures, ...results.flatMap(({ failures }) => failures)], []);
  t.diagnostic(`${loops.ok + results.reduce((sum, { ok }) => sum + ok, 0)} exchanges, ${seconds} reloads`);
  assert.ok(grown < 32 * MiB, `resident memory grew by ${Math.round(grown / MiB)} MiB in the second half`);

  for (const socket of sockets) socket.terminate();
  tunnel.destroy();
  await edge.adminJson("/v1/sessions/close", { method: "POST", body: { client: "127.0.0.0/8" } });
  await eventually(
    () => edge.metric("mango_sessions_active"),
    (count) => count === 0,
    "no session to be left",
  );
  await edge.reload(configFor(upstreams, 0));
  // The pools may keep what they have; a leak would be one file for each of thousands.
  assert.ok(openFiles(edge.pid) - files < 150, `${openFiles(edge.pid)} open files, ${files} before`);
});
