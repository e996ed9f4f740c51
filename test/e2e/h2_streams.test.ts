// SPDX-License-Identifier: Apache-2.0
// Many streams on one connection: they run at once, a stalled one stops its own sender and nobody else, and content of
// any size passes in bounded memory.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { growsLittle, hashOf, hashOfBlocks, standsStill, writeBlocks } from "../support/bulk.ts";
import { proxyTo } from "../support/configs.ts";
import { type Edge, startEdge } from "../support/edge.ts";
import { answerOf, H2Client, responseOf } from "../support/http2_client.ts";
import { fileScope, type Scope } from "../support/scope.ts";
import { type Handler, httpUpstream, readEcho } from "../support/upstreams.ts";

const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1"));

async function clientTo(scope: Scope, handler: Handler, on: Edge = edge): Promise<H2Client> {
  const upstream = await httpUpstream(scope, handler);
  await on.reload(proxyTo(upstream.url));
  return H2Client.open(scope, { port: on.port("main") });
}

test("100 streams of one connection are at the upstream at once", async (t) => {
  const waiting: ServerResponse[] = [];
  const client = await clientTo(t, (request, response) => {
    response.setHeader("x-path", request.url ?? "");
    waiting.push(response);
    if (waiting.length === 100) for (const each of waiting) each.end("all here");
  });
  const paths = Array.from({ length: 100 }, (_, i) => `/${i}`);
  const answers = await Promise.all(paths.map((path) => client.ask({ ":path": path })));
  assert.deepEqual(
    answers.map(({ headers }) => headers["x-path"]),
    paths,
  );
  assert.ok(answers.every(({ status, body }) => status === 200 && body.toString() === "all here"));
});

test("more requests than streams are allowed wait for their turn", async (t) => {
  const client = await clientTo(t, (request, response) => response.end(request.url));
  const paths = Array.from({ length: 500 }, (_, i) => `/${i}`);
  const answers = await Promise.all(paths.map((path) => client.ask({ ":path": path })));
  assert.deepEqual(
    answers.map(({ body }) => body.toString()),
    paths,
  );
});

test("responses come in the order they are ready, not in the order of the requests", async (t) => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const client = await clientTo(t, (request, response) => {
    if (request.url === "/slow") void released.then(() => response.end("slow"));
    else response.end("fast");
  });
  const slow = client.ask({ ":path": "/slow" });
  assert.equal((await client.ask({ ":path": "/fast" })).body.toString(), "fast");
  release();
  assert.equal((await slow).body.toString(), "slow");
});

test("a reader that does not read stops its own sender; other streams and memory are unhurt", async (t) => {
  const blocks = 64;
  let written = 0;
  const own = await startEdge(t, proxyTo("http://127.0.0.1:1"));
  const client = await clientTo(
    t,
    (request, response) => {
      if (request.url !== "/bulk") return void response.end("small");
      void writeBlocks(response, blocks, (so) => {
        written = so;
      });
    },
    own,
  );
  await growsLittle(own, async () => {
    const stalled = client.stream({ ":path": "/bulk" });
    await responseOf(stalled);
    assert.ok((await standsStill(() => written)) < blocks / 2, `${written} MiB were taken`);
    const others = await Promise.all(Array.from({ length: 50 }, () => client.ask({ ":path": "/other" })));
    assert.ok(others.every(({ status, body }) => status === 200 && body.toString() === "small"));
    assert.equal(await hashOf(stalled), hashOfBlocks(blocks));
  });
});

test("an upstream that does not read stops its own client; other streams are unhurt", async (t) => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const client = await clientTo(t, (request, response) => {
    if (request.url !== "/bulk") return void response.end("small");
    void released.then(async () => response.end(await hashOf(request)));
  });
  const blocks = 32;
  let written = 0;
  const stalled = client.stream({ ":method": "POST", ":path": "/bulk" });
  const answer = answerOf(stalled);
  const writing = writeBlocks(stalled, blocks, (so) => {
    written = so;
  });
  assert.ok((await standsStill(() => written)) < blocks, "all was taken though nobody read");
  assert.equal((await client.ask()).body.toString(), "small");
  release();
  await writing;
  assert.equal((await answer).body.toString(), hashOfBlocks(blocks));
});

test("many stalled uploads do not use up the room of the others", async (t) => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const client = await clientTo(t, (request, response) => {
    const answer = async (): Promise<void> => void response.end(await hashOf(request));
    if (request.url === "/stalled") void released.then(answer);
    else void answer();
  });
  // More than a stream's window each, and far more than the connection's together.
  const body = Buffer.alloc(128 * 1024, 1);
  const upload = (path: string) => client.ask({ ":method": "POST", ":path": path }, { body });
  const stalled = Array.from({ length: 40 }, () => upload("/stalled"));
  const other = await upload("/other");
  release();
  const hashes = [other, ...(await Promise.all(stalled))].map((answer) => answer.body.toString());
  assert.deepEqual(new Set(hashes), new Set([createHash("sha256").update(body).digest("hex")]));
});

test("64 MiB each way on each of 4 streams arrive intact in bounded memory", async (t) => {
  const blocks = 64;
  const own = await startEdge(t, proxyTo("http://127.0.0.1:1"));
  const client = await clientTo(t, (request, response) => void request.pipe(response), own);
  const both = async (): Promise<void> => {
    const stream = client.stream({ ":method": "POST" });
    const hash = hashOf(stream);
    await writeBlocks(stream, blocks);
    assert.equal(await hash, hashOfBlocks(blocks));
  };
  await growsLittle(own, async () => {
    await Promise.all([both(), both(), both(), both()]);
  });
});

test("content flows both ways at once on one stream, message by message", async (t) => {
  const client = await clientTo(t, (request, response) => void request.pipe(response));
  const stream = client.stream({ ":method": "POST" });
  for (const message of ["one", "two", "three"]) {
    const echoed = new Promise((resolve) => stream.once("data", resolve));
    stream.write(message);
    assert.equal(String(await echoed), message);
  }
  stream.end();
  await once(stream, "close");
  assert.equal(stream.rstCode, 0);
});

test("a client that gives a stream up tells the upstream, and the connection goes on", async (t) => {
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  const client = await clientTo(t, (request, response) => {
    if (request.url === "/other") return void response.end("fine");
    response.write("begun");
    response.on("close", resolve);
  });
  const stream = client.stream({ ":path": "/endless" });
  await responseOf(stream);
  stream.close(8); // CANCEL
  await gone;
  assert.equal((await client.ask({ ":path": "/other" })).body.toString(), "fine");
  const record = await edge.accessRecord(({ path }) => path === "/endless");
  assert.notEqual(record["reason"] ?? "", "");
});

test("a response that comes before the request's end lets the client stop", async (t) => {
  const client = await clientTo(t, (request, response) => {
    if (request.url === "/after") return void request.resume().on("end", () => response.end("ok"));
    response.writeHead(403, { connection: "close" }).end("enough");
  });
  const stream = client.stream({ ":method": "POST", ":path": "/early" });
  const answer = answerOf(stream);
  stream.write("part of it");
  const { status, body } = await answer;
  assert.deepEqual([status, body.toString()], [403, "enough"]);
  assert.equal((await client.ask({ ":path": "/after" })).status, 200);
});

test("PING is answered", async (t) => {
  const client = await clientTo(t, (_request, response) => response.end());
  await new Promise<void>((resolve, reject) => {
    client.session.ping((error) => (error === null ? resolve() : reject(error)));
  });
});

test("streams of one connection reuse the upstream's connections", async (t) => {
  const upstream = await httpUpstream(t);
  await edge.reload(proxyTo(upstream.url));
  const client = await H2Client.open(t, { port: edge.port("main") });
  for (let i = 0; i < 20; i += 1) assert.equal(readEcho((await client.ask()).body).url, "/");
  assert.equal(upstream.connections(), 1);
});
