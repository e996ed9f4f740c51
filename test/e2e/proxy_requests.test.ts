// SPDX-License-Identifier: Apache-2.0
// Requests and responses through the proxy: methods, framing in both directions, request-target forms, versions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask } from "../support/client.ts";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { exchange, RawClient } from "../support/raw_client.ts";
import { fieldValue, fieldValues } from "../support/responses.ts";
import { fileScope } from "../support/scope.ts";
import { echo, type Handler, httpUpstream, readEcho } from "../support/upstreams.ts";

const chunkedWithTrailers: Handler = (_request, response) => {
  response.writeHead(200, { trailer: "x-checksum", "transfer-encoding": "chunked" });
  response.write("first ");
  response.write("second");
  response.addTrailers({ "x-checksum": "abc" });
  response.end();
};

const handlers: Readonly<Record<string, Handler>> = {
  "/chunked": chunkedWithTrailers,
  "/no-content": (_request, response) => response.writeHead(204).end(),
  "/not-modified": (_request, response) => response.writeHead(304, { etag: '"v1"' }).end(),
  "/teapot": (_request, response) => response.writeHead(418, "short and stout").end("teapot"),
  "/cookies": (_request, response) => response.writeHead(200, { "set-cookie": ["a=1", "b=2"] }).end(),
};

const upstream = await httpUpstream(fileScope, (request, response) => {
  (handlers[request.url ?? ""] ?? echo)(request, response);
});
const edge = await startEdge(fileScope, proxyTo(upstream.url));
const port = edge.port("main");

for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"]) {
  test(`${method} reaches the upstream with its path and query`, async () => {
    const answer = await ask({ port, method, path: "/a/b?x=1&y=%20z" });
    assert.equal(answer.status, 200);
    const seen = readEcho(answer.body);
    assert.equal(seen.method, method);
    assert.equal(seen.url, "/a/b?x=1&y=%20z");
  });
}

test("content with a length arrives whole", async () => {
  const body = "x".repeat(100_000);
  const answer = await ask({ port, method: "POST", body, headers: { "content-length": body.length } });
  const seen = readEcho(answer.body);
  assert.equal(seen.body, body);
  assert.equal(seen.headers["content-length"], "100000");
});

test("an empty POST keeps its zero length", async () => {
  const answer = await exchange(
    fileScope,
    { port },
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
  );
  assert.equal(readEcho(answer.body).headers["content-length"], "0");
});

test("chunked content with trailers is forwarded chunked, extensions dropped", async (t) => {
  const client = await RawClient.open(t, { port });
  await client.send(
    "POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nTE: trailers\r\n\r\n",
  );
  await client.send("5;ext=1\r\nhello\r\n");
  await client.send("6\r\n world\r\n0\r\nX-Sum: 42\r\nContent-Length: 9\r\n\r\n");
  const seen = readEcho((await client.response()).body);
  assert.equal(seen.body, "hello world");
  assert.equal(seen.headers["transfer-encoding"], "chunked");
  assert.equal(seen.trailers["x-sum"], "42");
  assert.equal(seen.trailers["content-length"], undefined, "a framing field among trailers must be dropped");
});

test("a chunked response with trailers arrives with both", async (t) => {
  const client = await RawClient.open(t, { port });
  await client.send("GET /chunked HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n");
  const response = await client.response();
  assert.equal(response.chunked, true);
  assert.equal(response.body.toString(), "first second");
  assert.deepEqual(response.trailers, [["x-checksum", "abc"]]);
});

test("HEAD gets the head of the GET and no content, and the connection goes on", async (t) => {
  const client = await RawClient.open(t, { port });
  await client.send("HEAD /teapot HTTP/1.1\r\nHost: a\r\n\r\nGET /teapot HTTP/1.1\r\nHost: a\r\n\r\n");
  const head = await client.response("HEAD");
  assert.equal(head.status, 418);
  const get = await client.response();
  assert.equal(get.body.toString(), "teapot");
});

test("204 and 304 have no content and keep the connection", async (t) => {
  const client = await RawClient.open(t, { port });
  for (const [path, status] of [
    ["/no-content", 204],
    ["/not-modified", 304],
    ["/teapot", 418],
  ] as const) {
    await client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    assert.equal((await client.response()).status, status);
  }
});

test("the status line's reason and repeated fields pass unchanged", async () => {
  const teapot = await exchange(fileScope, { port }, "GET /teapot HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.match(teapot.head, /^HTTP\/1\.1 418 short and stout\r\n/);
  const cookies = await exchange(fileScope, { port }, "GET /cookies HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.deepEqual(fieldValues(cookies, "set-cookie"), ["a=1", "b=2"]);
});

test("absolute-form is forwarded in origin-form with its authority as Host", async () => {
  const bytes = "GET http://site.example:8080/p?q=1 HTTP/1.1\r\nHost: site.example:8080\r\n\r\n";
  const seen = readEcho((await exchange(fileScope, { port }, bytes)).body);
  assert.equal(seen.url, "/p?q=1");
  assert.equal(seen.headers["host"], "site.example:8080");
});

test("OPTIONS * is forwarded as it is", async () => {
  const answer = await exchange(fileScope, { port }, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal(readEcho(answer.body).url, "*");
});

test("a head that arrives byte by byte is understood", async (t) => {
  const client = await RawClient.open(t, { port });
  client.socket.setNoDelay(true);
  for (const byte of "GET /slowly HTTP/1.1\r\nHost: a\r\n\r\n") await client.send(byte);
  assert.equal(readEcho((await client.response()).body).url, "/slowly");
});

test("an empty line before the request is skipped", async () => {
  const answer = await exchange(fileScope, { port }, "\r\nGET /after HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal(readEcho(answer.body).url, "/after");
});

test("Connection: close is honoured after the answer", async (t) => {
  const client = await RawClient.open(t, { port });
  await client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const response = await client.response();
  assert.equal(fieldValue(response, "connection"), "close");
  assert.equal(await client.ended(), "fin");
});

test("an HTTP/1.0 client gets no chunks and its connection ends with the content", async (t) => {
  const client = await RawClient.open(t, { port });
  await client.send("GET /chunked HTTP/1.0\r\n\r\n");
  assert.equal(await client.ended(), "fin");
  const response = await client.response();
  assert.equal(response.chunked, false);
  assert.equal(response.body.toString(), "first second");
});

test("an HTTP/1.0 client that asks for keep-alive is told and kept", async (t) => {
  const client = await RawClient.open(t, { port });
  for (const path of ["/one", "/two"]) {
    await client.send(`GET ${path} HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`);
    const response = await client.response();
    assert.equal(fieldValue(response, "connection")?.toLowerCase(), "keep-alive");
    assert.ok(readEcho(response.body).url === path);
  }
});

test("hop-by-hop fields end at the proxy in both directions", async (t) => {
  const chatty = await httpUpstream(t, (request, response) => {
    const hop = {
      connection: "X-Hop, keep-alive",
      "x-hop": "1",
      "keep-alive": "timeout=9",
      "proxy-authenticate": "Basic",
    };
    response.writeHead(200, { ...hop, "x-end": "2" });
    response.end(JSON.stringify(Object.keys(request.headers)));
  });
  const other = await startEdge(t, proxyTo(chatty.url));
  const hops =
    "Connection: X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nProxy-Connection: close\r\nTE: gzip\r\nX-End: 2\r\n";
  const response = await exchange(
    t,
    { port: other.port("main") },
    `GET / HTTP/1.1\r\nHost: a\r\n${hops}\r\n`,
  );
  const seen = JSON.parse(response.body.toString()) as string[];
  for (const name of ["x-mine", "keep-alive", "proxy-connection"]) assert.ok(!seen.includes(name), name);
  assert.ok(seen.includes("x-end"));
  for (const name of ["x-hop", "keep-alive"]) assert.equal(fieldValue(response, name), undefined, name);
  assert.equal(fieldValue(response, "x-end"), "2");
});
