// SPDX-License-Identifier: Apache-2.0
// One exchange whose two halves are streams, over whichever version: for tests that hold for all of them.
import { once } from "node:events";
import { type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders, request } from "node:http";
import type { Readable, Writable } from "node:stream";
import { H2Client } from "./http2_client.ts";
import { type Scope, withPatience } from "./scope.ts";

export type Version = "HTTP/1.1" | "HTTP/2";

export interface StartedResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly interim: readonly number[];
  readonly body: Readable;
  readonly trailers: () => Readonly<Record<string, unknown>>; // once the body has ended
}

export interface StartedExchange {
  readonly content: Writable; // the request's; end() ends it, with the trailers that were asked for
  readonly response: Promise<StartedResponse>;
}

export interface ExchangeHow {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly trailers?: Readonly<Record<string, string>>;
}

export type StartExchange = (how?: ExchangeHow) => StartedExchange;

// Exchanges with a plain listener, each over a connection of its own with HTTP/1.1, all over one with HTTP/2.
export async function exchangesOver(scope: Scope, version: Version, port: number): Promise<StartExchange> {
  if (version === "HTTP/1.1") return (how = {}) => startH1(scope, port, how);
  const client = await H2Client.open(scope, { port });
  return (how = {}) => startH2(client, how);
}

function startH1(scope: Scope, port: number, how: ExchangeHow): StartedExchange {
  const { method = "POST", path = "/", headers = {}, trailers } = how;
  const named = trailers === undefined ? {} : { trailer: Object.keys(trailers).join(", ") };
  const target = {
    host: "127.0.0.1",
    port,
    method,
    path,
    headers: { ...headers, ...named },
    agent: false as const,
  };
  const content = request(target);
  scope.after(() => content.destroy());
  const interim: number[] = [];
  content.on("information", ({ statusCode }) => interim.push(statusCode));
  if (trailers !== undefined) content.addTrailers(Object.entries(trailers));
  const response = once(content, "response").then(([message]: IncomingMessage[]) => {
    if (message === undefined) throw new Error("no response");
    const { statusCode = 0, headers: got } = message;
    return { status: statusCode, headers: got, interim, body: message, trailers: () => message.trailers };
  });
  content.on("error", () => {}); // the response's promise tells
  content.flushHeaders();
  return { content, response: withPatience(response, () => `${method} ${path} over HTTP/1.1`) };
}

function startH2(client: H2Client, how: ExchangeHow): StartedExchange {
  const { method = "POST", path = "/", headers = {}, trailers } = how;
  const bodiless = method === "GET" || method === "HEAD";
  const options = { endStream: bodiless, waitForTrailers: trailers !== undefined };
  const stream = client.stream({ ...headers, ":method": method, ":path": path }, options);
  const interim: number[] = [];
  let got: Readonly<Record<string, unknown>> = {};
  stream.on("headers", (block) => interim.push(Number(block[":status"])));
  stream.on("trailers", (block) => {
    got = { ...block };
  });
  if (trailers !== undefined) stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  const response = once(stream, "response").then(([block]: IncomingHttpHeaders[]) => {
    const status = Number(block?.[":status"]);
    return { status, headers: block ?? {}, interim, body: stream, trailers: () => got };
  });
  stream.on("error", () => {});
  return { content: stream, response: withPatience(response, () => `${method} ${path} over HTTP/2`) };
}
