// SPDX-License-Identifier: Apache-2.0
// What the tests of hostile HTTP/2 clients share: sending until the other side has had enough, and what must be true
// afterwards.
import assert from "node:assert/strict";
import type { Edge } from "./edge.ts";
import { H2Peer } from "./h2_peer.ts";
import type { RawTarget } from "./raw_client.ts";
import { eventually, type Scope } from "./scope.ts";

// Sends what `burst` makes, again and again with a barrier between, until GOAWAY or the end comes; fails if that never
// happens. Answers how many bursts it took.
export async function sendUntilRefused(
  peer: H2Peer,
  burst: (round: number) => readonly Buffer[],
  rounds: number,
): Promise<number> {
  const over = (): boolean =>
    peer.ending !== undefined || peer.received.some(({ type }) => type === "goaway");
  for (let round = 0; round < rounds; round += 1) {
    await peer.send(...burst(round));
    await Promise.race([peer.barrier().catch(() => {}), peer.until(over, "GOAWAY").catch(() => {})]);
    if (over()) return round + 1;
  }
  throw new Error(`${rounds} bursts were all accepted`);
}

// Counted once more under that reason, told as an event, and the session is gone.
export async function endedWith(edge: Edge, reason: string, attack: () => Promise<unknown>): Promise<void> {
  const count = (): Promise<number> => edge.metric("mango_exchange_failures_total", { reason });
  const before = await count();
  await attack();
  await eventually(count, (now) => now > before, `a failure counted as ${reason}`);
  await edge.events((event) => event["reason"] === reason && event["trigger"] === "protocolError");
  await eventually(
    () => edge.metric("mango_sessions_active"),
    (active) => active === 0,
    "the sessions to be gone",
  );
}

// Somebody who did nothing wrong is served, on a connection of their own.
export async function honestIsServed(scope: Scope, target: RawTarget, path = "/honest"): Promise<void> {
  const peer = await H2Peer.open(scope, target);
  await peer.send(peer.request(1, { path }));
  assert.equal((await peer.message(1)).status, "200");
  peer.socket.destroy();
}
