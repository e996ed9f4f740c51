// SPDX-License-Identifier: Apache-2.0
// Real servers for the proxy to talk to: node:http ones that behave, and raw ones that send exactly the bytes
// of their script, well-formed or not.
import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import {
  type AddressInfo,
  createServer as createTcp,
  type ListenOptions,
  type Server,
  type Socket,
} from "node:net";
import { Lines } from "./lines.ts";
import type { Scope } from "./scope.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface Upstream {
  readonly url: string; // as the configuration wants it
  readonly port: number;
  readonly connections: () => number; // accepted so far
  readonly requests: () => number;
  readonly server: Server;
  readonly log: Lines; // one line per event, for waiting: "connection", "request METHOD URL", "closed"
  readonly stop: () => Promise<void>;
}

export type Where = Pick<ListenOptions, "host" | "port" | "path">;

// A well-behaved HTTP server. Without a handler it answers with what it was asked, see echo().
export async function httpUpstream(
  scope: Scope,
  handler: Handler = echo,
  where: Where = {},
): Promise<Upstream> {
  let requests = 0;
  const server: HttpServer = createServer({ keepAliveTimeout: 120_000, requestTimeout: 0 });
  const upstream = await serve(scope, server, where, () => requests);
  const answer: Handler = (request, response) => {
    requests += 1;
    upstream.log.push(`request ${request.method} ${request.url}\n`);
    handler(request, response);
  };
  server.on("request", answer);
  return upstream;
}

// Answers 200 with a JSON description of the request as it arrived, including its content as text.
export const echo: Handler = (request, response) => {
  const parts: Buffer[] = [];
  request.on("data", (chunk: Buffer) => parts.push(chunk));
  request.on("error", () => {});
  request.on("end", () => response.end(describe(request, Buffer.concat(parts))));
  response.setHeader("content-type", "application/json");
};

export interface Echo {
  readonly method: string;
  readonly url: string;
  readonly fields: readonly (readonly [name: string, value: string])[]; // as received, in order
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly trailers: Readonly<Record<string, string>>;
  readonly peerPort: number;
}

function describe(request: IncomingMessage, body: Buffer): string {
  const raw = request.rawHeaders;
  const fields = Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i], raw[2 * i + 1]]);
  const { method, url, headers, trailers } = request;
  const text = body.toString("latin1");
  return JSON.stringify({
    method,
    url,
    fields,
    headers,
    body: text,
    trailers,
    peerPort: request.socket.remotePort,
  });
}

export function readEcho(body: Buffer | string): Echo {
  return JSON.parse(body.toString()) as Echo;
}

export type Script = (socket: Socket, head: string, rest: Buffer) => void;

// Runs `script` whenever a request head has arrived on a connection; it writes what it likes. `rest` is what
// came behind the head so far.
export function rawUpstream(scope: Scope, script: Script, where: Where = {}): Promise<Upstream> {
  return tcpUpstream(scope, (socket, counted) => onHeads(socket, counted, script), where);
}

// Gives every accepted connection to `accepted` at once, for upstreams that do not wait for a request.
export async function tcpUpstream(
  scope: Scope,
  accepted: (socket: Socket, counted: (head: string) => void) => void,
  where: Where = {},
): Promise<Upstream> {
  let requests = 0;
  const server = createTcp({ allowHalfOpen: true });
  const upstream = await serve(scope, server, where, () => requests);
  const counted = (head: string): void => {
    requests += 1;
    upstream.log.push(`request ${head.split(" ", 2).join(" ")}\n`);
  };
  server.on("connection", (socket: Socket) => accepted(socket, counted));
  return upstream;
}

function onHeads(socket: Socket, counted: (head: string) => void, script: Script): void {
  let pending = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    const end = pending.indexOf("\r\n\r\n");
    if (end < 0) return;
    const head = pending.subarray(0, end + 4).toString("latin1");
    const rest = pending.subarray(end + 4);
    pending = Buffer.alloc(0);
    counted(head);
    script(socket, head, rest);
  });
  socket.on("end", () => socket.end());
}

// Lets a server listen, counts and logs what its connections do, and takes it down with the test.
export async function serve(
  scope: Scope,
  server: Server,
  where: Where,
  requests: () => number,
): Promise<Upstream> {
  const sockets = new Set<Socket>();
  const log = new Lines();
  let connections = 0;
  server.on("connection", (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    log.push("connection\n");
    socket.on("error", (error: NodeJS.ErrnoException) => log.push(`error ${error.code}\n`));
    socket.on("close", () => {
      sockets.delete(socket);
      log.push("closed\n");
    });
  });
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const options = where.path === undefined ? { host: "127.0.0.1", port: 0, ...where } : where;
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(options, resolve));
  scope.after(stop);
  const port = where.path === undefined ? (server.address() as AddressInfo).port : 0;
  return { url: urlOf(where, port), port, connections: () => connections, requests, server, log, stop };
}

function urlOf(where: Where, port: number): string {
  if (where.path !== undefined) return `unix:${where.path}`;
  const host = where.host ?? "127.0.0.1";
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

// A port on which nothing listens: bound once, then given back.
export async function closedPort(scope: Scope): Promise<number> {
  const { port, stop } = await tcpUpstream(scope, (socket) => socket.destroy());
  await stop();
  return port;
}
