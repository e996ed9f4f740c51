// SPDX-License-Identifier: Apache-2.0
// Upstream servers that speak HTTP/2 (Node's), plain with prior knowledge or over TLS, and HTTPS ones. They count
// what pooling is about: sessions, streams, and how many streams were open at once.
import {
  createSecureServer,
  createServer,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from "node:http2";
import { createServer as createHttps } from "node:https";
import type { Server } from "node:net";
import type { TLSSocket, TlsOptions } from "node:tls";
import type { Scope } from "./scope.ts";
import { echo, type Handler, serve, type Upstream } from "./upstreams.ts";

export type StreamHandler = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;
export type H2Handler = (request: Http2ServerRequest, response: Http2ServerResponse) => void;

// Node's HTTP/2 answers to the names of its HTTP/1.1; its types do not say so.
export function asH2(handler: Handler): H2Handler {
  return handler as unknown as H2Handler;
}

export interface H2UpstreamOptions {
  readonly tls?: TlsOptions; // present: h2 by ALPN
  readonly allowHTTP1?: boolean; // with TLS: also http/1.1, as the client's ALPN wants
  readonly settings?: Settings;
  readonly onStream?: StreamHandler; // instead of the handler
  readonly port?: number;
}

export interface H2Upstream extends Upstream {
  readonly sessions: () => readonly ServerHttp2Session[]; // all there ever were
  readonly peakStreams: () => number; // most streams at once on one session
}

// Without a handler it answers with what it was asked, see echo().
export async function h2Upstream(
  scope: Scope,
  handler: H2Handler = asH2(echo),
  options: H2UpstreamOptions = {},
): Promise<H2Upstream> {
  const sessions: ServerHttp2Session[] = [];
  const counts = { requests: 0, peak: 0 };
  const server = createH2(options);
  const where = options.port === undefined ? {} : { port: options.port };
  const upstream = await serve(scope, server as unknown as Server, where, () => counts.requests);
  logHandshakes(upstream);
  server.on("session", (session) => {
    sessions.push(session);
    watchSession(session, upstream, counts);
  });
  if (options.onStream !== undefined) server.on("stream", options.onStream);
  else server.on("request", handler);
  scope.after(() => {
    for (const session of sessions) session.destroy();
  });
  return { ...upstream, sessions: () => sessions, peakStreams: () => counts.peak };
}

// Lines: "request METHOD PATH", "stream closed PATH CODE", "session closed".
function watchSession(
  session: ServerHttp2Session,
  { log }: Upstream,
  counts: { requests: number; peak: number },
): void {
  let open = 0;
  session.on("error", (error: NodeJS.ErrnoException) => log.push(`error ${error.code}\n`));
  session.on("close", () => log.push("session closed\n"));
  session.on("stream", (stream, headers) => {
    open += 1;
    counts.peak = Math.max(counts.peak, open);
    counts.requests += 1;
    log.push(`request ${headers[":method"]} ${headers[":path"]}\n`);
    stream.on("error", () => {});
    stream.on("close", () => {
      open -= 1;
      log.push(`stream closed ${headers[":path"]} ${stream.rstCode}\n`);
    });
  });
}

function createH2({ tls, allowHTTP1 = false, settings }: H2UpstreamOptions): Http2Server {
  const own = settings === undefined ? {} : { settings };
  if (tls === undefined) return createServer(own);
  return createSecureServer({ allowHTTP1, ...own, ...tls }) as unknown as Http2Server;
}

// HTTP/1.1 over TLS.
export async function httpsUpstream(
  scope: Scope,
  tls: TlsOptions,
  handler: Handler = echo,
): Promise<Upstream> {
  let requests = 0;
  const server = createHttps({ keepAliveTimeout: 120_000, ...tls });
  const upstream = await serve(scope, server, {}, () => requests);
  logHandshakes(upstream);
  server.on("request", (request, response) => {
    requests += 1;
    upstream.log.push(`request ${request.method} ${request.url}\n`);
    handler(request, response);
  });
  return upstream;
}

// One line for each TLS handshake: "secure VERSION full|resumed alpn=X name=Y client=CN", or "insecure REASON".
export function logHandshakes({ server, log }: Upstream): void {
  server.on("secureConnection", (socket: TLSSocket) => {
    const kind = socket.isSessionReused() ? "resumed" : "full";
    const client = socket.getPeerCertificate()?.subject?.CN ?? "";
    const name = (socket as { servername?: string | false }).servername || "";
    const alpn = socket.alpnProtocol || "";
    log.push(`secure ${socket.getProtocol()} ${kind} alpn=${alpn} name=${name} client=${client}\n`);
    socket.on("error", (error: NodeJS.ErrnoException) => log.push(`error ${error.code}\n`));
  });
  server.on("tlsClientError", (error: NodeJS.ErrnoException) => log.push(`insecure ${error.code}\n`));
}
