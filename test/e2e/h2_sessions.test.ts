// SPDX-License-Identifier: Apache-2.0
// The life of an HTTP/2 session: what operators see of it, what a reload leaves alone, and how it is told to end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { refused } from "../support/client.ts";
import { proxyTo, secureProxyTo, withPlain } from "../support/configs.ts";
import { type Config, type Edge, startEdge } from "../support/edge.ts";
import { H2Peer } from "../support/h2_peer.ts";
import { H2Client } from "../support/http2_client.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually, fileScope, type Scope, temporaryFolder } from "../support/scope.ts";
import { closedPort, httpUpstream, readEcho, type Upstream } from "../support/upstreams.ts";

const working = await httpUpstream(fileScope);
const edge = await startEdge(fileScope, proxyTo(working.url));

interface Held {
  readonly upstream: Upstream;
  readonly release: () => void;
}

// An upstream that answers its name, but /held only when it is told to.
async function holding(scope: Scope, name = "held"): Promise<Held> {
  const { promise, resolve: release } = Promise.withResolvers<void>();
  const upstream = await httpUpstream(scope, (request, response) => {
    if (request.url === "/held") void promise.then(() => response.end(name));
    else response.end(name);
  });
  return { upstream, release };
}

function open(scope: Scope, at: Edge = edge, listener = "main"): Promise<H2Client> {
  return H2Client.open(scope, { port: at.port(listener) });
}

test("the access log and the list of sessions tell HTTP/2", async (t) => {
  const site = new CertificateAuthority(temporaryFolder(t)).issue("site", ["site.example"]);
  const own = await startEdge(t, secureProxyTo(working.url, { site }));
  const client = await H2Client.open(t, { port: own.port("main"), authority: "site.example", tls: true });
  await Promise.all(["/1", "/2", "/3"].map((path) => client.ask({ ":path": path })));
  for (const path of ["/1", "/2", "/3"]) {
    const record = await own.accessRecord((each) => each["path"] === path);
    assert.deepEqual(
      [record["protocol"], record["status"], record["host"]],
      ["HTTP/2.0", 200, "site.example"],
    );
  }
  const { sessions } = await own.adminJson<{ sessions: Config[] }>("/v1/sessions");
  assert.equal(sessions.length, 1);
  assert.deepEqual([sessions[0]?.["requests"], sessions[0]?.["sni"]], [3, "site.example"]);
  assert.equal(sessions[0]?.["client"], `127.0.0.1:${client.localPort}`);
});

test("HTTP/2 switched off: TLS settles on http/1.1, and a preface is no request", async (t) => {
  const site = new CertificateAuthority(temporaryFolder(t)).issue("site", ["site.example"]);
  const off = { http2: { enabled: false } };
  const config = withPlain(secureProxyTo(working.url, { site }, { listener: off }), off);
  const own = await startEdge(t, config);
  const tls = { ALPNProtocols: ["h2", "http/1.1"], servername: "site.example" };
  const secure = await RawClient.open(t, { port: own.port("main"), tls });
  assert.equal(secure.tls.alpnProtocol, "http/1.1");
  const plain = await RawClient.open(t, { port: own.port("plain") });
  await plain.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  assert.ok((await plain.response()).status >= 400);
});

test("streams in progress end on the old configuration, new ones of the same connection use the new", async (t) => {
  const old = await holding(t, "old");
  await edge.reload(proxyTo(old.upstream.url));
  const client = await open(t);
  const held = client.ask({ ":path": "/held" });
  await old.upstream.log.wait("request GET /held");
  const next = await holding(t, "new");
  await edge.reload(proxyTo(next.upstream.url));
  assert.equal((await client.ask()).body.toString(), "new");
  old.release();
  assert.equal((await held).body.toString(), "old");
  assert.ok(!client.log.all.some((line) => line.startsWith("goaway")));
});

test("a removed listener sends GOAWAY; its streams end well, then its connections", async (t) => {
  const { upstream, release } = await holding(t);
  const config = proxyTo(upstream.url);
  await edge.reload(withPlain(config));
  const client = await open(t, edge, "plain");
  const port = edge.port("plain");
  const held = client.ask({ ":path": "/held" });
  await upstream.log.wait("request GET /held");
  await edge.reload(config);
  assert.match(await client.goaway(), /^goaway NO_ERROR /);
  release();
  assert.deepEqual([(await held).status, (await held).reset], [200, ""]);
  await client.closed();
  await refused({ port });
});

test("a drain sends GOAWAY; what is in progress ends well, exit code 0", async (t) => {
  const { upstream, release } = await holding(t);
  const own = await startEdge(t, proxyTo(upstream.url));
  const [busy, idle] = [await open(t, own), await open(t, own)];
  assert.equal((await idle.ask()).status, 200);
  const held = busy.ask({ ":path": "/held" });
  await upstream.log.wait("request GET /held");
  const stopped = own.stop();
  assert.match(await busy.goaway(), /^goaway NO_ERROR /);
  await idle.goaway();
  await idle.closed();
  release();
  assert.equal((await held).body.toString(), "held");
  await busy.closed();
  assert.equal((await stopped).code, 0);
});

test("an idle connection is told to end", async (t) => {
  await edge.reload(proxyTo(working.url, { listener: { timeouts: { idle: "300ms" } } }));
  const client = await open(t);
  assert.equal((await client.ask()).status, 200);
  assert.match(await client.goaway(), /^goaway NO_ERROR /);
  await client.closed();
});

test("a session of its greatest age takes no more streams and lets the others end", async (t) => {
  const { upstream, release } = await holding(t);
  const policies = { short: { maxAge: "300ms" } };
  await edge.reload(proxyTo(upstream.url, { listener: { policy: "short" }, top: { policies } }));
  const client = await open(t);
  const held = client.ask({ ":path": "/held" });
  assert.match(await client.goaway(), /^goaway NO_ERROR /);
  release();
  assert.equal((await held).body.toString(), "held");
  await client.closed();
});

test("maxRequests: that many are answered, then GOAWAY", async (t) => {
  const policies = { few: { maxRequests: 3 } };
  await edge.reload(proxyTo(working.url, { listener: { policy: "few" }, top: { policies } }));
  const client = await open(t);
  for (let i = 0; i < 3; i += 1) assert.equal((await client.ask()).status, 200);
  assert.match(await client.goaway(), /^goaway NO_ERROR /);
  await client.closed();
});

// The second request of a session is one too many, while the first is still in progress.
async function limited(scope: Scope, action: string, policy: string = action): Promise<Held> {
  const held = await holding(scope);
  const policies = { [policy]: { rateLimit: { requests: 1, per: "1h" }, session: { rateLimited: action } } };
  await edge.reload(proxyTo(held.upstream.url, { listener: { policy }, top: { policies } }));
  return held;
}

for (const [action, expected] of [
  ["respond", { status: 429, reset: "" }],
  ["refuseStream", { status: 0, reset: "REFUSED_STREAM" }],
] as const) {
  test(`rateLimited with ${action} ends that stream and no other`, async (t) => {
    const { upstream, release } = await limited(t, action);
    const client = await open(t);
    const first = client.ask({ ":path": "/held" });
    await upstream.log.wait("request GET /held");
    const { status, reset } = await client.ask();
    assert.deepEqual({ status, reset }, expected);
    release();
    assert.equal((await first).body.toString(), "held");
    assert.ok(!client.session.closed, "the connection goes on");
    const labels = { policy: action, trigger: "rateLimited", action };
    assert.ok((await edge.metric("mango_policy_actions_total", labels)) >= 1);
  });
}

// Node's client gives all its streams up when a GOAWAY names an error; they need not be.
test("rateLimited with goaway ends that stream, lets the others end, and closes", async (t) => {
  const { upstream, release } = await limited(t, "goaway");
  const peer = await H2Peer.open(t, { port: edge.port("main") });
  await peer.send(peer.request(1, { path: "/held" }));
  await upstream.log.wait("request GET /held");
  await peer.send(peer.request(3));
  assert.equal(await peer.goaway(), "ENHANCE_YOUR_CALM");
  release();
  assert.equal((await peer.message(1)).body.toString(), "held");
  assert.notEqual(await peer.outcome(3), "200");
  assert.equal(await peer.ended(), "fin");
  const labels = { policy: "goaway", trigger: "rateLimited", action: "goaway" };
  assert.equal(await edge.metric("mango_policy_actions_total", labels), 1);
});

for (const action of ["close", "reset", "abort"] as const) {
  test(`rateLimited with ${action} ends the session with all its streams`, async (t) => {
    const { upstream } = await limited(t, action);
    const client = await open(t);
    const first = client.ask({ ":path": "/held" });
    await upstream.log.wait("request GET /held");
    assert.equal((await client.ask()).status, 0);
    assert.equal((await first).status, 0);
    await client.closed();
  });
}

for (const action of ["goaway", "refuseStream"] as const) {
  test(`${action} closes a session of HTTP/1.1`, async (t) => {
    const { upstream } = await limited(t, action, `${action}-h1`);
    const client = await RawClient.open(t, { port: edge.port("main") });
    const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    await client.send(get);
    assert.equal((await client.response()).status, 200);
    await client.send(get);
    assert.equal(await client.ended(), "fin");
    assert.equal(client.text, "");
    assert.equal(upstream.requests(), 1);
  });
}

test("an upstream that is down costs its stream a 502, and no other stream anything", async (t) => {
  const nobody = `http://127.0.0.1:${await closedPort(t)}`;
  const config = proxyTo(nobody, {
    top: {
      routes: [
        { name: "down", matches: [{ path: { value: "/down" } }], backendRefs: [{ name: "app" }] },
        { name: "up", backendRefs: [{ name: "working" }] },
      ],
      upstreams: { app: { servers: [{ url: nobody }] }, working: { servers: [{ url: working.url }] } },
    },
  });
  await edge.reload(config);
  const client = await open(t);
  const [down, up] = await Promise.all([client.ask({ ":path": "/down" }), client.ask({ ":path": "/up" })]);
  assert.deepEqual([down.status, up.status, readEcho(up.body).url], [502, 200, "/up"]);
});

test("an operator ends one session by hand; nothing is left of it", async (t) => {
  await edge.reload(proxyTo(working.url));
  const [one, other] = [await open(t), await open(t)];
  await Promise.all([one.ask(), other.ask()]);
  const list = async () => (await edge.adminJson<{ sessions: Config[] }>("/v1/sessions")).sessions;
  const mine = (await list()).find(({ client }) => client === `127.0.0.1:${one.localPort}`);
  await edge.adminJson(`/v1/sessions/${mine?.["id"]}/close`, { method: "POST" });
  await one.closed();
  assert.equal((await other.ask()).status, 200);
  const isGone = (all: Config[]): boolean => !all.some(({ id }) => id === mine?.["id"]);
  await eventually(list, isGone, "the session to be gone");
});
