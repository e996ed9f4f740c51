// SPDX-License-Identifier: Apache-2.0
// Whatever a policy makes of protocol errors, a budget that is overdrawn ends an HTTP/2 session, and nothing that
// comes on it afterwards reaches an upstream.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { honestIsServed } from "../support/h2_attack.ts";
import { continuation, data, flags, headers, ping, rstStream } from "../support/h2_frames.ts";
import { H2Peer } from "../support/h2_peer.ts";
import { encode } from "../support/hpack.ts";
import { eventually, fileScope } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const actions = ["close", "reset", "abort", "respond", "goaway", "tarpit"] as const;

const upstream = await httpUpstream(fileScope);
const base = proxyTo(upstream.url, { top: { workers: 1 } });
const edge = await startEdge(fileScope, {
  ...base,
  listeners: Object.fromEntries(
    [...actions, "main"].map((name) => [
      name,
      { address: "127.0.0.1:0", protocol: "http", ...(name === "main" ? {} : { policy: name }) },
    ]),
  ),
  policies: Object.fromEntries(
    actions.map((action) => [
      action,
      { session: { protocolError: action === "tarpit" ? { action, delay: "300ms" } : action } },
    ]),
  ),
});
const honest = { port: edge.port("main") };

const times = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

const ends: Readonly<Record<string, (peer: H2Peer) => readonly Buffer[]>> = {
  "Rapid Reset": (peer) => times(400, (i) => [peer.request(2 * i + 1), rstStream(2 * i + 1)]).flat(),
  "a flood of PING": () => times(2_000, () => ping()),
  "a flood of CONTINUATION": (peer) => [
    headers(1, encode(peer.requestFields()), flags.endStream),
    ...times(20, () => continuation(1, Buffer.alloc(0))),
  ],
  "DATA without a stream": () => [data(0, "x")],
};

for (const action of actions) {
  for (const [what, frames] of Object.entries(ends)) {
    test(`protocolError: ${action} ends a session after ${what}`, async (t) => {
      const peer = await H2Peer.open(t, { port: edge.port(action) }, { polite: false });
      await peer.send(peer.request(9_001, { path: "/in-progress", method: "POST", open: true }));
      await peer.send(...frames(peer), peer.request(9_003, { path: "/afterwards" }));
      await peer.ended();
      assert.ok(!upstream.log.all.some((line) => line.includes("/afterwards")));
      await eventually(
        () => edge.metric("mango_sessions_active"),
        (count) => count === 0,
        "the session to be gone",
      );
      await honestIsServed(t, honest);
    });
  }
}
