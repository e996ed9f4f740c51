// SPDX-License-Identifier: Apache-2.0
// 100-continue, other interim responses, and responses that come before the request is complete.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { RawClient } from "../support/raw_client.ts";
import { fieldValue } from "../support/responses.ts";
import { fileScope } from "../support/scope.ts";
import { httpUpstream, rawUpstream, readEcho } from "../support/upstreams.ts";

const upstream = await httpUpstream(fileScope);
// One proxy for all; tests with an upstream of their own put it behind this one by a reload.
const top = { workers: 1 };
const edge = await startEdge(fileScope, proxyTo(upstream.url, { top }));
const port = edge.port("main");

const expecting = "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";

test("a client that expects 100-continue gets it, then its answer", async (t) => {
  const client = await RawClient.open(t, { port });
  await client.send(expecting);
  assert.equal((await client.response()).status, 100);
  await client.send("hello");
  const final = await client.response();
  assert.equal(final.status, 200);
  assert.equal(readEcho(final.body).body, "hello");
});

test("content sent without waiting for the 100 is taken", async (t) => {
  const client = await RawClient.open(t, { port });
  await client.send(`${expecting}hello`);
  let response = await client.response();
  if (response.status === 100) response = await client.response();
  assert.equal(readEcho(response.body).body, "hello");
});

test("an upstream's refusal of the expectation reaches the client, whose content is not needed", async (t) => {
  const refusing = await rawUpstream(t, (socket) => {
    socket.end("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
  });
  await edge.reload(proxyTo(refusing.url, { top }));
  const client = await RawClient.open(t, { port });
  await client.send(expecting);
  const response = await client.response();
  assert.equal(response.status, 417);
  assert.equal(response.body.toString(), "no");
  // Nobody can tell whether "hello" still comes, so the connection must not be used for another request.
  assert.equal(fieldValue(response, "connection"), "close");
});

test("103 Early Hints are forwarded before the final response, in order", async (t) => {
  const hinting = await httpUpstream(t, (_request, response) => {
    response.writeEarlyHints({ link: "</a.css>; rel=preload" }, () => {
      response.writeEarlyHints({ link: "</b.css>; rel=preload" }, () => response.end("done"));
    });
  });
  await edge.reload(proxyTo(hinting.url, { top }));
  const client = await RawClient.open(t, { port });
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const first = await client.response();
  const second = await client.response();
  assert.deepEqual([first.status, second.status], [103, 103]);
  assert.equal(fieldValue(first, "link"), "</a.css>; rel=preload");
  assert.equal(fieldValue(second, "link"), "</b.css>; rel=preload");
  assert.equal((await client.response()).body.toString(), "done");
});

test("an HTTP/1.0 client is never sent an interim response", async (t) => {
  const hinting = await rawUpstream(t, (socket) => {
    socket.write(
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
  });
  await edge.reload(proxyTo(hinting.url, { top }));
  const client = await RawClient.open(t, { port });
  await client.send("GET / HTTP/1.0\r\n\r\n");
  assert.equal((await client.response()).status, 200);
});

test("an early response ends the exchange; the unread rest never becomes a request", async (t) => {
  const hasty = await rawUpstream(t, (socket, head) => {
    if (head.startsWith("POST")) socket.write("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
    else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled");
  });
  await edge.reload(proxyTo(hasty.url, { top }));
  const client = await RawClient.open(t, { port });
  await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
  const response = await client.response();
  assert.equal(response.status, 413);
  assert.equal(response.body.toString(), "big");
  await client.send("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
  client.finish();
  await client.ended();
  assert.equal(client.text, "", "the declared content must not be read as a request");
  assert.equal(hasty.requests(), 1);
});

test("an upstream connection whose request was not sent whole is not reused", async (t) => {
  const hasty = await rawUpstream(t, (socket) =>
    socket.write("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
  );
  await edge.reload(proxyTo(hasty.url, { top }));
  for (let round = 0; round < 2; round += 1) {
    const client = await RawClient.open(t, { port });
    await client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\npartial");
    assert.equal((await client.response()).status, 403);
    client.socket.destroy();
  }
  assert.equal(hasty.connections(), 2);
});

test("a response that ends with its connection is passed on whole", async (t) => {
  const old = await rawUpstream(t, (socket) => socket.end("HTTP/1.0 200 OK\r\n\r\nuntil the end"));
  await edge.reload(proxyTo(old.url, { top }));
  const client = await RawClient.open(t, { port });
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const response = await client.response();
  assert.equal(response.status, 200);
  assert.equal(response.body.toString(), "until the end");
});
