// SPDX-License-Identifier: Apache-2.0
// The gRPC service of load tests (scenarios/lib/echo.proto) on plain HTTP/2: messages are length-prefixed bytes that go
// back as they came, and trailers say how it went.
import { once } from "node:events";
import {
  createServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";

const PREFIX_BYTES = 5; // compressed or not, then the length (gRPC over HTTP/2, "Length-Prefixed-Message")
const REPETITIONS = 10;
const STATUS_OK = 0;
const STATUS_UNIMPLEMENTED = 12;

export interface GrpcUpstream {
  readonly port: number;
  close(): Promise<void>;
}

async function readAll(stream: ServerHttp2Stream): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function lastMessage(messages: Buffer): Buffer {
  let start = 0;
  for (;;) {
    const end = start + PREFIX_BYTES + messages.readUInt32BE(start + 1);
    if (end >= messages.length) return messages.subarray(start);
    start = end;
  }
}

function begin(stream: ServerHttp2Stream): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": STATUS_OK }));
}

async function answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
  const method = headers[":path"]?.toString().split("/").at(-1);
  switch (method) {
    case "Unary":
    case "Chat":
      begin(stream);
      stream.pipe(stream);
      return;
    case "Repeat": {
      const message = await readAll(stream);
      begin(stream);
      for (let count = 0; count < REPETITIONS; count++) stream.write(message);
      stream.end();
      return;
    }
    case "Last": {
      const messages = await readAll(stream);
      begin(stream);
      stream.end(lastMessage(messages));
      return;
    }
    default: {
      const status = { "grpc-status": STATUS_UNIMPLEMENTED, "grpc-message": "there is no such method" };
      stream.respond({ ":status": 200, "content-type": "application/grpc", ...status }, { endStream: true });
    }
  }
}

export async function startGrpcUpstream(): Promise<GrpcUpstream> {
  const sessions = new Set<Http2Session>();
  const server = createServer();
  server.on("session", (session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => stream.destroy());
    void answer(stream, headers).catch(() => stream.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    close: async () => {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
