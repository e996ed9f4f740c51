// SPDX-License-Identifier: Apache-2.0
// HTTP/2 with Node's own client: one connection whose streams, frames of note and end a test can look at. What a
// peer says in between (GOAWAY, the end) becomes lines to wait for. Bytes that no client would send are not here.
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type Settings,
} from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { errorName } from "./h2_frames.ts";
import { Lines } from "./lines.ts";
import { type Scope, withPatience } from "./scope.ts";

export interface H2Target {
  readonly port: number;
  readonly authority?: string; // default: 127.0.0.1:port; with TLS its host is the server name
  readonly address?: string;
  readonly localAddress?: string;
  readonly tls?: ConnectionOptions | true;
  readonly settings?: Settings;
  readonly before?: Buffer | string; // bytes in front of everything, such as a PROXY header
}

export interface H2Answer {
  readonly status: number; // 0: the stream ended without a response
  readonly headers: IncomingHttpHeaders;
  readonly interim: readonly IncomingHttpHeaders[];
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders;
  readonly reset: string; // name of the error code that ended the stream, "" for a whole one
}

export interface H2Content {
  readonly body?: string | Buffer;
  readonly trailers?: OutgoingHttpHeaders;
}

export function h2CodeName(code: number | undefined): string {
  return code === undefined || code === 0 ? "" : errorName(code);
}

export class H2Client {
  readonly session: ClientHttp2Session;
  readonly log = new Lines(); // "goaway CODE LAST_STREAM", "settings", "closed"
  readonly #authority: string;

  private constructor(session: ClientHttp2Session, authority: string) {
    this.session = session;
    this.#authority = authority;
    session.on("goaway", (code, last) => this.log.push(`goaway ${errorName(code)} ${last}\n`));
    session.on("remoteSettings", () => this.log.push("settings\n"));
    session.on("error", (error: NodeJS.ErrnoException) => this.log.push(`error ${error.code}\n`));
    session.on("close", () => this.log.push("closed\n"));
  }

  // Resolves when the server's SETTINGS have arrived.
  static async open(scope: Scope, target: H2Target): Promise<H2Client> {
    const client = H2Client.start(scope, target);
    await client.log.wait(/^settings|^closed/);
    if (client.session.destroyed) throw new Error(`no HTTP/2 there: ${client.log.all.join(", ")}`);
    return client;
  }

  // Like open, without waiting: for connections that are meant to fail.
  static start(scope: Scope, target: H2Target): H2Client {
    const { port, authority = `127.0.0.1:${port}`, settings } = target;
    const scheme = target.tls === undefined ? "http" : "https";
    const socket = openSocket(target, authority);
    const options = { createConnection: () => socket, ...(settings === undefined ? {} : { settings }) };
    const session = connect(`${scheme}://${authority}`, options);
    scope.after(() => session.destroy());
    return new H2Client(session, authority);
  }

  get localPort(): number {
    return (this.session.socket as Socket).localPort ?? 0;
  }

  // A request whose content, if any, the caller sends. GET / unless said otherwise.
  stream(headers: OutgoingHttpHeaders = {}, options: ClientSessionRequestOptions = {}): ClientHttp2Stream {
    const usual = { ":method": "GET", ":path": "/", ":authority": this.#authority };
    return this.session.request({ ...usual, ...headers }, options);
  }

  // A whole request and what came back.
  ask(headers: OutgoingHttpHeaders = {}, content: H2Content = {}): Promise<H2Answer> {
    const { body, trailers } = content;
    const hasContent = body !== undefined || trailers !== undefined;
    const stream = this.stream(headers, { endStream: !hasContent, waitForTrailers: trailers !== undefined });
    if (trailers !== undefined) stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    const answer = answerOf(stream);
    if (hasContent) stream.end(body);
    return answer;
  }

  // Waits for the server to announce its end.
  goaway(): Promise<string> {
    return this.log.wait(/^goaway /);
  }

  async closed(): Promise<void> {
    await this.log.wait(/^closed$/);
  }
}

function openSocket(target: H2Target, authority: string): Duplex {
  const { port, address: host = "127.0.0.1", localAddress, before } = target;
  const plain = connectTcp({ port, host, ...(localAddress === undefined ? {} : { localAddress }) });
  if (before !== undefined) plain.write(before);
  if (target.tls === undefined) return plain;
  const servername = authority.replace(/:\d+$/, "");
  const name = /^[\d.]+$/.test(servername) ? {} : { servername };
  const options = target.tls === true ? {} : target.tls;
  return connectTls({ socket: plain, ALPNProtocols: ["h2"], rejectUnauthorized: false, ...name, ...options });
}

// Reads a stream to its end, however that comes.
export function answerOf(stream: ClientHttp2Stream): Promise<H2Answer> {
  const interim: IncomingHttpHeaders[] = [];
  const parts: Buffer[] = [];
  let headers: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  stream.on("headers", (block) => interim.push(block));
  stream.on("response", (block) => {
    headers = block;
  });
  stream.on("trailers", (block) => {
    trailers = block;
  });
  stream.on("data", (chunk: Buffer) => parts.push(chunk));
  stream.on("error", () => {}); // told by rstCode
  const closed = new Promise<H2Answer>((resolve) => {
    stream.on("close", () => {
      const status = Number(headers[":status"] ?? 0);
      const reset = h2CodeName(stream.rstCode);
      resolve({ status, headers, interim, body: Buffer.concat(parts), trailers, reset });
    });
  });
  return withPatience(closed, () => `the end of stream ${stream.id}`);
}

// The head of the response; rejects if the stream ends without one.
export async function responseOf(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  const response = once(stream, "response") as Promise<[IncomingHttpHeaders]>;
  const [headers] = await withPatience(response, () => `the response of stream ${stream.id}`);
  return headers;
}
