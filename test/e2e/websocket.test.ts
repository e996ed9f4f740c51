// SPDX-License-Identifier: Apache-2.0
// WebSocket with the ws package on both ends: over upgrades of HTTP/1.1, over streams of HTTP/2 (RFC 8441), and from
// each to each.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket } from "ws";
import { standsStill } from "../support/bulk.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { proxyTo, secureProxyTo } from "../support/configs.ts";
import { type Config, startEdge } from "../support/edge.ts";
import type { Version } from "../support/exchanges.ts";
import { answerOf, H2Client, responseOf } from "../support/http2_client.ts";
import { h2Upstream } from "../support/http2_upstream.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually, fileScope, type Scope, temporaryFolder } from "../support/scope.ts";
import { httpUpstream, type Upstream } from "../support/upstreams.ts";
import {
  closeCode,
  echoed,
  echoSockets,
  echoSocketsH2,
  openSocket,
  openSocketH2,
} from "../support/websockets.ts";

const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1"));

interface Pair {
  readonly from: Version;
  readonly to: Version;
}

const versions: readonly Version[] = ["HTTP/1.1", "HTTP/2"];
const pairs: readonly Pair[] = versions.flatMap((from) => versions.map((to) => ({ from, to })));

interface Opened {
  readonly socket: WebSocket;
  readonly upstream: Upstream;
  readonly config: Config;
}

async function opened(scope: Scope, { from, to }: Pair, listener: Config = {}): Promise<Opened> {
  const upstream = await (to === "HTTP/2" ? echoSocketsH2(scope) : echoSockets(scope));
  const protocol = to === "HTTP/2" ? "h2c" : "http1";
  const config = proxyTo(upstream.url, { upstream: { protocol }, listener });
  await edge.reload(config);
  const port = edge.port("main");
  if (from === "HTTP/1.1") return { socket: await openSocket(scope, port), upstream, config };
  return { socket: await openSocketH2(await H2Client.open(scope, { port })), upstream, config };
}

for (const pair of pairs) {
  const name = `${pair.from} to ${pair.to}`;

  test(`${name}: messages, text and binary, small and large, pass both ways`, async (t) => {
    const { socket, upstream } = await opened(t, pair);
    await upstream.log.wait("websocket /chat v2.chat");
    for (const message of ["hello", "", Buffer.from([0, 255, 1]), "x".repeat(1_000_000)]) {
      const answer = once(socket, "message") as Promise<[Buffer, boolean]>;
      socket.send(message);
      const [data, isBinary] = await answer;
      assert.equal(isBinary, typeof message !== "string");
      assert.ok(Buffer.from(message).equals(data));
    }
  });

  test(`${name}: 16 MiB messages both ways at once arrive intact`, async (t) => {
    const { socket } = await opened(t, pair);
    const messages = Array.from({ length: 3 }, () => randomBytes(16 * 1024 * 1024));
    const answers: Buffer[] = [];
    socket.on("message", (data: Buffer) => answers.push(data));
    for (const message of messages) socket.send(message);
    while (answers.length < messages.length) await once(socket, "message");
    assert.ok(messages.every((message, i) => message.equals(answers[i] as Buffer)));
  });

  test(`${name}: a reader that does not read holds its sender back`, async (t) => {
    const { socket } = await opened(t, pair);
    const message = randomBytes(1024 * 1024);
    socket.pause();
    for (let i = 0; i < 64; i += 1) socket.send(message);
    const left = await standsStill(() => socket.bufferedAmount);
    assert.equal(socket.readyState, WebSocket.OPEN, `the tunnel ended: ${edge.accessLog.all.at(-1)}`);
    assert.ok(left > 8 * message.length, `only ${left} bytes were left unsent`);
    let count = 0;
    socket.on("message", () => {
      count += 1;
    });
    socket.resume();
    while (count < 64) await once(socket, "message");
  });

  test(`${name}: a close begun by the client passes, and everything ends`, async (t) => {
    const { socket, upstream } = await opened(t, pair);
    const code = closeCode(socket);
    socket.close(4001, "bye");
    assert.equal(await code, 4001);
    await upstream.log.wait("websocket closed");
    await upstream.log.wait(pair.to === "HTTP/2" ? "stream closed /chat" : "closed");
  });

  test(`${name}: a close begun by the server passes`, async (t) => {
    const { socket } = await opened(t, pair);
    const code = closeCode(socket);
    socket.send("close 4002");
    assert.equal(await code, 4002);
  });

  test(`${name}: a tunnel survives reloads, even of all that it came through`, async (t) => {
    const { socket, config } = await opened(t, pair);
    await edge.reload({ ...config, routes: [{ name: "renamed", backendRefs: [{ name: "app" }] }] });
    assert.equal(String(await echoed(socket, "one")), "one");
    const other = await httpUpstream(t);
    await edge.reload(proxyTo(other.url));
    assert.equal(String(await echoed(socket, "two")), "two");
  });

  test(`${name}: the idle time of requests does not end a tunnel`, async (t) => {
    const { socket } = await opened(t, pair, { timeouts: { idle: "300ms" } });
    const request = await RawClient.open(t, { port: edge.port("main") });
    await request.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await request.response();
    assert.equal(await request.ended(), "fin"); // its idle time is over, the tunnel's would be, too
    assert.equal(String(await echoed(socket, "still here")), "still here");
  });

  test(`${name}: a tunnel ends after an idle time of its own, one with traffic does not`, async (t) => {
    const { socket: quiet } = await opened(t, pair, { timeouts: { tunnelIdle: "1s" } });
    const port = edge.port("main");
    const busy = await (pair.from === "HTTP/1.1"
      ? openSocket(t, port, "/busy")
      : openSocketH2(await H2Client.open(t, { port }), "/busy"));
    const closed = closeCode(quiet);
    let isClosed = false;
    void closed.then(() => {
      isClosed = true;
    });
    while (!isClosed) assert.equal(String(await echoed(busy, "tick")), "tick");
    assert.equal(await closed, 1006);
    assert.equal(String(await echoed(busy, "tock")), "tock");
    const ended = await edge.accessRecord(({ reason }) => reason === "tunnel_idle_timeout");
    assert.equal(ended["path"], "/chat");
  });

  test(`${name}: an upstream that dies ends the tunnel at the client`, async (t) => {
    const { socket, upstream } = await opened(t, pair);
    const closed = closeCode(socket);
    await upstream.stop();
    assert.equal(await closed, 1006);
  });

  test(`${name}: a client that dies ends the tunnel at the upstream`, async (t) => {
    const { socket, upstream } = await opened(t, pair);
    assert.equal(String(await echoed(socket, "hello")), "hello");
    socket.terminate();
    await upstream.log.wait("websocket closed");
  });
}

test("TLS on both sides: wss, and WebSocket over h2, to an HTTP/2 server", async (t) => {
  const authority = new CertificateAuthority(temporaryFolder(t));
  const upstream = await echoSocketsH2(t, { tls: authority.issue("up", ["up.example"]) });
  const site = authority.issue("site", ["site.example"]);
  const tls = { ca: authority.certificate.certFile, serverName: "up.example" };
  await edge.reload(
    secureProxyTo(`https://127.0.0.1:${upstream.port}`, { site }, { upstream: { tls, protocol: "h2" } }),
  );
  const port = edge.port("main");
  const named = { servername: "site.example", rejectUnauthorized: false, headers: { host: "site.example" } };
  const wss = await openSocket(t, port, "/chat", named);
  const target = { port, authority: "site.example", tls: true as const };
  const overH2 = await openSocketH2(await H2Client.open(t, target));
  for (const socket of [wss, overH2]) assert.equal(String(await echoed(socket, "hello")), "hello");
  await upstream.log.wait(/^secure TLSv1\.3 .* alpn=h2/);
});

test("20 tunnels and plain requests share one HTTP/2 connection", async (t) => {
  await edge.reload(proxyTo((await echoSockets(t)).url));
  const client = await H2Client.open(t, { port: edge.port("main") });
  const sockets = await Promise.all(Array.from({ length: 20 }, () => openSocketH2(client)));
  const answers = await Promise.all(sockets.map((socket, i) => echoed(socket, `from ${i}`)));
  assert.deepEqual(
    answers.map(String),
    sockets.map((_, i) => `from ${i}`),
  );
  assert.equal((await client.ask()).status, 200);
  await eventually(
    async () => (await edge.adminJson<{ sessions: Config[] }>("/v1/sessions")).sessions,
    (sessions) => sessions.some(({ requests }) => requests === 21),
    "one session with 21 requests",
  );
});

test("the listener says that it takes extended CONNECT", async (t) => {
  const client = await H2Client.open(t, { port: edge.port("main") });
  assert.equal(client.session.remoteSettings.enableConnectProtocol, true);
});

test("an upstream that declines answers as usual", async (t) => {
  const upstream = await httpUpstream(t);
  upstream.server.on("upgrade", (_request, socket) => {
    socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
  });
  await edge.reload(proxyTo(upstream.url));
  const client = await H2Client.open(t, { port: edge.port("main") });
  const { status, body } = await answerOf(connectStream(client));
  assert.deepEqual([status, body.toString()], [403, "no"]);
});

test("an HTTP/2 upstream without extended CONNECT: 502 with a reason", async (t) => {
  const upstream = await h2Upstream(t);
  await edge.reload(proxyTo(upstream.url, { upstream: { protocol: "h2c" } }));
  const client = await H2Client.open(t, { port: edge.port("main") });
  assert.equal(Number((await responseOf(connectStream(client, "/declined")))[":status"]), 502);
  const record = await edge.accessRecord(({ path }) => path === "/declined");
  assert.equal(record["reason"], "upstream_without_extended_connect");
});

test("a half-close passes either way while the other half still flows", async (t) => {
  const upstream = await httpUpstream(t);
  upstream.server.on("upgrade", (_request, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    let got = "";
    socket.on("data", (data: Buffer) => {
      got += data.toString();
    });
    socket.on("end", () => socket.end(`you sent ${got}`));
  });
  await edge.reload(proxyTo(upstream.url));
  const client = await H2Client.open(t, { port: edge.port("main") });
  const stream = connectStream(client);
  assert.equal(Number((await responseOf(stream))[":status"]), 200);
  const answer = stream.setEncoding("utf8").toArray();
  stream.end("all of it");
  assert.equal((await answer).join(""), "you sent all of it");
});

function connectStream(client: H2Client, path = "/chat") {
  const extended = { ":method": "CONNECT", ":protocol": "websocket", ":path": path };
  return client.stream({ ...extended, "sec-websocket-version": "13" }, { endStream: false });
}
