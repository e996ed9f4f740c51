// SPDX-License-Identifier: Apache-2.0
// Several exchanges on one HTTP/2 connection to an upstream: what goes wrong with one stays with that one, and what
// belongs to one is seen by nobody else.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo, type Variation } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { sendUntilRefused } from "../support/h2_attack.ts";
import { data, flags, goaway, headers, rstStream } from "../support/h2_frames.ts";
import { fieldOf, H2Peer } from "../support/h2_peer.ts";
import {
  type H2Request,
  type H2Script,
  rawH2Upstream,
  respond,
  responseHead,
} from "../support/h2_raw_upstream.ts";
import { encode, firstDynamicIndex, indexed, literal } from "../support/hpack.ts";
import { Load } from "../support/load.ts";
import { fileScope, type Scope } from "../support/scope.ts";
import type { Upstream } from "../support/upstreams.ts";

const setup = (vary: Variation = {}): Variation => ({
  upstream: {
    protocol: "h2c",
    healthCheck: { passive: { consecutiveFailures: 0 } },
    timeouts: { response: "5s" },
  },
  route: { retry: { attempts: 0 } },
  top: { workers: 1 },
  ...vary,
});
const edge = await startEdge(fileScope, proxyTo("http://127.0.0.1:1", setup()));
const target = { port: edge.port("main") };

async function behind(scope: Scope, script: H2Script, vary: Variation = {}): Promise<Upstream> {
  const upstream = await rawH2Upstream(scope, script);
  await edge.reload(proxyTo(upstream.url, setup(vary)));
  return upstream;
}

interface Pair {
  readonly peer: H2Peer; // the upstream's end of the connection that both are on
  readonly bad: H2Request;
  readonly good: H2Request;
}

// Runs `script` when two requests, /bad and /good, wait on one connection.
function onPair(script: (pair: Pair) => void): H2Script {
  const waiting = new Map<H2Peer, H2Request[]>();
  return (peer, request) => {
    if (request.path === "/warm") return void peer.send(...respond(request.stream));
    const both = [...(waiting.get(peer) ?? []), request];
    waiting.set(peer, both);
    const [bad, good] = ["/bad", "/good"].map((path) => both.find((each) => each.path === path));
    if (bad !== undefined && good !== undefined) script({ peer, bad, good });
  };
}

// Both requests of one client; the first one makes sure that a connection is there.
async function askBoth(scope: Scope): Promise<H2Peer> {
  const client = await H2Peer.open(scope, target);
  await client.send(client.request(1, { path: "/warm" }));
  assert.equal(await client.outcome(1), "200");
  await client.send(client.request(3, { path: "/bad" }), client.request(5, { path: "/good" }));
  return client;
}

const poison = "poison";

// The streams' own mistakes. RFC 9113 lets us end the connection at some of them, then the neighbour fails, too: what
// it may never get is something that is not its own.
const lies: Readonly<Record<string, (pair: Pair) => readonly Buffer[]>> = {
  "a malformed head": ({ bad }) => [
    headers(
      bad.stream,
      encode([
        [":status", "200"],
        ["X-A", poison],
      ]),
      flags.endHeaders,
    ),
  ],
  "a reset": ({ bad }) => [rstStream(bad.stream, "INTERNAL_ERROR")],
  "content beyond its length": ({ bad }) => [
    responseHead(bad.stream, "200", [["content-length", "1"]]),
    data(bad.stream, poison, flags.endStream),
  ],
  "a malformed head that changes the table": ({ bad }) => [
    headers(
      bad.stream,
      Buffer.concat([encode([[":status", "2x0"]]), literal("x-kept", "yes", "add")]),
      flags.endHeaders,
    ),
  ],
};

for (const [what, lie] of Object.entries(lies)) {
  test(`abuse 22: ${what} of one exchange leaves its neighbour on the connection alone`, async (t) => {
    const upstream = await behind(
      t,
      onPair((pair) => {
        const entry = what.endsWith("table") ? indexed(firstDynamicIndex) : literal("x-kept", "yes");
        const block = Buffer.concat([encode([[":status", "200"]]), entry]);
        const good = [
          headers(pair.good.stream, block, flags.endHeaders),
          data(pair.good.stream, "mine", flags.endStream),
        ];
        void pair.peer.send(...lie(pair), ...good);
      }),
    );
    const client = await askBoth(t);
    assert.notEqual(await client.outcome(3), "200");
    const { status, body, fields } = await client.message(5);
    assert.deepEqual([status, body.toString(), fieldOf(fields, "x-kept")], ["200", "mine", "yes"]);
    assert.equal(upstream.connections(), 1);
  });
}

const lateFrames: Readonly<Record<string, (stream: number) => readonly Buffer[]>> = {
  DATA: (stream) => [data(stream, poison)],
  HEADERS: (stream) => [responseHead(stream, "200", [["x-late", poison]])],
  "a second response": (stream) => respond(stream, poison),
  "DATA on the stream that comes next": (stream) => [data(stream + 4, poison)],
};

for (const [what, late] of Object.entries(lateFrames)) {
  test(`abuse 22: ${what} after the end of a response reaches nobody`, async (t) => {
    await behind(
      t,
      onPair(({ peer, bad, good }) => {
        void peer.send(...respond(bad.stream, "done"), ...late(bad.stream), ...respond(good.stream, "mine"));
      }),
    );
    const client = await askBoth(t);
    await Promise.all([client.outcome(3), client.outcome(5)]);
    const seen = Buffer.concat(client.received.map(({ payload }) => payload)).toString("latin1");
    assert.ok(!seen.includes(poison));
    if ((await client.outcome(5)) === "200") assert.equal((await client.message(5)).body.toString(), "mine");
    await client.send(client.request(7, { path: "/warm" }));
    assert.deepEqual(
      [(await client.message(7)).status, (await client.message(7)).body.toString()],
      ["200", "ok"],
    );
  });
}

test("abuse 22: an upstream that goes on after its exchange was cancelled disturbs nobody", async (t) => {
  const upstream = await behind(
    t,
    onPair(({ peer, bad, good }) => {
      void peer.send(responseHead(bad.stream, "200"), data(bad.stream, "begun"));
      peer.onFrame(({ type, stream }) => {
        if (type !== "rstStream" || stream !== bad.stream) return;
        upstream.log.push("cancelled\n");
        void peer.send(
          data(bad.stream, poison),
          data(bad.stream, poison, flags.endStream),
          ...respond(good.stream, "mine"),
        );
      });
    }),
  );
  const client = await askBoth(t);
  await client.frame(({ type, stream }) => type === "data" && stream === 3);
  await client.send(rstStream(3));
  await upstream.log.wait("cancelled");
  const { status, body } = await client.message(5);
  assert.deepEqual([status, body.toString(), upstream.connections()], ["200", "mine", 1]);
});

test("interleaved responses reach who asked for them", async (t) => {
  await behind(
    t,
    onPair(({ peer, bad, good }) => {
      const frames = [bad, good].map(({ stream }) => responseHead(stream, "200"));
      for (let i = 0; i < 200; i += 1) frames.push(data(bad.stream, "A"), data(good.stream, "B"));
      frames.push(data(good.stream, "", flags.endStream), data(bad.stream, "", flags.endStream));
      void peer.send(...frames);
    }),
  );
  const client = await askBoth(t);
  assert.equal((await client.message(3)).body.toString(), "A".repeat(200));
  assert.equal((await client.message(5)).body.toString(), "B".repeat(200));
});

test("GOAWAY: streams up to its last one are finished, the rest is asked elsewhere", async (t) => {
  let connections = 0;
  const first = onPair(({ peer, bad, good }) => {
    const [low, high] = bad.stream < good.stream ? [bad, good] : [good, bad];
    void peer.send(goaway(low.stream));
    upstream.log.push(`refused ${high.path}\n`);
    void peer.send(...respond(low.stream, `kept ${low.path}`));
  });
  const known = new Set<H2Peer>();
  const upstream = await behind(t, (peer, request) => {
    if (!known.has(peer)) connections += 1;
    known.add(peer);
    if (connections === 1) first(peer, request);
    else void peer.send(...respond(request.stream, `again ${request.path}`));
  });
  const client = await askBoth(t);
  const bodies = [await client.message(3), await client.message(5)].map(({ body }) => body.toString());
  assert.deepEqual(bodies, ["kept /bad", "again /good"]);
  await client.send(client.request(7, { path: "/warm" }));
  assert.equal(await client.outcome(7), "200");
  assert.equal(upstream.connections(), 2);
});

test("a refused stream is asked again where retries are allowed", async (t) => {
  let refusals = 0;
  const upstream = await behind(
    t,
    (peer, { stream }) => {
      refusals += 1;
      if (refusals === 1) void peer.send(rstStream(stream, "REFUSED_STREAM"));
      else void peer.send(...respond(stream, "second try"));
    },
    { route: { retry: { attempts: 1 } } },
  );
  const client = await H2Peer.open(t, target);
  await client.send(client.request(1, { path: "/once" }));
  assert.equal((await client.message(1)).body.toString(), "second try");
  assert.equal(upstream.requests(), 2);
});

function resetBurst(client: H2Peer, round: number): Buffer[] {
  const streams = Array.from({ length: 50 }, (_, i) => 2 * (round * 50 + i) + 1);
  return streams.flatMap((stream) => [client.request(stream), rstStream(stream)]);
}

test("abuse 14: Rapid Reset is not passed on to an HTTP/2 upstream", async (t) => {
  const upstream = await behind(t, () => {});
  const client = await H2Peer.open(t, target);
  await sendUntilRefused(client, (round) => resetBurst(client, round), 40);
  assert.equal(await client.goaway(), "ENHANCE_YOUR_CALM");
  assert.ok(upstream.requests() <= 400, `${upstream.requests()} requests`);
});

test("abuse 14: Rapid Reset on many connections is not handed on to the few of an HTTP/2 upstream", async (t) => {
  // Servers give up a connection that brings too many resets, whoever they are from; the strictest known takes 200.
  const peers = new Set<H2Peer>();
  await behind(t, (peer, { stream, path }) => {
    peers.add(peer);
    if (path === "/honest") void peer.send(...respond(stream));
  });
  const load = new Load({ port: target.port, clients: 8, path: "/honest" });
  await load.more(50);
  const clients = await Promise.all(Array.from({ length: 20 }, () => H2Peer.open(t, target)));
  await Promise.all(clients.map((each) => sendUntilRefused(each, (round) => resetBurst(each, round), 40)));
  await load.more(50);
  const { ok, failures } = await load.stop();
  assert.deepEqual(failures, [], `of ${ok + failures.length} requests`);
  const resets = [...peers].map(({ received }) => received.filter(({ type }) => type === "rstStream").length);
  assert.ok(Math.max(...resets) <= 200, `${resets} resets on the upstream's connections`);
});
