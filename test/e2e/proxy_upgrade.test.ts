// SPDX-License-Identifier: Apache-2.0
// Upgraded connections: WebSocket with a real library on both ends, and the edges of the handshake in bytes.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { RawClient } from "../support/raw_client.ts";
import { fieldValue } from "../support/responses.ts";
import { fileScope, type Scope } from "../support/scope.ts";
import { httpUpstream, rawUpstream, type Script, type Upstream } from "../support/upstreams.ts";

// One proxy for all, reloaded by every test.
const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1"));

async function echoSockets(scope: Scope): Promise<Upstream> {
  const upstream = await httpUpstream(scope);
  const sockets = new WebSocketServer({ noServer: true });
  upstream.server.on("upgrade", (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (peer) => {
      peer.on("message", (data: RawData, isBinary: boolean) => peer.send(data, { binary: isBinary }));
      peer.on("close", (code: number) => upstream.log.push(`websocket closed ${code}\n`));
    });
  });
  return upstream;
}

async function openSocket(scope: Scope): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${edge.port("main")}/chat`, ["v2.chat"]);
  scope.after(() => socket.terminate());
  await once(socket, "open");
  return socket;
}

const upgrade = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

async function rawUpgrade(scope: Scope, script: Script): Promise<{ client: RawClient; upstream: Upstream }> {
  const upstream = await rawUpstream(scope, script);
  await edge.reload(proxyTo(upstream.url));
  return { client: await RawClient.open(scope, { port: edge.port("main") }), upstream };
}

test("WebSocket messages, text and binary, small and large, pass both ways", async (t) => {
  await edge.reload(proxyTo((await echoSockets(t)).url));
  const socket = await openSocket(t);
  for (const message of ["hello", "", Buffer.from([0, 255, 1]), "x".repeat(1_000_000)]) {
    socket.send(message);
    const [data, isBinary] = (await once(socket, "message")) as [Buffer, boolean];
    assert.equal(isBinary, typeof message !== "string");
    assert.ok(Buffer.from(message).equals(data));
  }
});

test("the close handshake passes and both connections end", async (t) => {
  const upstream = await echoSockets(t);
  await edge.reload(proxyTo(upstream.url));
  const socket = await openSocket(t);
  socket.close(4001, "bye");
  const [code] = await once(socket, "close");
  assert.equal(code, 4001);
  await upstream.log.wait("websocket closed 4001");
  await upstream.log.wait("closed");
});

test("an upstream that dies ends the tunnel at the client", async (t) => {
  const upstream = await echoSockets(t);
  await edge.reload(proxyTo(upstream.url));
  const socket = await openSocket(t);
  const closed = once(socket, "close");
  socket.on("error", () => {});
  await upstream.stop();
  const [code] = await closed;
  assert.equal(code, 1006);
});

test("tunnels survive a reload and carry on", async (t) => {
  const config = proxyTo((await echoSockets(t)).url);
  await edge.reload(config);
  const socket = await openSocket(t);
  await edge.reload({ ...config, routes: [{ name: "renamed", backendRefs: [{ name: "app" }] }] });
  socket.send("still here");
  assert.equal(String((await once(socket, "message"))[0]), "still here");
});

test("the access log tells a tunnel by its 101", async (t) => {
  await edge.reload(proxyTo((await echoSockets(t)).url));
  const socket = await openSocket(t);
  socket.close();
  await once(socket, "close");
  await edge.accessRecord((record) => record["status"] === 101 && record["path"] === "/chat");
});

test("bytes on both sides of the 101 reach the other side in order", async (t) => {
  const { client } = await rawUpgrade(t, (socket) => {
    socket.write(`${switching}greeting;`);
    socket.removeAllListeners("data");
    socket.on("data", (data) => socket.write(`<${data.toString()}>`));
  });
  await client.send(upgrade);
  assert.equal((await client.response()).status, 101);
  await client.receive("greeting;");
  await client.send("after");
  await client.receive("<after>");
});

test("FIN of one side is passed on while the other still sends", async (t) => {
  const { client } = await rawUpgrade(t, (socket) => {
    socket.write(switching);
    socket.removeAllListeners("data").removeAllListeners("end");
    let got = "";
    socket.on("data", (data) => (got += data.toString()));
    socket.on("end", () => socket.end(`you sent ${got}`));
  });
  await client.send(upgrade);
  assert.equal((await client.response()).status, 101);
  await client.send("all of it");
  client.finish();
  await client.receive("you sent all of it");
  assert.equal(await client.ended(), "fin");
});

test("an upstream that declines an upgrade answers as usual", async (t) => {
  const { client } = await rawUpgrade(t, (socket) =>
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"),
  );
  await client.send(upgrade);
  const response = await client.response();
  assert.equal(response.status, 200);
  assert.equal(fieldValue(response, "upgrade"), undefined);
});
