// SPDX-License-Identifier: Apache-2.0
// Bytes: plain TCP, and TLS that ends here. What TCP can say (either side first, half-closes, resets) passes; time
// limits, policies, counters and the log are those of HTTP.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { growsLittle, hashOf, hashOfBlocks, MiB, standsStill, writeBlocks } from "../support/bulk.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { bytesTo, proxyTo } from "../support/configs.ts";
import { type AccessRecord, type Config, startEdge } from "../support/edge.ts";
import { RawClient, type RawTarget } from "../support/raw_client.ts";
import { eventually, fileScope, type Scope, temporaryFolder, withPatience } from "../support/scope.ts";
import { closedPort, httpUpstream, tcpUpstream, type Upstream } from "../support/upstreams.ts";

const authority = new CertificateAuthority(temporaryFolder(fileScope));
const site = authority.issue("site", ["site.example", "other.example"]);
const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1"));

const echo = (socket: Socket): void => void socket.pipe(socket);

// The listener's part of a configuration that ends TLS, and the rest of it.
const tls = { protocol: "tls", tls: { certificates: ["site"] } };
const certificates = { site: { certFile: site.certFile, keyFile: site.keyFile } };

interface Kind {
  readonly name: string;
  readonly protocol: string; // in the log
  readonly config: (port: number, more?: { listener?: Config; route?: Config; top?: Config }) => Config;
  readonly target: () => RawTarget;
}

const kinds: readonly Kind[] = [
  { name: "tcp", protocol: "TCP", config: bytesTo, target: () => ({ port: edge.port("main") }) },
  {
    name: "tls",
    protocol: "TLS",
    config: (port, { listener, top, ...more } = {}) =>
      bytesTo(port, { ...more, listener: { ...tls, ...listener }, top: { certificates, ...top } }),
    target: () => ({ port: edge.port("main"), tls: { servername: "site.example" } }),
  },
];

for (const { name, protocol, config, target } of kinds) {
  const through = async (
    scope: Scope,
    accepted: (socket: Socket) => void,
    more: Parameters<Kind["config"]>[1] = {},
  ): Promise<{ upstream: Upstream; client: RawClient }> => {
    const upstream = await tcpUpstream(scope, accepted);
    await edge.reload(config(upstream.port, more));
    return { upstream, client: await RawClient.open(scope, target()) };
  };

  test(`${name}: bytes come back from an echo server`, async (t) => {
    const { client } = await through(t, echo);
    await client.send("hello\0\xff");
    await client.receive("hello\0\xff");
    client.finish();
    assert.equal(await client.ended(), "fin");
  });

  test(`${name}: a server may speak first`, async (t) => {
    const { client } = await through(t, (socket) => {
      socket.write("220 ready\r\n");
      socket.on("data", () => socket.end("221 bye\r\n"));
    });
    await client.receive("220 ready\r\n");
    await client.send("QUIT\r\n");
    await client.receive("221 bye\r\n");
  });

  test(`${name}: the client's half-close reaches a server that still has much to say`, async (t) => {
    const { client } = await through(t, (socket) => {
      let got = "";
      socket.on("data", (data: Buffer) => {
        got += data.toString();
      });
      socket.on("end", () => void writeBlocks(socket, 4, (so) => so === 4 && socket.write(got)));
    });
    await client.send("all of it");
    client.finish();
    assert.equal(await client.ended(), "fin");
    assert.equal(client.bytes.length, 4 * MiB + "all of it".length);
    assert.ok(client.bytes.subarray(4 * MiB).toString() === "all of it");
  });

  test(`${name}: the server's half-close reaches a client that still has something to say`, async (t) => {
    const { promise: heard, resolve } = Promise.withResolvers<string>();
    const { client } = await through(t, (socket) => {
      socket.end("that is all");
      void socket
        .setEncoding("utf8")
        .toArray()
        .then((parts) => resolve(parts.join("")));
    });
    await client.receive("that is all");
    assert.equal(await client.ended(), "fin");
    await client.send("one thing more");
    client.finish();
    assert.equal(await heard, "one thing more");
  });

  test(`${name}: a reset of the server is one at the client`, async (t) => {
    const { client } = await through(t, (socket) => {
      socket.once("data", () => socket.resetAndDestroy());
    });
    void client.send("provoke");
    assert.notEqual(await client.ended(), undefined);
    assert.equal(client.text, "");
  });

  test(`${name}: a client that resets is told to the server`, async (t) => {
    const { promise: told, resolve } = Promise.withResolvers<void>();
    const { client } = await through(t, (socket) => {
      socket.on("end", resolve).on("close", resolve).resume().write("hello");
    });
    await client.receive("hello");
    if (name === "tcp") client.reset();
    else client.socket.destroy();
    await withPatience(told, () => "the server to be told");
  });

  test(`${name}: 64 MiB each way arrive intact in bounded memory`, async (t) => {
    const { client } = await through(t, echo);
    client.socket.removeAllListeners("data");
    await growsLittle(edge, async () => {
      const hash = hashOf(client.socket);
      await writeBlocks(client.socket, 64);
      assert.equal(await hash, hashOfBlocks(64));
    });
  });

  test(`${name}: a server that does not read stops the client`, async (t) => {
    const { promise, resolve } = Promise.withResolvers<Socket>();
    const { client } = await through(t, (socket) => resolve(socket.pause()));
    let written = 0;
    const writing = writeBlocks(client.socket, 64, (so) => {
      written = so;
    });
    assert.ok((await standsStill(() => written)) < 64, "all was taken though nobody read");
    const hash = hashOf(await promise);
    await writing;
    assert.equal(await hash, hashOfBlocks(64));
  });

  test(`${name}: without traffic the connection ends after tunnelIdle, with its reason`, async (t) => {
    const listener = { timeouts: { tunnelIdle: "300ms" } };
    const { client } = await through(t, echo, { listener, route: { name: `idle-${name}` } });
    await client.send("hello");
    await client.receive("hello");
    await client.ended();
    const record = await edge.accessRecord(({ route }) => route === `idle-${name}`);
    assert.deepEqual([record["protocol"], record["reason"]], [protocol, "tunnel_idle_timeout"]);
  });

  test(`${name}: the log has a line for each connection`, async (t) => {
    const route = `logged-${name}`;
    const { client, upstream } = await through(t, echo, { route: { name: route } });
    await client.send("0123456789");
    await client.receive("0123456789");
    client.finish();
    await client.ended();
    const record = await edge.accessRecord((each) => each["route"] === route);
    assert.deepEqual([record["protocol"], record["upstream"], record["listener"]], [protocol, "app", "main"]);
    assert.equal(record["server"], `tcp://127.0.0.1:${upstream.port}`);
    assert.deepEqual([record["requestBytes"], record["responseBytes"]], [10, 10]);
    assert.equal(record["reason"] ?? "", "");
    if (name === "tls") assert.deepEqual([record["sni"], record["tlsVersion"]], ["site.example", "TLSv1.3"]);
  });

  test(`${name}: connections are counted, and none is left`, async (t) => {
    const route = `counted-${name}`;
    const { client } = await through(t, echo, { route: { name: route } });
    await client.send("hello");
    await client.receive("hello");
    const { sessions } = await edge.adminJson<{ sessions: Config[] }>(
      `/v1/sessions?listener=main&route=${route}`,
    );
    assert.deepEqual(
      sessions.map(({ state, upstream }) => [state, upstream]),
      [["tunnel", "app"]],
    );
    client.finish();
    await client.ended();
    await eventually(
      () => edge.metric("mango_route_connections_total", { route }),
      (count) => count === 1,
      "one connection to be counted",
    );
    await eventually(
      () => edge.metric("mango_sessions_active"),
      (count) => count === 0,
      "no session to be left",
    );
  });

  test(`${name}: connections survive a reload that moves the route; new ones go where it leads`, async (t) => {
    const { client } = await through(t, echo);
    await client.send("one");
    await client.receive("one");
    const next = await tcpUpstream(t, (socket) => void socket.end("next"));
    await edge.reload(config(next.port));
    await client.send("two");
    await client.receive("onetwo");
    const other = await RawClient.open(t, target());
    await other.receive("next");
  });

  test(`${name}: a server that is down: the other one is taken, or the connection ends with a reason`, async (t) => {
    const good = await tcpUpstream(t, (socket) => void socket.end("good"));
    const bad = await closedPort(t);
    const both = { servers: [bad, good.port].map((port) => ({ url: `tcp://127.0.0.1:${port}` })) };
    const whole = config(bad, { route: { name: `down-${name}` } });
    await edge.reload({ ...whole, upstreams: { app: both } });
    for (let i = 0; i < 4; i += 1) await (await RawClient.open(t, target())).receive("good");
    await edge.reload(whole);
    const client = await RawClient.open(t, target());
    await client.ended();
    assert.equal(client.text, "");
    const isFailed = ({ route, reason }: AccessRecord): boolean => route === `down-${name}` && reason !== "";
    assert.match(String((await edge.accessRecord(isFailed))["reason"]), /connect/);
  });

  test(`${name}: ipDeny keeps a client out`, async (t) => {
    const policies = { denying: { ipDeny: ["127.0.0.0/8"] } };
    const upstream = await tcpUpstream(t, echo);
    await edge.reload(config(upstream.port, { listener: { policy: "denying" }, top: { policies } }));
    const { port } = target();
    const client = await RawClient.open(t, { port });
    assert.equal(await client.ended(), "rst");
    assert.equal(upstream.connections(), 0);
    const labels = { policy: "denying", trigger: "denied" };
    assert.ok((await edge.metric("mango_policy_actions_total", labels)) > 0);
  });

  test(`${name}: maxAge ends a connection in mid-traffic`, async (t) => {
    const policies = { short: { maxAge: "500ms" } };
    const { client } = await through(t, echo, { listener: { policy: "short" }, top: { policies } });
    const ended = client.ended();
    const timer = setInterval(() => void client.send("tick"), 20);
    t.after(() => clearInterval(timer));
    await ended;
    assert.ok((await edge.metric("mango_policy_actions_total", { policy: "short", trigger: "maxAge" })) > 0);
  });

  test(`${name}: rateLimit counts connections`, async (t) => {
    const policy = `few-${name}`;
    const policies = { [policy]: { rateLimit: { requests: 1, per: "1h" } } };
    const { client } = await through(t, echo, { listener: { policy }, top: { policies } });
    await client.send("first");
    await client.receive("first");
    const second = await RawClient.open(t, target());
    await second.ended();
    assert.equal(second.text, "");
  });

  test(`${name}: an operator ends a connection by hand`, async (t) => {
    const { client, upstream } = await through(t, echo);
    await client.send("hello");
    await client.receive("hello");
    await edge.adminJson("/v1/sessions/abort", { method: "POST", body: { listener: "main" } });
    assert.equal(await client.ended(), "rst");
    await upstream.log.wait("closed");
  });

  test(`${name}: a drain lets connections go on until its time is up`, async (t) => {
    const upstream = await tcpUpstream(t, echo);
    const own = await startEdge(t, { ...config(upstream.port), limits: { drain: "1s" } });
    const client = await RawClient.open(t, { ...target(), port: own.port("main") });
    await client.send("before;");
    await client.receive("before;");
    const stopped = own.stop();
    await client.ended();
    assert.equal((await stopped).code, 0);
  });
}

test("tcp: an HTTP server behind it sees every byte as it was sent", async (t) => {
  const upstream = await httpUpstream(t, (request, response) => {
    const hash = createHash("sha256");
    request
      .on("data", (chunk: Buffer) => hash.update(chunk))
      .on("end", () => response.end(hash.digest("hex")));
  });
  await edge.reload(bytesTo(upstream.port));
  const socket = connect(edge.port("main"), "127.0.0.1");
  t.after(() => socket.destroy());
  await once(socket, "connect");
  const client = new RawClient(socket);
  await client.send("post / http\r\n\r\n");
  assert.equal((await client.response()).status, 400, "the server's own judgement");
});
