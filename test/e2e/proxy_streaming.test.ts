// SPDX-License-Identifier: Apache-2.0
// Content of any size is streamed: the proxy's memory does not grow with it, and a slow side stops the other.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { test } from "node:test";
import { growsLittle, hashOfBlocks, MiB, standsStill, writeBlocks } from "../support/bulk.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { proxyTo, secureProxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { RawClient } from "../support/raw_client.ts";
import { temporaryFolder } from "../support/scope.ts";
import { httpUpstream, rawUpstream } from "../support/upstreams.ts";

const totalBytes = 256 * MiB;
const block = Buffer.alloc(MiB, 1);
const expectedHash = hashOfBlocks(totalBytes / MiB);

for (const framing of ["content-length", "chunked"] as const) {
  test(`256 MiB downstream (${framing}) arrive intact in bounded memory`, async (t) => {
    const upstream = await httpUpstream(t, (_request, response) => {
      if (framing === "content-length") response.setHeader("content-length", totalBytes);
      void writeBlocks(response, totalBytes / MiB);
    });
    const edge = await startEdge(t, proxyTo(upstream.url));
    await growsLittle(edge, async () => {
      const [response] = await once(
        request({ port: edge.port("main"), host: "127.0.0.1" }).end(),
        "response",
      );
      const hash = createHash("sha256");
      for await (const chunk of response) hash.update(chunk);
      assert.equal(hash.digest("hex"), expectedHash);
    });
  });
}

test("256 MiB upstream arrive intact in bounded memory", async (t) => {
  const upstream = await httpUpstream(t, (asked, response) => {
    const hash = createHash("sha256");
    asked.on("data", (chunk) => hash.update(chunk)).on("end", () => response.end(hash.digest("hex")));
  });
  const edge = await startEdge(t, proxyTo(upstream.url));
  await growsLittle(edge, async () => {
    const upload = request({ port: edge.port("main"), host: "127.0.0.1", method: "POST" });
    const answered = once(upload, "response");
    await writeBlocks(upload, totalBytes / MiB);
    const [response] = await answered;
    assert.equal((await response.setEncoding("utf8").toArray()).join(""), expectedHash);
  });
});

test("32 MiB each way over TLS arrive intact", async (t) => {
  const blocks = 32;
  const upstream = await httpUpstream(t, (asked, response) => asked.pipe(response));
  const site = new CertificateAuthority(temporaryFolder(t)).issue("site", ["site.example"]);
  const edge = await startEdge(t, secureProxyTo(upstream.url, { site }));
  const { request: requestTls } = await import("node:https");
  const port = edge.port("main");
  const upload = requestTls({
    port,
    host: "127.0.0.1",
    method: "POST",
    rejectUnauthorized: false,
    servername: "site.example",
  });
  const answered = once(upload, "response");
  const written = writeBlocks(upload, blocks);
  const hash = createHash("sha256");
  for await (const chunk of (await answered)[0]) hash.update(chunk);
  await written;
  assert.equal(hash.digest("hex"), hashOfBlocks(blocks));
});

test("a client that does not read makes the upstream stop sending, and gets everything once it reads", async (t) => {
  let sent = 0;
  const upstream = await rawUpstream(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${totalBytes}\r\n\r\n`);
    const pump = (): void => {
      while (sent < totalBytes) {
        sent += MiB;
        if (!socket.write(block)) return void socket.once("drain", pump);
      }
    };
    socket.on("drain", () => upstream.log.push("drained\n"));
    pump();
  });
  const edge = await startEdge(t, proxyTo(upstream.url));
  const client = await RawClient.open(t, { port: edge.port("main") });
  client.socket.pause();
  await client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await upstream.log.wait("request GET /");
  await standsStill(() => sent);
  assert.ok(sent < 64 * MiB, `the upstream could send ${sent / MiB} MiB to a client that reads nothing`);
  let received = 0;
  client.socket.removeAllListeners("data");
  client.socket.on("data", (chunk: Buffer) => {
    received += chunk.length;
    if (received > totalBytes) client.socket.destroy();
  });
  client.socket.resume();
  await once(client.socket, "close");
  assert.ok(received > totalBytes);
});

test("an upstream that does not read makes the client stop sending", async (t) => {
  const upstream = await rawUpstream(t, (socket) => socket.pause());
  const edge = await startEdge(t, proxyTo(upstream.url));
  const client = await RawClient.open(t, { port: edge.port("main") });
  void client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${totalBytes}\r\n\r\n`);
  for (let i = 0; i < totalBytes / MiB; i += 1) client.socket.write(block);
  await upstream.log.wait("request POST /");
  const unsent = (): number => client.socket.writableLength;
  await standsStill(unsent);
  assert.ok(unsent() > totalBytes - 64 * MiB, `${unsent() / MiB} MiB were left unsent`);
});
