// SPDX-License-Identifier: Apache-2.0
// What an HTTP/2 request means, with Node's client: heads both ways, 1xx, HEAD, 304, trailers, cookies, and which of
// its names counts. The upstream speaks HTTP/1.1, so that each translation shows.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { secureProxyTo, withPlain } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { answerOf, type H2Answer, H2Client } from "../support/http2_client.ts";
import { fileScope, type Scope, temporaryFolder, withPatience } from "../support/scope.ts";
import { type Handler, httpUpstream, rawUpstream, readEcho } from "../support/upstreams.ts";

const authority = new CertificateAuthority(temporaryFolder(fileScope));
const site = authority.issue("site", ["site.example", "*.wild.example"]);
const other = authority.issue("other", ["other.example"]);
const echoing = await httpUpstream(fileScope);
const edge = await startEdge(fileScope, configFor(echoing.url));

function configFor(url: string) {
  return withPlain(secureProxyTo(url, { site, other }));
}

async function plainTo(scope: Scope, handler?: Handler): Promise<H2Client> {
  const upstream = handler === undefined ? echoing : await httpUpstream(scope, handler);
  await edge.reload(configFor(upstream.url));
  return H2Client.open(scope, { port: edge.port("plain"), authority: "plain.example" });
}

function secure(scope: Scope, name = "site.example"): Promise<H2Client> {
  return H2Client.open(scope, { port: edge.port("main"), authority: name, tls: true });
}

const fieldsOf = (answer: H2Answer, name: string): string[] =>
  readEcho(answer.body)
    .fields.filter(([field]) => field.toLowerCase() === name)
    .map(([, value]) => value);

test("a request arrives upstream as HTTP/1.1 with its own fields and ours", async (t) => {
  const client = await plainTo(t);
  const answer = await client.ask({ ":path": "/a/b?c=d", "x-own": "1", "user-agent": "probe" });
  assert.equal(answer.status, 200);
  const { method, url, headers } = readEcho(answer.body);
  assert.deepEqual([method, url, headers["host"]], ["GET", "/a/b?c=d", "plain.example"]);
  assert.deepEqual([headers["x-own"], headers["user-agent"]], ["1", "probe"]);
  assert.deepEqual([headers["x-forwarded-proto"], headers["x-forwarded-for"]], ["http", "127.0.0.1"]);
  assert.deepEqual(
    Object.keys(headers).filter((name) => name.startsWith(":")),
    [],
  );
});

test("fields of one connection's hop never appear in a response", async (t) => {
  const client = await plainTo(t, (_request, response) => {
    response.writeHead(200, { connection: "x-hop", "x-hop": "1", "keep-alive": "timeout=5", "x-kept": "1" });
    response.end("body");
  });
  const { headers, body } = await client.ask();
  const names = Object.keys(headers);
  for (const name of ["connection", "keep-alive", "transfer-encoding", "x-hop"]) {
    assert.ok(!names.includes(name), `${name} in ${names.join()}`);
  }
  assert.deepEqual([headers["x-kept"], body.toString()], ["1", "body"]);
});

test("several fields of one name stay several, both ways", async (t) => {
  const client = await plainTo(t, (request, response) => {
    response
      .setHeader("set-cookie", ["a=1", "b=2"])
      .setHeader("x-seen", request.headersDistinct["x-many"] ?? []);
    response.end();
  });
  const { headers } = await client.ask({ "x-many": ["1", "2"] });
  assert.deepEqual(headers["set-cookie"], ["a=1", "b=2"]);
  assert.match(String(headers["x-seen"]), /^1, ?2$/);
});

test("cookie crumbs are joined into one field", async (t) => {
  const client = await plainTo(t);
  const answer = await client.ask({ cookie: ["a=1", "b=2", "c=3"] });
  assert.deepEqual(fieldsOf(answer, "cookie"), ["a=1; b=2; c=3"]);
});

test("content without a length goes chunked, with one it goes as it is", async (t) => {
  const client = await plainTo(t);
  const free = await client.ask({ ":method": "POST" }, { body: "content" });
  assert.deepEqual([readEcho(free.body).body, fieldsOf(free, "transfer-encoding")], ["content", ["chunked"]]);
  const sized = await client.ask({ ":method": "POST", "content-length": 7 }, { body: "content" });
  assert.deepEqual([readEcho(sized.body).body, fieldsOf(sized, "content-length")], ["content", ["7"]]);
  assert.deepEqual(fieldsOf(sized, "transfer-encoding"), []);
});

test("trailers pass both ways", async (t) => {
  const client = await plainTo(t, (request, response) => {
    response.writeHead(200, { trailer: "x-sum" });
    request.resume().on("end", () => {
      response.addTrailers({ "x-sum": `of ${request.trailers["x-part"]}` });
      response.end("done");
    });
  });
  const answer = await client.ask(
    { ":method": "POST", trailer: "x-part" },
    { body: "content", trailers: { "x-part": "17" } },
  );
  assert.deepEqual([answer.body.toString(), answer.trailers["x-sum"]], ["done", "of 17"]);
});

test("a HEAD response has its length and no content", async (t) => {
  const client = await plainTo(t, (_request, response) => response.setHeader("content-length", 12).end());
  const answer = await client.ask({ ":method": "HEAD" });
  assert.deepEqual([answer.status, answer.headers["content-length"], answer.body.length], [200, "12", 0]);
  assert.equal(answer.reset, "");
});

for (const status of [204, 304]) {
  test(`${status} ends with its head`, async (t) => {
    const client = await plainTo(t, (_request, response) =>
      response.writeHead(status, { etag: '"1"' }).end(),
    );
    const answer = await client.ask();
    assert.deepEqual([answer.status, answer.headers["etag"], answer.body.length], [status, '"1"', 0]);
  });
}

test("103 Early Hints arrive before the response", async (t) => {
  const client = await plainTo(t, (_request, response) => {
    response.writeEarlyHints({ link: "</style.css>; rel=preload" }, () => response.end("done"));
  });
  const answer = await client.ask();
  assert.deepEqual(
    answer.interim.map((head) => [Number(head[":status"]), head["link"]]),
    [[103, "</style.css>; rel=preload"]],
  );
  assert.deepEqual([answer.status, answer.body.toString()], [200, "done"]);
});

test("Expect: 100-continue gets its 100 before any content was sent", async (t) => {
  const client = await plainTo(t);
  const stream = client.stream({ ":method": "POST", expect: "100-continue" }, { endStream: false });
  const answer = answerOf(stream);
  await withPatience(new Promise((resolve) => stream.once("continue", resolve)), () => "100 Continue");
  stream.end("content");
  assert.equal(readEcho((await answer).body).body, "content");
});

test("content framed by the end of the upstream's connection arrives whole", async (t) => {
  const upstream = await rawUpstream(t, (socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nuntil the end"));
  await edge.reload(configFor(upstream.url));
  const client = await H2Client.open(t, { port: edge.port("plain") });
  const answer = await client.ask();
  assert.deepEqual([answer.body.toString(), answer.reset], ["until the end", ""]);
});

test("an upstream that dies in mid-content resets this stream only", async (t) => {
  const upstream = await rawUpstream(t, (socket, head) => {
    if (head.startsWith("GET /dies")) socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart");
    else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  });
  await edge.reload(configFor(upstream.url));
  const client = await H2Client.open(t, { port: edge.port("plain") });
  const [dead, alive] = await Promise.all([client.ask({ ":path": "/dies" }), client.ask()]);
  assert.notEqual(dead.reset, "");
  assert.deepEqual([alive.status, alive.body.toString()], [200, "ok"]);
  assert.equal((await client.ask()).status, 200);
});

test("a route of ours answers over HTTP/2, too: 404, redirect", async (t) => {
  await edge.reload({
    ...configFor(echoing.url),
    routes: [
      {
        name: "moved",
        matches: [{ path: { type: "PathPrefix", value: "/old" } }],
        filters: [{ type: "RequestRedirect", requestRedirect: { scheme: "https", statusCode: 301 } }],
      },
    ],
  });
  const client = await H2Client.open(t, { port: edge.port("plain"), authority: "plain.example" });
  assert.equal((await client.ask()).status, 404);
  const moved = await client.ask({ ":path": "/old/x" });
  assert.deepEqual([moved.status, moved.headers["location"]], [301, "https://plain.example/old/x"]);
});

test("Host alone stands in for :authority; a differing one is refused", async (t) => {
  const client = await plainTo(t);
  const alone = await client.ask({ ":authority": undefined, host: "only.example" });
  assert.deepEqual(fieldsOf(alone, "host"), ["only.example"]);
  const both = await client.ask({ ":authority": "one.example", host: "two.example" });
  assert.ok(both.reset !== "" || both.status === 400, JSON.stringify(both));
  assert.equal((await client.ask()).status, 200, "the connection goes on");
});

test("421 for a host that the certificate of the connection does not cover, 200 for one it does", async (t) => {
  await edge.reload(configFor(echoing.url));
  const client = await secure(t);
  assert.equal((await client.ask({ ":authority": "a.wild.example" })).status, 200);
  assert.equal((await client.ask({ ":authority": "other.example" })).status, 421);
  assert.equal((await client.ask({ ":authority": "site.example:8443" })).status, 200);
});
