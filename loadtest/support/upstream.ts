// SPDX-License-Identifier: Apache-2.0
// The service behind mango-edge in load tests: answers of any size, echoes, counts nothing, keeps connections.
//   GET /            1 KiB          GET /bytes/N     N bytes
//   GET /delay/MS    1 KiB, later   POST /echo       the content that came in
//   WebSocket        every message back, whatever the path
// and the gRPC service of grpc_upstream.ts beside it, on a port of its own.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocketServer } from "ws";
import { startGrpcUpstream } from "./grpc_upstream.ts";

const SMALL_BYTES = 1024;
const CHUNK = Buffer.alloc(64 * 1024, "x");
const KEEP_ALIVE_MS = 3_600_000; // the proxy decides how long connections are kept, so that no request races a close

export interface Upstream {
  readonly port: number;
  readonly grpcPort: number;
  close(): Promise<void>;
}

function* chunks(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= CHUNK.length) {
    yield left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
  }
}

async function sendBytes(response: ServerResponse, bytes: number): Promise<void> {
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes });
  await pipeline(Readable.from(chunks(bytes)), response);
}

// An answer before the end of the request would be right, too, but then nobody minds what is wrong with the rest of it.
async function ended(request: IncomingMessage): Promise<void> {
  if (!request.resume().complete) await once(request, "end");
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, word, argument] = (request.url ?? "/").split(/[/?]/);
  switch (word) {
    case "echo":
      response.writeHead(200, {
        "content-type": request.headers["content-type"] ?? "application/octet-stream",
      });
      request.pipe(response);
      return;
    case "bytes":
      return sendBytes(response, Number(argument));
    case "delay":
      await sleep(Number(argument));
      return sendBytes(response, SMALL_BYTES);
    default:
      await ended(request);
      return sendBytes(response, SMALL_BYTES);
  }
}

export async function startUpstream(): Promise<Upstream> {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    request.on("error", () => response.destroy());
    void answer(request, response).catch(() => response.destroy());
  });
  server.maxRequestsPerSocket = 0;
  const tunnels = new WebSocketServer({ server });
  tunnels.on("connection", (peer) => {
    peer.on("error", () => peer.terminate());
    peer.on("message", (message, isBinary) => peer.send(message, { binary: isBinary }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const grpc = await startGrpcUpstream();
  return {
    port: address.port,
    grpcPort: grpc.port,
    close: async () => {
      await grpc.close();
      for (const peer of tunnels.clients) peer.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
