// SPDX-License-Identifier: Apache-2.0
// WebSocket (the ws package) on both ends, over HTTP/1.1 upgrades and over HTTP/2 streams (RFC 8441). ws itself
// knows upgrades only; over a stream it is handed the stream once that is open.
import { once } from "node:events";
import type { Http2ServerRequest } from "node:http2";
import type { Duplex } from "node:stream";
import { type ClientOptions, type RawData, WebSocket, WebSocketServer } from "ws";
import type { H2Client } from "./http2_client.ts";
import { responseOf } from "./http2_client.ts";
import { type H2Upstream, type H2UpstreamOptions, h2Upstream } from "./http2_upstream.ts";
import type { Lines } from "./lines.ts";
import { patienceMs, type Scope, withPatience } from "./scope.ts";
import { httpUpstream, type Upstream } from "./upstreams.ts";

const maxPayload = 64 * 1024 * 1024;
const maxBuffered = 1024 * 1024; // of an echo; then it reads no more

// Answers every message with itself; "close CODE" makes it begin the close. Lines: "websocket PATH PROTOCOL",
// "websocket closed CODE".
export async function echoSockets(scope: Scope): Promise<Upstream> {
  const upstream = await httpUpstream(scope);
  const sockets = new WebSocketServer({ noServer: true, maxPayload });
  upstream.server.on("upgrade", (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (peer) => {
      upstream.log.push(`websocket ${request.url} ${peer.protocol}\n`);
      answerWithEcho(peer, upstream.log);
    });
  });
  return upstream;
}

// The same over extended CONNECT.
export async function echoSocketsH2(scope: Scope, options: H2UpstreamOptions = {}): Promise<H2Upstream> {
  const settings = { enableConnectProtocol: true, ...options.settings };
  const upstream = await h2Upstream(scope, undefined, { ...options, settings });
  upstream.server.on("connect", ({ stream, headers }: Http2ServerRequest) => {
    const protocol = headers["sec-websocket-protocol"]?.toString().split(",")[0];
    const chosen = protocol === undefined ? {} : { "sec-websocket-protocol": protocol };
    stream.respond({ ":status": headers[":protocol"] === "websocket" ? 200 : 501, ...chosen });
    upstream.log.push(`websocket ${headers[":path"]} ${protocol ?? ""}\n`);
    answerWithEcho(overStream(stream, "server"), upstream.log);
  });
  return upstream;
}

function answerWithEcho(peer: WebSocket, log: Lines): void {
  peer.on("error", () => {});
  peer.on("close", (code: number) => log.push(`websocket closed ${code}\n`));
  peer.on("message", (data: RawData, isBinary: boolean) => {
    const code = /^close (\d+)$/.exec(isBinary ? "" : String(data))?.[1];
    if (code !== undefined) return peer.close(Number(code), "asked for");
    peer.send(data, { binary: isBinary }, () => peer.resume());
    if (peer.bufferedAmount > maxBuffered) peer.pause();
  });
}

// A client's socket over an upgrade.
export async function openSocket(
  scope: Scope,
  port: number,
  path = "/chat",
  tls?: ClientOptions,
): Promise<WebSocket> {
  const scheme = tls === undefined ? "ws" : "wss";
  const options = { maxPayload, ...tls };
  const socket = new WebSocket(`${scheme}://127.0.0.1:${port}${path}`, ["v2.chat"], options);
  scope.after(() => socket.terminate());
  socket.on("error", () => {});
  await once(socket, "open");
  return socket;
}

// A client's socket over a stream of an HTTP/2 connection.
export async function openSocketH2(client: H2Client, path = "/chat"): Promise<WebSocket> {
  const stream = client.stream(
    {
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":path": path,
      "sec-websocket-version": "13",
      "sec-websocket-protocol": "v2.chat",
    },
    { endStream: false },
  );
  const response = await responseOf(stream);
  if (Number(response[":status"]) !== 200)
    throw new Error(`extended CONNECT answered ${response[":status"]}`);
  return overStream(stream, "client");
}

// What ws does with the socket of an upgrade, without the upgrade. It has no public way to say who masks.
function overStream(stream: Duplex, end: "client" | "server"): WebSocket {
  const settings: ClientOptions & { closeTimeout: number } = { closeTimeout: patienceMs }; // without an address it has no default
  const options = { allowSynchronousEvents: true, maxPayload, skipUTF8Validation: false };
  const socket = new WebSocket(null as unknown as string, undefined, settings) as WebSocket & {
    _isServer: boolean;
    setSocket(stream: Duplex, head: Buffer, options: Record<string, unknown>): void;
  };
  socket._isServer = end === "server";
  socket.on("error", () => {});
  socket.setSocket(stream, Buffer.alloc(0), options);
  return socket;
}

// Sends a message and gives what came back for it.
export async function echoed(socket: WebSocket, message: string | Buffer): Promise<Buffer> {
  const answer = once(socket, "message") as Promise<[Buffer]>;
  socket.send(message);
  return (await withPatience(answer, () => "an echo"))[0];
}

export async function closeCode(socket: WebSocket): Promise<number> {
  if (socket.readyState === WebSocket.CLOSED) throw new Error("closed before anybody looked");
  const closed = once(socket, "close") as Promise<[number]>;
  return (await withPatience(closed, () => "the end of a WebSocket"))[0];
}
