// SPDX-License-Identifier: Apache-2.0
// The admin API as its users see it.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { get } from "node:http";
import { test } from "node:test";
import type { PolicyEvent } from "../../src/proxy/events.ts";
import { settle } from "../proxy/manual_clock.ts";
import { jsonType, startHarness, validConfig, yamlType } from "./harness.ts";

function policyEvent(timeMs: number, client = "192.0.2.9"): PolicyEvent {
  return {
    type: "policy",
    timeMs,
    session: 5,
    listener: "web",
    client,
    sni: "",
    route: "all",
    upstream: "app",
    policy: "default",
    trigger: "protocolError",
    action: "respond",
    status: 400,
    reason: "bad_request",
  };
}

test("readyz follows the life of the data plane", async (t) => {
  const { ask, controller } = await startHarness(t, { start: false });
  assert.equal((await ask("/healthz")).status, 200);
  const before = await ask("/readyz");
  assert.equal(before.status, 503);
  assert.equal(before.json["state"], "new");
  assert.equal((await ask("/v1/routes")).status, 503);
  await controller.stop();
  assert.equal((await ask("/readyz")).json["state"], "stopped");
});

test("readyz is false from the first moment of a drain, and the drain is answered at once", async (t) => {
  const { ask, plane, controller, clock } = await startHarness(t);
  assert.equal((await ask("/readyz")).status, 200);
  plane.active = 3;
  const drain = await ask("/v1/drain", { method: "POST" });
  assert.equal(drain.status, 202);
  assert.equal((await ask("/readyz")).json["state"], "draining");
  assert.deepEqual(plane.calls.at(-1), ["drain"]);
  assert.equal((await ask("/v1/reload", { method: "POST" })).status, 503);
  plane.active = 0;
  await clock.advance(100);
  await controller.drain();
});

test("the running configuration is shown with its defaults, without secrets", async (t) => {
  const { ask } = await startHarness(t);
  const { text, json, headers } = await ask("/v1/config");
  assert.equal(json["generation"], 1);
  assert.equal(headers["etag"], '"1"');
  assert.ok(text.includes('"requestHeaders":"10s"'));
  assert.ok(!text.includes("hunter2"));
  const routes = await ask("/v1/routes");
  assert.ok(routes.text.includes("Authorization"));
  assert.ok(!routes.text.includes("hunter2"));
});

test("upstreams are shown with what is spoken to them, without keys and authorities", async (t) => {
  const { ask } = await startHarness(t);
  const secure = validConfig.replace('[{url: "http://127.0.0.1:9"}]', '[{url: "https://127.0.0.1:9"}]');
  await ask("/v1/config", { method: "PUT", headers: yamlType, body: secure });
  const { json, text } = await ask("/v1/upstreams");
  const [app] = json["upstreams"] as { name: string; protocol: string; tls: object; servers: unknown[] }[];
  assert.deepEqual([app?.name, app?.protocol, app?.servers.length], ["app", "auto", 1]);
  assert.deepEqual(app?.tls, {
    verify: true,
    serverName: "",
    altNames: [],
    minVersion: "1.2",
    clientCertificate: false,
  });
  assert.ok(!text.includes("BEGIN"));
});

test("a valid configuration is applied, a broken one is refused with places and changes nothing", async (t) => {
  const { ask, plane, controller } = await startHarness(t);
  const put = (body: string, headers = {}) =>
    ask("/v1/config", { method: "PUT", headers: { ...yamlType, ...headers }, body });
  const applied = await put(validConfig.replace("name: all", "name: everything"));
  assert.equal(applied.status, 200);
  assert.equal(applied.json["generation"], 2);
  assert.equal(plane.snapshots.at(-1)?.routes[0]?.name, "everything");

  const refused = await put(validConfig.replace("protocol: http", "protocol: htpt"));
  assert.equal(refused.status, 422);
  const [error] = refused.json["errors"] as {
    line: number;
    column: number;
    message: string;
    suggestion?: string;
  }[];
  assert.equal(error?.line, 3);
  assert.match(error?.message ?? "", /http/);
  assert.equal(controller.generation, 2);
  assert.equal(plane.snapshots.length, 2);
});

test("JSON is taken as configuration too", async (t) => {
  const { ask } = await startHarness(t);
  const body = JSON.stringify({
    listeners: { web: { address: "127.0.0.1:0", protocol: "http" } },
    routes: [{ name: "r", backendRefs: [{ name: "u" }] }],
    upstreams: { u: { servers: [{ url: "http://127.0.0.1:9" }] } },
  });
  assert.equal((await ask("/v1/config", { method: "PUT", headers: jsonType, body })).status, 200);
});

test("If-Match refuses a change that was made for another generation", async (t) => {
  const { ask } = await startHarness(t);
  const put = (etag: string) =>
    ask("/v1/config", { method: "PUT", headers: { ...yamlType, "if-match": etag }, body: validConfig });
  assert.equal((await put('"7"')).status, 412);
  assert.equal((await put('"1"')).status, 200);
  assert.equal((await put('"1"')).status, 412);
});

test("validate says what is wrong and applies nothing", async (t) => {
  const { ask, plane } = await startHarness(t);
  const validate = (body: string) => ask("/v1/config/validate", { method: "POST", headers: yamlType, body });
  assert.deepEqual((await validate(validConfig)).json["valid"], true);
  assert.equal((await validate("listeners: [")).status, 422);
  assert.equal(plane.snapshots.length, 1);
});

test("what the data plane itself refuses is told, and the old snapshot stays", async (t) => {
  const { ask, plane, controller } = await startHarness(t);
  plane.refuse = { code: "LISTEN_FAILED", message: "listener web: 127.0.0.1:80: address in use" };
  const answer = await ask("/v1/reload", { method: "POST" });
  assert.equal(answer.status, 409);
  assert.equal(answer.json["code"], "LISTEN_FAILED");
  assert.match(String(answer.json["detail"]), /address in use/);
  assert.equal(controller.generation, 1);
  plane.refuse = null;
  assert.equal((await ask("/v1/reload", { method: "POST" })).json["generation"], 2);
});

test("reload reads the file again and says what waits for a restart", async (t) => {
  const { ask, configFile, plane } = await startHarness(t);
  writeFileSync(configFile, `workers: 7\n${validConfig.replace("127.0.0.1:9", "127.0.0.1:10")}`);
  const { json } = await ask("/v1/reload", { method: "POST" });
  assert.deepEqual(json["needsRestart"], ["workers"]);
  assert.deepEqual(plane.snapshots.at(-1)?.upstreams[0]?.servers[0]?.endpoints, ["127.0.0.1:10"]);
  writeFileSync(configFile, `offload: {engine: device, ipc: {index: 1}}\nworkers: 7\n${validConfig}`);
  const moved = await ask("/v1/reload", { method: "POST" });
  assert.deepEqual(moved.json["needsRestart"], ["offload"]);
});

test("sessions are listed and ended by id and by selector", async (t) => {
  const { ask, plane } = await startHarness(t);
  await ask("/v1/sessions?client=10.0.0.0/8&olderThanMs=5000&limit=10");
  assert.deepEqual(plane.calls.at(-1), ["sessions", { client: "10.0.0.0/8", olderThanMs: 5000, limit: 10 }]);
  assert.equal((await ask("/v1/sessions/77/reset", { method: "POST" })).status, 404);
  plane.active = 1;
  assert.deepEqual((await ask("/v1/sessions/77/reset", { method: "POST" })).json, { affected: 1 });
  assert.deepEqual(plane.calls.at(-1), ["act", { id: 77 }, "reset"]);
  await ask("/v1/sessions/abort", { method: "POST", headers: jsonType, body: '{"sni":"shop.example"}' });
  assert.deepEqual(plane.calls.at(-1), ["act", { sni: "shop.example" }, "abort"]);
  assert.equal((await ask("/v1/sessions?limit=0")).status, 400);
  assert.equal((await ask("/v1/sessions?limitt=1")).status, 400);
});

test("events lead to a ban, which is listed and can be lifted", async (t) => {
  const { ask, plane, clock } = await startHarness(t);
  plane.emit([policyEvent(clock.now()), policyEvent(clock.now())]);
  await settle();
  assert.deepEqual(
    plane.bans.map(({ value, action }) => [value, action]),
    [["192.0.2.9", "abort"]],
  );
  const [ban] = (await ask("/v1/bans")).json["bans"] as { value: string; policy: string }[];
  assert.equal(ban?.policy, "default");
  assert.match((await ask("/metrics")).text, /^mango_bans_active\{by="client"\} 1$/m);
  assert.equal((await ask("/v1/bans?by=client&value=192.0.2.8", { method: "DELETE" })).status, 404);
  assert.equal((await ask("/v1/bans", { method: "DELETE" })).status, 400);
  assert.equal((await ask("/v1/bans?by=client&value=192.0.2.9", { method: "DELETE" })).status, 200);
  await settle();
  assert.deepEqual(plane.bans, []);
});

test("recent events are JSON, bounded by limit and after", async (t) => {
  const { ask, plane, clock } = await startHarness(t);
  plane.emit(Array.from({ length: 5 }, (_, index) => policyEvent(clock.now(), `192.0.2.${index}`)));
  const ids = async (query: string) =>
    ((await ask(`/v1/events${query}`)).json["events"] as { id: number }[]).map(({ id }) => id);
  assert.deepEqual(await ids(""), [1, 2, 3, 4, 5]);
  assert.deepEqual(await ids("?limit=2"), [4, 5]);
  assert.deepEqual(await ids("?after=3"), [4, 5]);
});

test("the event stream gives what is missed and what comes, and is bounded in number", async (t) => {
  const { admin, plane, clock, ask } = await startHarness(t);
  plane.emit([policyEvent(clock.now(), "198.51.100.1")]);
  const headers = { accept: "text/event-stream", "last-event-id": "0" };
  const stream = get({ host: "127.0.0.1", port: admin.port, path: "/v1/events", headers, agent: false });
  t.after(() => stream.destroy());
  const seen = Promise.withResolvers<string>();
  stream.on("response", (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (text.includes("198.51.100.1") && !text.includes("198.51.100.2"))
        plane.emit([policyEvent(clock.now(), "198.51.100.2")]);
      if (text.includes("198.51.100.2")) seen.resolve(text);
    });
    response.on("error", () => undefined);
  });
  const text = await seen.promise;
  assert.match(text, /^id: 1\nevent: policy\ndata: \{"id":1,"type":"policy"/m);

  const more = Array.from({ length: 15 }, () =>
    get({ host: "127.0.0.1", port: admin.port, path: "/v1/events", headers, agent: false }),
  );
  t.after(() => {
    for (const each of more) each.destroy();
  });
  await Promise.all(more.map((each) => new Promise((resolve) => each.on("response", resolve))));
  const refused = await ask("/v1/events", { headers: { accept: "text/event-stream" } });
  assert.equal(refused.status, 503);
  assert.equal(refused.json["code"], "BUSY");
});

test("explain asks the data plane and passes fields on", async (t) => {
  const { ask } = await startHarness(t);
  const { json } = await ask(
    "/v1/explain?url=https%3A%2F%2Fshop.example%2Fcart&method=POST&header=X-Env%3A%20canary",
  );
  assert.deepEqual(json["asked"], {
    listener: "",
    method: "POST",
    url: "https://shop.example/cart",
    headers: [["X-Env", "canary"]],
  });
  assert.equal((await ask("/v1/explain?url=nonsense")).status, 400);
  assert.equal((await ask("/v1/explain")).status, 400);
  assert.equal((await ask("/v1/explain?url=http%3A%2F%2Fa&header=x")).status, 400);
});

test("the OpenAPI document lists every path that exists", async (t) => {
  const { ask } = await startHarness(t);
  const { json } = await ask("/openapi.json");
  const paths = Object.keys(json["paths"] as object);
  for (const path of [
    "/healthz",
    "/metrics",
    "/v1/config",
    "/v1/sessions/{id}/{action}",
    "/v1/events",
    "/v1/bans",
    "/v1/explain",
  ]) {
    assert.ok(paths.includes(path), path);
  }
  for (const path of paths.filter((each) => !each.includes("{"))) {
    assert.notEqual((await ask(path)).status, 404, path);
  }
});
