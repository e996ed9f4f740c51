// SPDX-License-Identifier: Apache-2.0
// redis-server and redis-benchmark under the shim.
import assert from "node:assert/strict";
import { test } from "node:test";
import { freePort } from "../../loadtest/support/network.ts";
import { shims, unlessInstalled } from "./shim.ts";

const skip = unlessInstalled("redis-server", "redis-benchmark", "redis-cli");
const memoryOnly = ["--save", "", "--appendonly", "no"];

for (const shim of shims) {
  test(`redis on the ${shim.engine} engine: benchmark, pipelines, large values`, { skip }, async (t) => {
    const port = String(await freePort());
    const server = shim.start(t, "redis-server", ["--port", port, "--bind", "127.0.0.1", ...memoryOnly]);
    await server.says("Ready to accept connections");
    const benchmark = ["-p", port, "-n", "2000", "-c", "20", "--csv"];
    const tests = ["-t", "ping,set,get,lpush,lrange_100"];
    const said = await shim.run(t, "redis-benchmark", [...benchmark, ...tests]);
    for (const name of ["PING_MBULK", "SET", "GET", "LPUSH", "LRANGE_100"])
      assert.match(said, new RegExp(`"${name}`));
    assert.match(await shim.run(t, "redis-benchmark", [...benchmark, "-t", "get", "-P", "16"]), /"GET"/);
    const large = ["-d", "300000", "-t", "set,get", "-n", "50"];
    assert.match(await shim.run(t, "redis-benchmark", ["-p", port, "-c", "5", "--csv", ...large]), /"GET"/);
    assert.equal(await shim.run(t, "redis-cli", ["-p", port, "set", "key", "value"]), "OK");
    assert.equal(await shim.run(t, "redis-cli", ["-p", port, "get", "key"]), "value");
    assert.equal(await server.stop(), 0, server.output);
    assert.ok(shim.sums.accepted > 40, shim.log);
  });
}
