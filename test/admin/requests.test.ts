// SPDX-License-Identifier: Apache-2.0
// What the admin API does with requests that nobody should send.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { adminLimits } from "../../src/admin/server.ts";
import { type Answer, jsonType, startHarness, yamlType } from "./harness.ts";

function assertProblem(answer: Answer, status: number, code: string): void {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers["content-type"] ?? "", /^application\/problem\+json/);
  assert.equal(answer.json["status"], status);
  assert.equal(answer.json["code"], code);
  assert.match(String(answer.json["type"]), /^urn:mango-edge:problem:[a-z-]+$/);
  assert.ok(!/node_modules|\.ts:\d|\\n +at /.test(answer.text), "no stack");
}

test("unknown paths are 404, wrong methods 405 with Allow", async (t) => {
  const { ask } = await startHarness(t);
  assertProblem(await ask("/"), 404, "NOT_FOUND");
  assertProblem(await ask("/v1/sessions/1/explode", { method: "POST" }), 400, "BAD_REQUEST");
  assertProblem(await ask(`/${"a".repeat(5000)}`), 404, "NOT_FOUND");
  const wrong = await ask("/v1/reload");
  assertProblem(wrong, 405, "METHOD_NOT_ALLOWED");
  assert.equal(wrong.headers["allow"], "POST");
  assertProblem(await ask("/v1/config", { method: "DELETE" }), 405, "METHOD_NOT_ALLOWED");
});

test("paths that cannot be decoded are 400", async (t) => {
  const { ask } = await startHarness(t);
  assertProblem(await ask("/v1/%c0%ae"), 400, "BAD_REQUEST");
});

test("bad JSON, empty JSON and JSON of another shape are 400", async (t) => {
  const { ask, plane } = await startHarness(t);
  const bodies = [
    "{",
    "",
    "null",
    "[]",
    '"x"',
    '{"id":"seven"}',
    '{"unknown":1}',
    '{"__proto__":{"id":1}}',
    "{}",
    '{"client":"nonsense"}',
  ];
  for (const body of bodies) {
    const answer = await ask("/v1/sessions/close", { method: "POST", headers: jsonType, body });
    assertProblem(answer, 400, "BAD_REQUEST");
  }
  assert.deepEqual(plane.calls, []);
});

test("other content types are 415", async (t) => {
  const { ask } = await startHarness(t);
  for (const type of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "nonsense",
  ]) {
    const headers = { "content-type": type };
    assertProblem(
      await ask("/v1/sessions/close", { method: "POST", headers, body: "id=1" }),
      415,
      "MEDIA_TYPE",
    );
    assertProblem(await ask("/v1/config", { method: "PUT", headers, body: "x" }), 415, "MEDIA_TYPE");
  }
});

test("content past the limit is 413, said or unsaid in advance", async (t) => {
  const { ask, controller } = await startHarness(t);
  const selector = Buffer.alloc(adminLimits.bodyBytes + 1, 0x20);
  assertProblem(
    await ask("/v1/sessions/close", { method: "POST", headers: jsonType, body: selector }),
    413,
    "PAYLOAD_TOO_LARGE",
  );
  const headers = { ...yamlType, "transfer-encoding": "chunked" };
  const config = Buffer.alloc(adminLimits.configBytes + 1, 0x23);
  assertProblem(await ask("/v1/config", { method: "PUT", headers, body: config }), 413, "PAYLOAD_TOO_LARGE");
  assert.equal(controller.generation, 1);
});

test("a configuration may be larger than other content", async (t) => {
  const { ask } = await startHarness(t);
  const body = `#${"x".repeat(adminLimits.bodyBytes * 2)}\nlisteners: {}`;
  assertProblem(
    await ask("/v1/config/validate", { method: "POST", headers: yamlType, body }),
    422,
    "CONFIG_INVALID",
  );
});

test("bytes that are no HTTP get a problem document and the connection is closed", async (t) => {
  const { admin } = await startHarness(t);
  for (const bytes of [
    "\x16\x03\x01\x02\x00\x01\x00",
    "GET / HTTP/1.1\r\nBad Name: x\r\n\r\n",
    `GET / HTTP/1.1\r\nX: ${"a".repeat(20_000)}\r\n\r\n`,
  ]) {
    const socket = connect(admin.port, "127.0.0.1");
    let answer = "";
    socket.setEncoding("latin1").on("data", (chunk) => (answer += chunk));
    socket.on("error", () => undefined);
    socket.write(bytes, "latin1");
    await new Promise((resolve) => socket.once("close", resolve));
    assert.match(answer, /^HTTP\/1\.1 4\d\d /);
    assert.match(answer, /application\/problem\+json/);
  }
});

test("an error of our own is 500 without a word about it, and the log has it", async (t) => {
  const { ask, controller, log } = await startHarness(t);
  controller.sessions = () => Promise.reject(new Error("secret detail at /usr/src/app"));
  const answer = await ask("/v1/sessions");
  assertProblem(answer, 500, "INTERNAL");
  assert.ok(!answer.text.includes("secret detail"));
  assert.ok(log.some((line) => line.includes("secret detail")));
});

test("a thousand refused requests leave the API working", async (t) => {
  const { ask } = await startHarness(t);
  const bad = Array.from(
    { length: 1000 },
    (_, index) => () => ask(`/v1/nothing/${index}`, { method: "POST", headers: jsonType, body: "{" }),
  );
  for (let start = 0; start < bad.length; start += 50)
    await Promise.all(bad.slice(start, start + 50).map((run) => run()));
  assert.equal((await ask("/healthz")).status, 200);
});
