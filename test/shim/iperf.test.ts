// SPDX-License-Identifier: Apache-2.0
// iperf and iperf3, server and client under the shim: both directions, parallel streams, sendfile.
import assert from "node:assert/strict";
import { test } from "node:test";
import { freePort } from "../../loadtest/support/network.ts";
import type { Scope } from "../support/scope.ts";
import { type Shim, shims, unlessInstalled } from "./shim.ts";

// iperf3 stops when so much has been sent, and leaves what is still in the sockets' buffers (4 MiB and more each way)
// unread.
const volume = 128 * 1024 * 1024;

interface Sum {
  readonly bytes: number;
}
interface Report {
  readonly end: { readonly sum_received: Sum; readonly sum_received_bidir_reverse?: Sum };
}

async function iperf3(scope: Scope, shim: Shim, options: readonly string[]): Promise<void> {
  const port = String(await freePort());
  const before = shim.sums;
  const server = shim.start(scope, "iperf3", ["--server", "--one-off", "--forceflush", "--port", port]);
  await server.says("Server listening");
  const what = ["--bytes", String(volume), "--json", ...options];
  const said = await shim.run(scope, "iperf3", ["--client", "127.0.0.1", "--port", port, ...what]);
  assert.equal(await server.ended(), 0, server.output);
  const { end } = JSON.parse(said) as Report;
  // Both directions end when one of them is through; how far the other came by then is nobody's promise.
  const bytes = end.sum_received.bytes + (end.sum_received_bidir_reverse?.bytes ?? 0);
  assert.ok(bytes > volume / 4, `${bytes} octets arrived`);
  const { received, accepted } = shim.sums;
  assert.ok(received - before.received >= bytes && accepted > before.accepted, shim.log);
}

const variants: ReadonlyMap<string, readonly string[]> = new Map([
  ["to the server", []],
  ["from the server", ["--reverse"]],
  ["in both directions at once", ["--bidir"]],
  ["in four streams", ["--parallel", "4"]],
  ["in four streams from the server", ["--parallel", "4", "--reverse"]],
  ["by sendfile", ["--zerocopy"]],
  ["in blocks of 4 KiB", ["--length", "4K"]],
]);

for (const shim of shims) {
  for (const [how, options] of variants) {
    test(`iperf3 on the ${shim.engine} engine: ${how}`, { skip: unlessInstalled("iperf3") }, (t) =>
      iperf3(t, shim, options),
    );
  }

  test(`iperf on the ${shim.engine} engine: both directions, two streams`, {
    skip: unlessInstalled("iperf"),
  }, async (t) => {
    const port = String(await freePort());
    const server = shim.start(t, "iperf", ["--server", "--port", port], {}, "SIGINT");
    await server.says("Server listening");
    const amount = ["--num", "8M", "--parallel", "2", "--full-duplex"];
    const said = await shim.run(t, "iperf", ["--client", "127.0.0.1", "--port", port, ...amount]);
    assert.match(said, /\d+(\.\d+)? [MG]bits\/sec/);
    // Of four transfers of 8 MiB: those under way when the client has got its own are cut.
    assert.ok(shim.sums.sent >= 8 * 1024 * 1024, `${said}\n${shim.log}`);
  });
}
