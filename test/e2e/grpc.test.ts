// SPDX-License-Identifier: Apache-2.0
// gRPC through the proxy with grpc-js on both ends: the four kinds of calls, deadlines, cancellation, and what our own
// errors look like to such a client.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { status as codes } from "@grpc/grpc-js";
import { CertificateAuthority } from "../support/certificates.ts";
import { proxyTo, secureProxyTo } from "../support/configs.ts";
import { type Config, startEdge } from "../support/edge.ts";
import { type GrpcClient, type GrpcUpstream, grpcClient, grpcUpstream, messagesOf } from "../support/grpc.ts";
import { H2Client } from "../support/http2_client.ts";
import { h2Upstream } from "../support/http2_upstream.ts";
import { eventually, fileScope, type Scope, temporaryFolder } from "../support/scope.ts";
import { closedPort, httpUpstream, readEcho } from "../support/upstreams.ts";

const authority = new CertificateAuthority(temporaryFolder(fileScope));
const site = authority.issue("site", ["site.example"]);
const server = authority.issue("server", ["up.example"]);
const ca = authority.certificate.cert;
const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1"));

const h2c = { protocol: "h2c" };
const urlOf = ({ port }: GrpcUpstream): string => `http://127.0.0.1:${port}`;

interface Way {
  readonly name: string;
  readonly open: (scope: Scope) => Promise<{ client: GrpcClient; upstream: GrpcUpstream }>;
}

const ways: readonly Way[] = [
  {
    name: "plain to plain",
    async open(scope) {
      const upstream = await grpcUpstream(scope);
      await edge.reload(proxyTo(urlOf(upstream), { upstream: h2c }));
      return { upstream, client: grpcClient(scope, { port: edge.port("main"), host: "plain.example" }) };
    },
  },
  {
    name: "TLS to TLS",
    async open(scope) {
      const upstream = await grpcUpstream(scope, { ca, ...server });
      const tls = { ca: authority.certificate.certFile, serverName: "up.example" };
      const url = `https://127.0.0.1:${upstream.port}`;
      await edge.reload(secureProxyTo(url, { site }, { upstream: { protocol: "h2", tls } }));
      return { upstream, client: grpcClient(scope, { port: edge.port("main"), host: "site.example", ca }) };
    },
  },
];

for (const { name, open } of ways) {
  test(`${name}: a unary call with metadata both ways`, async (t) => {
    const { client } = await open(t);
    const { message, metadata, status } = await client.unary("hello", { deadline: Date.now() + 30_000 });
    assert.deepEqual([message, status.code], ["hello", codes.OK]);
    assert.deepEqual(metadata.get("x-deadline"), ["true"]);
    assert.match(String(metadata.get("x-host")), /\.example$/);
    assert.deepEqual(status.metadata.get("x-trailer"), ["told"]);
    assert.deepEqual(status.metadata.get("x-bytes-bin"), [Buffer.from([0, 255, 10, 13])]);
  });

  test(`${name}: client streaming`, async (t) => {
    const { client } = await open(t);
    const { stream, answer } = client.collect();
    for (let i = 0; i < 1000; i += 1) stream.write(`${i},`);
    stream.end();
    assert.equal(await answer, Array.from({ length: 1000 }, (_, i) => `${i},`).join(""));
  });

  test(`${name}: server streaming with trailers`, async (t) => {
    const { client } = await open(t);
    const { messages, status } = await messagesOf(client.count(5000));
    assert.deepEqual([messages.length, messages.at(-1)], [5000, "4999"]);
    assert.deepEqual([status.code, status.metadata.get("x-counted")], [codes.OK, ["5000"]]);
  });

  test(`${name}: bidirectional streaming, message by message, then all at once`, async (t) => {
    const { client } = await open(t);
    const chat = client.chat();
    for (let i = 0; i < 20; i += 1) {
      const answer = once(chat, "data");
      chat.write(`message ${i}`);
      assert.deepEqual(await answer, [`re: message ${i}`]);
    }
    const large = "x".repeat(100_000);
    const rest = messagesOf(chat);
    for (let i = 0; i < 100; i += 1) chat.write(large);
    chat.end();
    const { messages, status } = await rest;
    assert.deepEqual([messages.length, status.code], [100, codes.OK]);
    assert.ok(messages.every((message) => message === `re: ${large}`));
  });

  test(`${name}: an error of the server arrives with its code and words`, async (t) => {
    const { client } = await open(t);
    const expected = { code: codes.FAILED_PRECONDITION, details: "not yet: ä" };
    await assert.rejects(client.unary(`fail ${codes.FAILED_PRECONDITION} not yet: ä`), expected);
  });

  test(`${name}: a deadline ends the call at both ends`, async (t) => {
    const { client, upstream } = await open(t);
    const late = client.unary("hang", { deadline: Date.now() + 1000 });
    await upstream.log.wait("call Unary");
    await assert.rejects(late, { code: codes.DEADLINE_EXCEEDED });
    await upstream.log.wait("over Unary");
  });

  test(`${name}: a cancelled call is cancelled at the server`, async (t) => {
    const { client, upstream } = await open(t);
    const { cancel, answer } = client.startUnary("hang");
    await upstream.log.wait("call Unary");
    cancel();
    await assert.rejects(answer, { code: codes.CANCELLED });
    await upstream.log.wait("over Unary");
    assert.equal((await client.unary("after")).message, "after");
  });

  test(`${name}: a cancelled stream is cancelled at the server`, async (t) => {
    const { client, upstream } = await open(t);
    const chat = client.chat();
    chat.on("error", () => {});
    chat.write("hello");
    await once(chat, "data");
    chat.cancel();
    await upstream.log.wait("over Chat");
  });
}

// The status of a call that fails, as a gRPC client sees it.
async function failure(scope: Scope, listener = "main"): Promise<number> {
  const client = grpcClient(scope, { port: edge.port(listener), host: "plain.example" });
  try {
    await client.unary("hello");
  } catch (error) {
    return (error as { code: number }).code;
  }
  return codes.OK;
}

interface Mistake {
  readonly what: string;
  readonly code: number;
  readonly config: (scope: Scope) => Promise<Config>;
}

const mistakes: readonly Mistake[] = [
  {
    what: "no route",
    code: codes.UNIMPLEMENTED,
    config: async () => proxyTo("http://127.0.0.1:1", { route: { hostnames: ["other.example"] } }),
  },
  {
    what: "an upstream that is down",
    code: codes.UNAVAILABLE,
    config: async (scope) => proxyTo(`http://127.0.0.1:${await closedPort(scope)}`, { upstream: h2c }),
  },
  {
    what: "a denied client",
    code: codes.PERMISSION_DENIED,
    config: async (scope) => {
      const policies = { denying: { ipDeny: ["127.0.0.0/8"], session: { denied: "respond" } } };
      const url = urlOf(await grpcUpstream(scope));
      return proxyTo(url, { upstream: h2c, route: { policy: "denying" }, top: { policies } });
    },
  },
  {
    what: "an upstream that does not answer in time",
    code: codes.DEADLINE_EXCEEDED,
    config: async (scope) => {
      const silent = await httpUpstream(scope, () => {});
      return proxyTo(silent.url, { upstream: { timeouts: { response: "300ms" } } });
    },
  },
];

for (const { what, code, config } of mistakes) {
  test(`${what} is ${codes[code]}`, async (t) => {
    await edge.reload(await config(t));
    const from = edge.accessLog.all.length;
    assert.equal(await failure(t), code);
    const record = await edge.accessRecord((each) => each["grpcStatus"] === code, from);
    assert.notEqual(record["reason"] ?? "", "");
  });
}

test("too many calls are UNAVAILABLE", async (t) => {
  const policies = { few: { rateLimit: { requests: 1, per: "1h" } } };
  const url = urlOf(await grpcUpstream(t));
  await edge.reload(proxyTo(url, { upstream: h2c, listener: { policy: "few" }, top: { policies } }));
  assert.equal(await failure(t), codes.OK);
  assert.equal(await failure(t), codes.UNAVAILABLE);
});

test("a deadline counts here, too: neither a server nor a client that forgets it holds the call", async (t) => {
  const upstream = await h2Upstream(t, () => {});
  await edge.reload(proxyTo(upstream.url, { upstream: h2c }));
  const client = await H2Client.open(t, { port: edge.port("main") });
  const call = {
    ":method": "POST",
    ":path": "/forgotten",
    "content-type": "application/grpc",
    te: "trailers",
  };
  const { status, headers } = await client.ask({ ...call, "grpc-timeout": "300m" }, { body: "" });
  assert.deepEqual([status, headers["grpc-status"]], [200, String(codes.DEADLINE_EXCEEDED)]);
  await upstream.log.wait(/^stream closed \/forgotten/);
  const record = await edge.accessRecord(({ path }) => path === "/forgotten");
  assert.deepEqual([record["grpcStatus"], record["reason"]], [codes.DEADLINE_EXCEEDED, "grpc_deadline"]);
});

test("our own error is a whole gRPC response: 200 with grpc-status; others get a plain one", async (t) => {
  await edge.reload(proxyTo("http://127.0.0.1:1", { route: { hostnames: ["other.example"] } }));
  const client = await H2Client.open(t, { port: edge.port("main") });
  const call = { ":method": "POST", ":path": "/test.Echo/Unary", te: "trailers" };
  for (const type of ["application/grpc", "application/grpc+proto"]) {
    const { status, headers } = await client.ask({ ...call, "content-type": type }, { body: "" });
    assert.deepEqual(
      [status, headers["content-type"], headers["grpc-status"]],
      [200, "application/grpc", "12"],
    );
  }
  for (const type of ["application/grpc-web", "application/json"]) {
    assert.equal((await client.ask({ ...call, "content-type": type }, { body: "" })).status, 404);
  }
});

test("grpc-status is in the metrics and the access log", async (t) => {
  const upstream = await grpcUpstream(t);
  const route = { name: "counted" };
  await edge.reload(proxyTo(urlOf(upstream), { upstream: h2c, route }));
  const client = grpcClient(t, { port: edge.port("main") });
  await client.unary("one");
  await client.unary("two");
  await messagesOf(client.count(3));
  await assert.rejects(client.unary(`fail ${codes.NOT_FOUND} gone`));
  for (const [code, count] of [
    ["0", 3],
    ["5", 1],
  ] as const) {
    const fits = (record: Config): boolean =>
      record["grpcStatus"] === Number(code) && record["route"] === "counted";
    const record = await edge.accessRecord(fits);
    assert.deepEqual([record["status"], record["protocol"]], [200, "HTTP/2.0"]);
    await eventually(
      () => edge.metric("mango_grpc_responses_total", { route: "counted", grpc_status: code }),
      (seen) => seen === count,
      `${count} responses with grpc-status ${code}`,
    );
  }
});

test("te: trailers reaches an HTTP/2 upstream, which gRPC wants to see", async (t) => {
  const upstream = await h2Upstream(t);
  await edge.reload(proxyTo(upstream.url, { upstream: h2c }));
  const client = await H2Client.open(t, { port: edge.port("main") });
  const { body } = await client.ask({ te: "trailers" });
  assert.equal(readEcho(body).headers["te"], "trailers");
});

test("calls survive reloads: a stream goes on, new calls use the new upstream", async (t) => {
  const [old, next] = [await grpcUpstream(t), await grpcUpstream(t)];
  await edge.reload(proxyTo(urlOf(old), { upstream: h2c }));
  const client = grpcClient(t, { port: edge.port("main") });
  const chat = client.chat();
  const say = async (what: string): Promise<unknown> => {
    const answer = once(chat, "data");
    chat.write(what);
    return (await answer)[0];
  };
  assert.equal(await say("before"), "re: before");
  await edge.reload(proxyTo(urlOf(next), { upstream: h2c }));
  assert.equal(await say("after"), "re: after");
  await client.unary("new");
  await next.log.wait("call Unary");
  chat.end();
  assert.equal((await messagesOf(chat)).status.code, codes.OK);
});
