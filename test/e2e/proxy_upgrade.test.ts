// SPDX-License-Identifier: Apache-2.0
// Upgraded connections of HTTP/1.1: how they end, and the edges of the handshake in bytes. (WebSocket itself, over all
// versions, is in websocket.test.ts.)
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { RawClient } from "../support/raw_client.ts";
import { fieldValue } from "../support/responses.ts";
import { fileScope, type Scope } from "../support/scope.ts";
import { rawUpstream, type Script, type Upstream } from "../support/upstreams.ts";
import { closeCode, echoSockets, openSocket } from "../support/websockets.ts";

// One proxy for all, reloaded by every test.
const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1"));

const upgrade = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";

async function rawUpgrade(scope: Scope, script: Script): Promise<{ client: RawClient; upstream: Upstream }> {
  const upstream = await rawUpstream(scope, script);
  await edge.reload(proxyTo(upstream.url));
  return { client: await RawClient.open(scope, { port: edge.port("main") }), upstream };
}

test("an upstream that dies ends the tunnel at the client", async (t) => {
  const upstream = await echoSockets(t);
  await edge.reload(proxyTo(upstream.url));
  const socket = await openSocket(t, edge.port("main"));
  const closed = closeCode(socket);
  await upstream.stop();
  assert.equal(await closed, 1006);
});

test("the access log tells a tunnel by its 101", async (t) => {
  await edge.reload(proxyTo((await echoSockets(t)).url));
  const socket = await openSocket(t, edge.port("main"));
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
