// SPDX-License-Identifier: Apache-2.0
// The data plane under ASan+UBSan or TSan while everything happens at once: traffic that behaves, traffic that does
// not, reloads. What counts is what the sanitizer says at the end; whether answers are right is tested elsewhere.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { CertificateAuthority } from "../support/certificates.ts";
import { secureProxyTo } from "../support/configs.ts";
import { DataplaneRunner } from "../support/dataplane_runner.ts";
import type { Config } from "../support/edge.ts";
import { faithless, http2Visits } from "../support/h2_chaos.ts";
import { rawH2Upstream } from "../support/h2_raw_upstream.ts";
import { asH2, h2Upstream } from "../support/http2_upstream.ts";
import { RawClient, type RawTarget } from "../support/raw_client.ts";
import { type Scope, temporaryFolder } from "../support/scope.ts";
import { echo, type Handler, httpUpstream, rawUpstream, type Upstream } from "../support/upstreams.ts";

const program = process.env["MANGO_DATAPLANE_RUNNER"];
const skip =
  program === undefined ? "MANGO_DATAPLANE_RUNNER names no data plane built with sanitizers" : false;

const rounds = 8;
const reloads = 4;
const KiB = 1024;

const answer: Handler = (request, response) => {
  const path = request.url?.replace(/^\/h2/, "") ?? "";
  response.on("error", () => {});
  if (path.startsWith("/large")) response.end(Buffer.alloc(2 * KiB * KiB));
  else if (path.startsWith("/chunks")) {
    for (let i = 0; i < 20; i += 1) response.write("chunk ".repeat(i));
    response.end();
  } else echo(request, response);
};

async function serveAll(scope: Scope): Promise<Upstream> {
  const upstream = await httpUpstream(scope, answer);
  const sockets = new WebSocketServer({ noServer: true });
  upstream.server.on("upgrade", (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (peer) => peer.on("message", (data) => peer.send(data)));
  });
  return upstream;
}

interface Servers {
  readonly good: Upstream;
  readonly bad: Upstream;
  readonly goodH2: Upstream;
  readonly badH2: Upstream;
}

function configuration(
  { good, bad, goodH2, badH2 }: Servers,
  site: { certFile: string; keyFile: string },
  round: number,
): Config {
  const timeouts = {
    requestHeaders: "400ms",
    requestBody: "400ms",
    idle: "2s",
    handshake: "1s",
    write: "1s",
  };
  const secure = secureProxyTo(good.url, { site }, { listener: { timeouts } });
  const passive = { consecutiveFailures: 3, baseEjectionTime: "200ms" };
  const app = {
    servers: [{ url: good.url }, { url: bad.url }],
    timeouts: { response: "1s" },
    healthCheck: { passive },
  };
  const streams = { ...app, servers: [{ url: goodH2.url }, { url: badH2.url }], protocol: "h2c" };
  const policies = { default: { maxRequests: 50 + round, rateLimit: { requests: 100_000 } } };
  const plain = { address: "127.0.0.1:0", protocol: "http", timeouts };
  const extra = round % 2 === 0 ? {} : { extra: { address: "127.0.0.1:0", protocol: "http" } };
  return {
    ...secure,
    routes: [
      { name: `r${round}`, backendRefs: [{ name: "app" }] },
      {
        name: `h${round}`,
        matches: [{ path: { type: "PathPrefix", value: "/h2" } }],
        backendRefs: [{ name: "streams" }],
      },
    ],
    listeners: { ...(secure["listeners"] as Config), plain, ...extra },
    certificates: secure["certificates"],
    upstreams: { app, streams },
    policies,
    limits: { drain: "2s" },
  };
}

type Visit = (scope: Scope, target: RawTarget) => Promise<unknown>;

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: site.example\r\n\r\n`;

async function talk(scope: Scope, target: RawTarget, bytes: string, answers: number): Promise<void> {
  const client = await RawClient.open(scope, target);
  void client.send(bytes);
  for (let i = 0; i < answers; i += 1) await client.response();
  client.finish();
  await client.ended();
}

async function cutOff(
  scope: Scope,
  target: RawTarget,
  bytes: string,
  how: "reset" | "finish",
): Promise<void> {
  const client = await RawClient.open(scope, target);
  await client.send(bytes);
  if (randomInt(2) === 0) await client.receive(/./s);
  client[how]();
}

async function socketEcho(scope: Scope, { port, tls }: RawTarget): Promise<void> {
  const url = `${tls === undefined ? "ws" : "wss"}://127.0.0.1:${port}/ws`;
  const options = {
    rejectUnauthorized: false,
    headers: { host: "site.example" },
    servername: "site.example",
  };
  const socket = new WebSocket(url, options);
  scope.after(() => socket.terminate());
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  socket.send("x".repeat(100 * KiB));
  await new Promise((resolve) => socket.once("message", resolve));
  socket.close();
}

const upload = `POST /up HTTP/1.1\r\nHost: site.example\r\nContent-Length: ${300 * KiB}\r\n\r\n${"u".repeat(300 * KiB)}`;
const chunkedUpload =
  "POST /up HTTP/1.1\r\nHost: site.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n";

const visits: readonly Visit[] = [
  (scope, target) => talk(scope, target, get("/keep").repeat(5), 5),
  (scope, target) => talk(scope, target, get("/chunks") + chunkedUpload + get("/after"), 3),
  (scope, target) => talk(scope, target, upload + get("/after"), 2),
  (scope, target) => talk(scope, target, get("/large"), 1),
  (scope, target) => talk(scope, target, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 1),
  (scope, target) => talk(scope, target, "GET /old HTTP/1.0\r\n\r\n", 1),
  (scope, target) => talk(scope, target, "GET /slow HTTP/1.1\r\nHost:", 1),
  (scope, target) => cutOff(scope, target, get("/large"), "reset"),
  (scope, target) => cutOff(scope, target, upload.slice(0, 100 * KiB), "reset"),
  (scope, target) => cutOff(scope, target, get("/large").repeat(3), "finish"),
  (scope, { port }) => cutOff(scope, { port }, "\x16\x03\x01garbage instead of a handshake", "reset"),
  (scope, target) => talk(scope, target, get("/h2/keep") + get("/h2/large") + get("/h2/chunks"), 3),
  (scope, target) => cutOff(scope, target, get("/h2/large"), "reset"),
  socketEcho,
  ...http2Visits,
];

test("the data plane under mixed traffic and reloads gives the sanitizer nothing to report", {
  skip,
}, async (t) => {
  const good = await serveAll(t);
  const bad = await rawUpstream(t, (socket) => {
    if (randomInt(2) === 0) socket.resetAndDestroy();
    else socket.end("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut short");
  });
  const site = new CertificateAuthority(temporaryFolder(t)).issue("site", ["site.example"]);
  const servers = {
    good,
    bad,
    goodH2: await h2Upstream(t, asH2(answer)),
    badH2: await rawH2Upstream(t, faithless),
  };
  const runner = await DataplaneRunner.start(t, program ?? "", configuration(servers, site, 0));
  const outcomes = { done: 0, cut: 0 };
  const one = async (visit: Visit, target: RawTarget): Promise<void> => {
    await visit(t, target).then(
      () => (outcomes.done += 1),
      () => (outcomes.cut += 1),
    );
  };
  const traffic = async (): Promise<void> => {
    for (let round = 0; round < rounds; round += 1) {
      const plain = { port: runner.port("plain") };
      const secure = { port: runner.port("main"), tls: { servername: "site.example" } };
      await Promise.all(visits.flatMap((visit) => [one(visit, plain), one(visit, secure)]));
    }
  };
  const change = async (): Promise<void> => {
    for (let round = 1; round <= reloads; round += 1) {
      await one((_scope, target) => talk(t, target, get("/between"), 1), { port: runner.port("plain") });
      await runner.reload(configuration(servers, site, round));
    }
  };
  await Promise.all([traffic(), change()]);
  assert.ok(outcomes.done > rounds * visits.length * 0.5, JSON.stringify(outcomes));
  const exit = await runner.stop();
  const report = runner.stderr.all.join("\n");
  assert.doesNotMatch(report, /Sanitizer|runtime error/);
  assert.deepEqual(exit, { code: 0, signal: null }, report);
});
