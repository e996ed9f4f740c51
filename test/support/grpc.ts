// SPDX-License-Identifier: Apache-2.0
// gRPC with grpc-js on both ends: one service with a method of each kind, whose messages are plain text. What the
// server does is told by the message; what happened to a call becomes lines to wait for.
import {
  type CallOptions,
  type ChannelCredentials,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  type Client as GrpcChannel,
  Metadata,
  type MethodDefinition,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type StatusObject,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { Lines } from "./lines.ts";
import { type Scope, withPatience } from "./scope.ts";

const toBytes = (text: string): Buffer => Buffer.from(text);
const toText = (bytes: Buffer): string => bytes.toString();

function method(
  name: string,
  requestStream: boolean,
  responseStream: boolean,
): MethodDefinition<string, string> {
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: toBytes,
    requestDeserialize: toText,
    responseSerialize: toBytes,
    responseDeserialize: toText,
  };
}

const service = {
  Unary: method("Unary", false, false),
  Collect: method("Collect", true, false),
  Count: method("Count", false, true),
  Chat: method("Chat", true, true),
};

export interface GrpcUpstream {
  readonly port: number;
  readonly log: Lines; // "call METHOD", "said TEXT", "over METHOD": cancelled, or answered
  readonly stop: () => void;
}

export interface GrpcTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

// Unary answers its message, except "fail CODE TEXT", which fails so, and "hang", which is never answered.
// Collect joins what it gets. Count N sends N messages. Chat answers every message with "re: MESSAGE".
export async function grpcUpstream(scope: Scope, tls?: GrpcTls): Promise<GrpcUpstream> {
  const server = new Server();
  const log = new Lines();
  server.addService(service, handlers(log));
  const secure = (at: GrpcTls): ServerCredentials =>
    ServerCredentials.createSsl(null, [{ cert_chain: toBytes(at.cert), private_key: toBytes(at.key) }]);
  const how = tls === undefined ? ServerCredentials.createInsecure() : secure(tls);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync("127.0.0.1:0", how, (error, port) => (error === null ? resolve(port) : reject(error)));
  scope.after(() => server.forceShutdown());
  return { port: await promise, log, stop: () => server.forceShutdown() };
}

function handlers(log: Lines) {
  const watch = (name: string, call: { on(event: "cancelled", listener: () => void): unknown }): void => {
    log.push(`call ${name}\n`);
    // grpc-js says "cancelled" of every call that is over; of one that hangs it is true.
    call.on("cancelled", () => log.push(`over ${name}\n`));
  };
  return {
    Unary(call: ServerUnaryCall<string, string>, answer: sendUnaryData<string>): void {
      watch("Unary", call);
      answerUnary(call, answer);
    },
    Collect(call: ServerReadableStream<string, string>, answer: sendUnaryData<string>): void {
      watch("Collect", call);
      const parts: string[] = [];
      call.on("data", (part: string) => parts.push(part)).on("end", () => answer(null, parts.join("")));
    },
    Count(call: ServerWritableStream<string, string>): void {
      watch("Count", call);
      const trailers = new Metadata();
      trailers.set("x-counted", call.request);
      for (let i = 0; i < Number(call.request); i += 1) call.write(String(i));
      call.end(trailers);
    },
    Chat(call: ServerDuplexStream<string, string>): void {
      watch("Chat", call);
      call.on("data", (said: string) => {
        log.push(`said ${said.slice(0, 40)}\n`);
        if (!call.write(`re: ${said}`)) call.pause().once("drain", () => call.resume());
      });
      call.on("end", () => call.end());
    },
  };
}

function answerUnary(call: ServerUnaryCall<string, string>, answer: sendUnaryData<string>): void {
  const [word, code, ...rest] = call.request.split(" ");
  if (word === "hang") return;
  if (word === "fail") return answer({ code: Number(code), details: rest.join(" ") });
  const [head, trailers] = [new Metadata(), new Metadata()];
  head.set("x-deadline", String(call.getDeadline() !== Number.POSITIVE_INFINITY));
  head.set("x-host", call.getHost());
  trailers.set("x-trailer", "told");
  trailers.set("x-bytes-bin", Buffer.from([0, 255, 10, 13]));
  call.sendMetadata(head);
  answer(null, call.request, trailers);
}

export interface GrpcTarget {
  readonly port: number;
  readonly host?: string; // :authority and, with TLS, the name
  readonly ca?: string; // present: TLS
}

export interface GrpcAnswer {
  readonly message: string;
  readonly metadata: Metadata;
  readonly status: StatusObject;
}

export interface GrpcClient {
  unary(message: string, options?: CallOptions): Promise<GrpcAnswer>; // rejects with a ServiceError
  startUnary(message: string): { cancel(): void; readonly answer: Promise<GrpcAnswer> };
  collect(): { readonly stream: ClientWritableStream<string>; readonly answer: Promise<string> };
  count(n: number): ClientReadableStream<string>;
  chat(): ClientDuplexStream<string, string>;
}

interface Stub extends GrpcChannel {
  Unary(
    message: string,
    metadata: Metadata,
    options: CallOptions,
    callback: (error: ServiceError | null, value?: string) => void,
  ): ReturnType<GrpcChannel["makeUnaryRequest"]>;
  Collect(callback: (error: ServiceError | null, value?: string) => void): ClientWritableStream<string>;
  Count(message: string): ClientReadableStream<string>;
  Chat(): ClientDuplexStream<string, string>;
}

export function grpcClient(scope: Scope, { port, host, ca }: GrpcTarget): GrpcClient {
  const Constructor = makeGenericClientConstructor(service, "Echo");
  const how: ChannelCredentials =
    ca === undefined ? credentials.createInsecure() : credentials.createSsl(toBytes(ca));
  const named = host === undefined ? {} : { "grpc.default_authority": host };
  const verified = host === undefined || ca === undefined ? {} : { "grpc.ssl_target_name_override": host };
  const options = { ...named, ...verified, "grpc.enable_http_proxy": 0, "grpc.use_local_subchannel_pool": 1 };
  const stub = new Constructor(`127.0.0.1:${port}`, how, options) as unknown as Stub;
  scope.after(() => stub.close());
  const startUnary = (message: string, callOptions: CallOptions = {}) =>
    unaryCall(stub, message, callOptions);
  return {
    unary: (message, callOptions) => startUnary(message, callOptions).answer,
    startUnary,
    collect() {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const stream = stub.Collect((error, value) => (error === null ? resolve(value ?? "") : reject(error)));
      return { stream, answer: patiently(promise, "Collect") };
    },
    count: (n) => stub.Count(String(n)),
    chat: () => stub.Chat(),
  };
}

function unaryCall(stub: Stub, message: string, options: CallOptions) {
  const { promise, resolve, reject } = Promise.withResolvers<GrpcAnswer>();
  let metadata = new Metadata();
  let value = "";
  const call = stub.Unary(message, new Metadata(), options, (error, got) => {
    if (error !== null) reject(error);
    value = got ?? "";
  });
  call.on("metadata", (got: Metadata) => {
    metadata = got;
  });
  // Comes after the callback, whatever the outcome.
  call.on("status", (status: StatusObject) => resolve({ message: value, metadata, status }));
  return { cancel: () => call.cancel(), answer: patiently(promise, "Unary") };
}

// All messages of a stream and the status it ended with; rejects with a ServiceError.
export async function messagesOf(
  stream: ClientReadableStream<string> | ClientDuplexStream<string, string>,
): Promise<{ readonly messages: readonly string[]; readonly status: StatusObject }> {
  const messages: string[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<StatusObject>();
  stream.on("data", (message: string) => messages.push(message));
  stream.on("error", reject).on("status", resolve);
  const status = await patiently(promise, "the end of a stream");
  return { messages, status };
}

function patiently<T>(promise: Promise<T>, what: string): Promise<T> {
  return withPatience(promise, () => what);
}
