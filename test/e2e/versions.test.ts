// SPDX-License-Identifier: Apache-2.0
// Any version to any version: what an exchange is does not depend on how either side writes it down.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { growsLittle, hashOf, hashOfBlocks, writeBlocks } from "../support/bulk.ts";
import { proxyTo } from "../support/configs.ts";
import { type Edge, startEdge } from "../support/edge.ts";
import { exchangesOver, type StartExchange, type Version } from "../support/exchanges.ts";
import { asH2, h2Upstream } from "../support/http2_upstream.ts";
import { fileScope, type Scope } from "../support/scope.ts";
import { echo, type Handler, httpUpstream, readEcho, type Upstream } from "../support/upstreams.ts";

const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1"));

interface Pair {
  readonly from: Version;
  readonly to: Version;
}

const versions: readonly Version[] = ["HTTP/1.1", "HTTP/2"];
const pairs: readonly Pair[] = versions.flatMap((from) => versions.map((to) => ({ from, to })));

async function between(
  scope: Scope,
  { from, to }: Pair,
  handler: Handler = echo,
  at: Edge = edge,
): Promise<{ start: StartExchange; upstream: Upstream }> {
  const upstream =
    to === "HTTP/2" ? await h2Upstream(scope, asH2(handler)) : await httpUpstream(scope, handler);
  const protocol = to === "HTTP/2" ? "h2c" : "http1";
  await at.reload(proxyTo(upstream.url, { upstream: { protocol } }));
  return { start: await exchangesOver(scope, from, at.port("main")), upstream };
}

async function textOf(body: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const chunk of body) text += chunk.toString();
  return text;
}

for (const pair of pairs) {
  const name = `${pair.from} to ${pair.to}`;

  test(`${name}: a request arrives as it was sent`, async (t) => {
    const { start } = await between(t, pair);
    const { content, response } = start({ path: "/a?b=c", headers: { "x-own": "1", cookie: "a=1; b=2" } });
    content.end("content");
    const seen = readEcho(await textOf((await response).body));
    assert.deepEqual([seen.method, seen.url, seen.body], ["POST", "/a?b=c", "content"]);
    assert.deepEqual([seen.headers["x-own"], seen.headers["cookie"]], ["1", "a=1; b=2"]);
    const authority = pair.to === "HTTP/2" ? ":authority" : "host";
    assert.equal(seen.headers[authority], `127.0.0.1:${edge.port("main")}`);
    for (const field of ["connection", "keep-alive", "upgrade", "http2-settings"]) {
      if (pair.to === "HTTP/2") assert.equal(seen.headers[field], undefined, field);
    }
  });

  test(`${name}: content and trailers pass both ways`, async (t) => {
    const { start } = await between(t, pair, (request, response) => {
      response.writeHead(200, { trailer: "x-sum" });
      response.write("got ");
      let bytes = 0;
      request.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      request.on("end", () => {
        response.addTrailers({ "x-sum": `${bytes} ${request.trailers["x-part"]}` });
        response.end("all");
      });
    });
    const { content, response } = start({ trailers: { "x-part": "17" } });
    content.write("some ");
    content.end("content");
    const { status, body, trailers } = await response;
    assert.deepEqual([status, await textOf(body)], [200, "got all"]);
    assert.equal(trailers()["x-sum"], "12 17");
  });

  test(`${name}: both halves flow at once, message by message`, async (t) => {
    const { start } = await between(t, pair, (request, response) => void request.pipe(response));
    const { content, response } = start();
    content.write("first");
    const { body } = await response;
    body.setEncoding("utf8");
    assert.equal((await once(body, "data"))[0], "first");
    for (let i = 0; i < 50; i += 1) {
      const echoed = once(body, "data");
      content.write(`message ${i}`);
      assert.equal((await echoed)[0], `message ${i}`);
    }
    content.end();
    await once(body, "end");
  });

  test(`${name}: 32 MiB each way at once, in three exchanges, without a deadlock`, async (t) => {
    const own = await startEdge(t, proxyTo("http://127.0.0.1:1"));
    const { start } = await between(t, pair, (request, response) => void request.pipe(response), own);
    const both = async (): Promise<void> => {
      const { content, response } = start();
      const writing = writeBlocks(content, 32);
      assert.equal(await hashOf((await response).body), hashOfBlocks(32));
      await writing;
    };
    await growsLittle(own, async () => void (await Promise.all([both(), both(), both()])));
  });

  test(`${name}: a HEAD response has no content, nor has a 204`, async (t) => {
    const { start } = await between(t, pair, (request, response) => {
      if (request.method === "HEAD") response.writeHead(200, { "content-length": "12" }).end();
      else response.writeHead(204).end();
    });
    for (const method of ["HEAD", "GET"]) {
      const { content, response } = start({ method });
      content.end();
      const { status, headers, body } = await response;
      assert.deepEqual([status, await textOf(body)], [method === "HEAD" ? 200 : 204, ""]);
      if (method === "HEAD") assert.equal(headers["content-length"], "12");
    }
  });

  test(`${name}: an empty response without a length ends`, async (t) => {
    const { start } = await between(t, pair, (_request, response) => response.writeHead(200).end());
    const { content, response } = start({ method: "GET" });
    content.end();
    assert.equal(await textOf((await response).body), "");
  });

  test(`${name}: 103 and 100 come before the response`, async (t) => {
    const { start } = await between(t, pair, (request, response) => {
      response.writeEarlyHints({ link: "</style.css>; rel=preload" });
      void request.toArray().then((parts) => response.end(`got ${Buffer.concat(parts)}`));
    });
    const { content, response } = start({ headers: { expect: "100-continue" } });
    content.end("content");
    const { status, interim, body } = await response;
    assert.deepEqual([status, await textOf(body)], [200, "got content"]);
    assert.deepEqual([...interim].sort(), [100, 103]);
  });

  test(`${name}: a client that leaves is told to the upstream`, async (t) => {
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const { start } = await between(t, pair, (_request, response) => {
      response.on("close", resolve).write("begun");
    });
    const { content, response } = start();
    const { body } = await response;
    await once(body, "data");
    content.destroy();
    await gone;
  });

  test(`${name}: an upstream that breaks off breaks the response off`, async (t) => {
    const { start } = await between(t, pair, (_request, response) => {
      response.write("begun");
      setImmediate(() => response.destroy());
    });
    const { response } = start();
    const { body } = await response;
    await assert.rejects(textOf(body));
  });

  test(`${name}: an early answer ends an upload`, async (t) => {
    const { start } = await between(t, pair, (_request, response) => response.writeHead(413).end("too much"));
    const { content, response } = start();
    content.write("the beginning");
    const { status, body } = await response;
    assert.deepEqual([status, await textOf(body)], [413, "too much"]);
  });
}
