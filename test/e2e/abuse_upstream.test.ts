// SPDX-License-Identifier: Apache-2.0
// Upstreams that lie or break the protocol: the exchange fails with a reason, the connection is thrown away, and no
// other client ever sees a byte of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { H2Peer } from "../support/h2_peer.ts";
import { RawClient } from "../support/raw_client.ts";
import { fileScope } from "../support/scope.ts";
import { rawUpstream, type Script, tcpUpstream } from "../support/upstreams.ts";
import { askIn, versions } from "../support/versions.ts";

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const never = {
  healthCheck: { passive: { consecutiveFailures: 0 } },
  timeouts: { response: "1s", idle: "1s" },
};
const setup = { upstream: never, route: { retry: { attempts: 0 } }, top: { workers: 1 } };

// One proxy for all: every test puts its own upstream behind it by a reload.
const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1", setup));

const answering =
  (bytes: string): Script =>
  (socket) =>
    void socket.write(bytes, "latin1");

// Heads that cannot be believed: 502 each, with a reason.
const unbelievable: Readonly<Record<string, readonly [item: number, script: Script]>> = {
  "101 unasked": [
    23,
    answering("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"),
  ],
  "1 MB of header": [23, answering(`HTTP/1.1 200 OK\r\nX-Big: ${"b".repeat(1_000_000)}\r\n\r\n`)],
  "1 MB in many fields": [
    23,
    answering(`HTTP/1.1 200 OK\r\n${"X-Big: bbbbbbbbbbbbbbbbbbbb\r\n".repeat(40_000)}\r\n`),
  ],
  "endless interim responses": [
    23,
    (socket) => {
      const more = (): void => {
        while (!socket.destroyed && socket.write("HTTP/1.1 100 Continue\r\n\r\n".repeat(100)));
      };
      socket.on("drain", more);
      more();
    },
  ],
  "Content-Length with Transfer-Encoding": [
    22,
    answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
  ],
  "two Content-Lengths": [
    22,
    answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!"),
  ],
  "a negative Content-Length": [22, answering("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok")],
  "a status that is no number": [23, answering("HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n")],
  "a status of 99": [23, answering("HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n")],
  "no HTTP at all": [23, answering("SSH-2.0-OpenSSH_9.2\r\n\r\n")],
  "a folded field": [23, answering("HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 0\r\n\r\n")],
  "bare CR in a field": [
    23,
    answering("HTTP/1.1 200 OK\r\nX-A: 1\rSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"),
  ],
  "a head that ends with its connection": [22, (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-")],
};

for (const [what, [item, script]] of Object.entries(unbelievable)) {
  for (const version of versions) {
    test(`abuse ${item}, ${version}: an upstream that answers ${what} gives 502 with a reason`, async (t) => {
      const upstream = await rawUpstream(t, script);
      await edge.reload(proxyTo(upstream.url, setup));
      const path = `/${what.replaceAll(" ", "-")}-${version.slice(5)}`;
      assert.equal((await askIn(version, t, { port: edge.port("main") }, { path })).how, "502");
      const record = await edge.accessRecord((each) => each["path"] === path);
      assert.equal(record["status"], 502);
      assert.match(String(record["reason"]), /\w/);
      await upstream.log.wait("closed");
    });
  }
}

test("abuse 22: a connection on which an upstream spoke before its request serves one exchange and no other", async (t) => {
  // On a new connection nobody can tell such bytes from a very fast answer. What must not happen is that the real
  // answer, now one too many, waits in the pool for somebody else.
  const upstream = await tcpUpstream(t, (socket) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfast");
    socket.on("data", () => socket.write(ok));
  });
  await edge.reload(proxyTo(upstream.url, setup));
  for (let i = 0; i < 5; i += 1) {
    const client = await RawClient.open(t, { port: edge.port("main") });
    await client.send(get(`/${i}`));
    const { status, body } = await client.response();
    assert.ok(status === 502 || body.toString() === "fast", `${status} ${body}`);
  }
});

test("abuse 22: bytes after the end of a response poison no other request", async (t) => {
  const extra = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
  const upstream = await rawUpstream(t, (socket, head) => {
    socket.write(
      head.startsWith("GET /first") ? ok + extra : "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine",
    );
  });
  await edge.reload(proxyTo(upstream.url, setup));
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send(get("/first"));
  assert.equal((await client.response()).body.toString(), "ok");
  for (let i = 0; i < 5; i += 1) {
    await client.send(get(`/next${i}`));
    assert.equal((await client.response()).body.toString(), "mine");
  }
});

test("abuse 22: bytes that come on a pooled connection after its response are thrown away with it", async (t) => {
  const upstream = await rawUpstream(t, (socket) => {
    socket.write(ok, () =>
      setImmediate(() => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")),
    );
  });
  await edge.reload(proxyTo(upstream.url, setup));
  const client = await RawClient.open(t, { port: edge.port("main") });
  for (let i = 0; i < 20; i += 1) {
    await client.send(get(`/${i}`));
    const { status, body } = await client.response();
    assert.ok(body.toString() === "ok" || status === 502, `${status} ${body}`);
  }
});

test("abuse 22: a Content-Length larger than the content fails the exchange visibly", async (t) => {
  const upstream = await rawUpstream(t, (socket) =>
    socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
  );
  await edge.reload(proxyTo(upstream.url, setup));
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send(get("/short") + get("/next"));
  await client.ended();
  assert.match(client.text, /^HTTP\/1\.1 (502|200)/);
  assert.equal(
    client.text.match(/HTTP\/1\.1/g)?.length,
    1,
    "nothing may follow a message that is incomplete",
  );
  const record = await edge.accessRecord((each) => each["path"] === "/short");
  assert.match(String(record["reason"]), /\w/);
});

// What a client of HTTP/2 is told of a response that cannot be completed: a reset, never the end of the stream.
const incomplete: Readonly<Record<string, Script>> = {
  "a Content-Length larger than the content": (socket) =>
    void socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
  "a broken chunk": answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"),
  "chunks without a last one": (socket) =>
    void socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
  "a reset in mid-content": (socket) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", () => socket.resetAndDestroy());
  },
};

for (const [what, script] of Object.entries(incomplete)) {
  test(`abuse 22, HTTP/2: ${what} ends the stream by a reset, and its neighbour is served`, async (t) => {
    const upstream = await rawUpstream(t, (socket, head, rest) => {
      if (head.startsWith("GET /good")) socket.write(ok);
      else script(socket, head, rest);
    });
    await edge.reload(proxyTo(upstream.url, setup));
    const peer = await H2Peer.open(t, { port: edge.port("main") });
    await peer.send(peer.request(1, { path: "/bad" }), peer.request(3, { path: "/good" }));
    assert.match(await peer.outcome(1), /^(502|INTERNAL_ERROR|PROTOCOL_ERROR|CANCEL)$/);
    assert.equal((await peer.message(3)).body.toString(), "ok");
  });
}

test("abuse 22: a Content-Length smaller than the content delivers that much and nothing else", async (t) => {
  const upstream = await rawUpstream(t, (socket) =>
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlong and longer"),
  );
  await edge.reload(proxyTo(upstream.url, setup));
  const client = await RawClient.open(t, { port: edge.port("main") });
  for (const path of ["/a", "/b", "/c"]) {
    await client.send(get(path));
    assert.equal((await client.response()).body.toString(), "long");
  }
  assert.equal(upstream.connections(), 3, "a connection with leftovers must not be reused");
});

test("abuse 23: of two heads the first is the answer and the second nobody's", async (t) => {
  const head = "HTTP/1.1 200 OK\r\nX-Head: first\r\nContent-Length: 0\r\n\r\n";
  const upstream = await rawUpstream(t, answering(head + head.replace("first", "second")));
  await edge.reload(proxyTo(upstream.url, setup));
  const client = await RawClient.open(t, { port: edge.port("main") });
  for (let i = 0; i < 3; i += 1) {
    await client.send(get(`/${i}`));
    assert.match((await client.response()).head, /x-head: first/i);
  }
});

test("abuse 23: a broken chunk in a response ends the client's connection without a last chunk", async (t) => {
  const upstream = await rawUpstream(
    t,
    answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"),
  );
  await edge.reload(proxyTo(upstream.url, setup));
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send(get("/chunk") + get("/next"));
  await client.ended();
  assert.doesNotMatch(client.text, /0\r\n\r\n/);
  assert.equal(client.text.match(/HTTP\/1\.1/g)?.length ?? 1, 1);
});

test("abuse 4: bytes sent after an Upgrade request are not tunnelled before the 101", async (t) => {
  const upstream = await rawUpstream(t, (socket, head, rest) => {
    upstream.log.push(
      `early ${JSON.stringify(rest.toString())} ${JSON.stringify(head.includes("smuggled"))}\n`,
    );
    socket.on("data", (data) => upstream.log.push(`later ${JSON.stringify(data.toString())}\n`));
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
  });
  await edge.reload(proxyTo(upstream.url, setup));
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send(
    "GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello",
  );
  const response = await client.response();
  assert.equal(response.status, 200);
  await client.ended();
  assert.match(client.text, /^(HTTP\/1\.1 400|$)/, "frames are no request");
  assert.ok(upstream.log.all.includes('early "" false'), upstream.log.all.join());
  assert.ok(!upstream.log.all.some((line) => line.includes("hello")));
});

test("abuse 4: after a 200 instead of the 101 the next request is framed and routed as usual", async (t) => {
  const upstream = await rawUpstream(t, (socket, head) => {
    socket.write(`HTTP/1.1 200 OK\r\nX-Path: ${head.split(" ")[1]}\r\nContent-Length: 0\r\n\r\n`);
  });
  await edge.reload(proxyTo(upstream.url, setup));
  const client = await RawClient.open(t, { port: edge.port("main") });
  await client.send(
    `GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n${get("/after")}`,
  );
  assert.match((await client.response()).head, /x-path: \/up/i);
  const next = await client.response();
  assert.equal(next.status, 200);
  assert.match(next.head, /x-path: \/after/i);
});

test("abuse 5: an early response with unread content never lets that content become a request", async (t) => {
  const upstream = await rawUpstream(t, (socket, head) => {
    socket.write(head.startsWith("POST") ? "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n" : ok);
  });
  await edge.reload(proxyTo(upstream.url, setup));
  const client = await RawClient.open(t, { port: edge.port("main") });
  const hidden = get("/hidden");
  await client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${hidden.length + 1}\r\n\r\n`);
  assert.equal((await client.response()).status, 401);
  await client.send(hidden);
  client.finish();
  await client.ended();
  assert.equal(client.text, "");
  assert.ok(!upstream.log.all.some((line) => line.includes("/hidden")));
});
