// SPDX-License-Identifier: Apache-2.0
// grpc: all four kinds of calls, and one that fails, on each user's one connection (RATE 50 a second, DURATION 30s)

import { check } from "k6";
import grpc from "k6/net/grpc";
import { rate, setting, options as shared, TARGET } from "./lib/edge.js";

const SERVICE = "mango.loadtest.Echo";
const MESSAGES = 10; // of a streaming call
const perSecond = rate(50);

export const options = shared(
  {
    grpc: {
      executor: "constant-arrival-rate",
      rate: perSecond,
      timeUnit: "1s",
      duration: setting("DURATION", "30s"),
      preAllocatedVUs: 20,
      maxVUs: 200,
    },
  },
  { grpc_req_duration: ["p(99)<1000"], iterations: [`rate>${perSecond * 0.95}`] },
);

const client = new grpc.Client();
client.load([import.meta.resolve("./lib").replace("file://", "")], "echo.proto");
let connected = false;

function connect() {
  if (!connected)
    client.connect(TARGET.replace(/^https?:\/\//, ""), { plaintext: TARGET.startsWith("http:") });
  connected = true;
}

function unary() {
  const text = `unary ${__VU}.${__ITER}`;
  const answer = client.invoke(`${SERVICE}/Unary`, { text });
  check(answer, {
    "unary: status is OK": ({ status }) => status === grpc.StatusOK,
    "unary: the message comes back": ({ message }) => message && message.text === text,
  });
}

function unknown() {
  const answer = client.invoke(`${SERVICE}/Missing`, { text: "" });
  check(answer, { "the server's own status arrives": ({ status }) => status === grpc.StatusUnimplemented });
}

// Resolves with what came in when the server has ended the call.
function streamed(method, messages) {
  return new Promise((resolve) => {
    const seen = [];
    let failure = null;
    const stream = new grpc.Stream(client, `${SERVICE}/${method}`);
    stream.on("data", ({ text }) => seen.push(text));
    stream.on("error", (error) => {
      failure = error;
    });
    stream.on("end", () => {
      check(failure, { [`${method}: no error`]: (error) => error === null });
      resolve(seen);
    });
    for (const text of messages) stream.write({ text });
    stream.end();
  });
}

export default async function () {
  connect();
  unary();
  unknown();
  const many = Array.from({ length: MESSAGES }, (_, index) => `${__VU}.${__ITER}.${index}`);
  const [down, up, both] = await Promise.all([
    streamed("Repeat", ["again"]),
    streamed("Last", many),
    streamed("Chat", many),
  ]);
  check(down, {
    "Repeat: all messages arrive": (seen) => seen.join() === Array(MESSAGES).fill("again").join(),
  });
  check(up, { "Last: the last message comes back": (seen) => seen.join() === many[MESSAGES - 1] });
  check(both, { "Chat: all messages come back in order": (seen) => seen.join() === many.join() });
}
