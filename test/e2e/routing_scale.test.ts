// SPDX-License-Identifier: Apache-2.0
// Ten thousand hostnames are a normal configuration: they load, reload, and each finds its route.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask } from "../support/client.ts";
import { proxyTo } from "../support/configs.ts";
import { type Config, startEdge } from "../support/edge.ts";
import { httpUpstream } from "../support/upstreams.ts";

const hosts = 10_000;

function marked(name: string, hostnames: readonly string[]): Config {
  const responseHeaderModifier = { set: [{ name: "x-route", value: name }] };
  return { name, hostnames, filters: [{ responseHeaderModifier }], backendRefs: [{ name: "app" }] };
}

test("10,000 hosts in 10,000 routes are each routed to their own, before and after a reload", async (t) => {
  const upstream = await httpUpstream(t, (_request, response) => response.end());
  const exact = Array.from({ length: hosts - 100 }, (_, i) => marked(`exact-${i}`, [`h${i}.example`]));
  const wild = Array.from({ length: 100 }, (_, i) => marked(`wild-${i}`, [`*.w${i}.example`]));
  const config = { ...proxyTo(upstream.url), routes: [...exact, ...wild] };
  const edge = await startEdge(t, config);
  const check = async (host: string, route: string | undefined): Promise<void> => {
    const answer = await ask({ port: edge.port("main"), host });
    assert.deepEqual([answer.status, answer.headers["x-route"]], [route === undefined ? 404 : 200, route]);
  };
  for (let round = 0; round < 2; round += 1) {
    for (const i of [0, 1, 4999, hosts - 101]) await check(`h${i}.example`, `exact-${i}`);
    for (const i of [0, 99]) await check(`any.w${i}.example`, `wild-${i}`);
    await check(`h${hosts}.example`, undefined);
    await edge.reload({ ...config, limits: { drain: "20s" } });
  }
});
