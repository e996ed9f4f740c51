// SPDX-License-Identifier: Apache-2.0
// A client that sends exactly the bytes it is told and sees exactly what comes back: the bytes, and whether the
// connection ended by FIN or by RST. Waiting is always for an event: bytes that match, or the end.
import { connect as connectTcp, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { parseResponse, type Response } from "./responses.ts";
import { type Scope, withPatience } from "./scope.ts";

export type Ending = "fin" | "rst";

export interface RawTarget {
  readonly port: number;
  readonly host?: string;
  readonly localAddress?: string;
  readonly tls?: ConnectionOptions; // present: speak TLS
}

export class RawClient {
  readonly socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #ending: Ending | undefined;
  #error: Error | undefined;
  #watchers = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
      this.#notify();
    });
    socket.on("end", () => this.#end("fin"));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#error = error;
      if (error.code === "ECONNRESET" || error.code === "EPIPE") this.#end("rst");
      this.#notify();
    });
    socket.on("close", () => this.#end("fin"));
  }

  // Resolves once connected; with TLS once the handshake is done. A peer that accepts and resets at once can be
  // seen as a failure to connect: that, too, is an opened connection which ended.
  static async open(scope: Scope, target: RawTarget): Promise<RawClient> {
    const client = RawClient.start(scope, target);
    await client.connected().catch((error: unknown) => {
      if (target.tls !== undefined || client.ending !== "rst") throw error;
    });
    return client;
  }

  // Like open, without waiting: for handshakes that are meant to fail.
  static start(scope: Scope, target: RawTarget): RawClient {
    const { port, host = "127.0.0.1", localAddress } = target;
    const where = {
      port,
      host,
      allowHalfOpen: true,
      ...(localAddress === undefined ? {} : { localAddress }),
    };
    const secure = { ...where, rejectUnauthorized: false, ...target.tls };
    const socket = target.tls === undefined ? connectTcp(where) : connectTls(secure);
    scope.after(() => socket.destroy());
    return new RawClient(socket);
  }

  connected(): Promise<void> {
    const ready = "encrypted" in this.socket ? "secureConnect" : "connect";
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.socket.once(ready, resolve).once("error", reject);
    this.socket.once("close", () => reject(new Error("closed before it was connected")));
    return withPatience(promise, () => ready);
  }

  get tls(): TLSSocket {
    return this.socket as TLSSocket;
  }
  get text(): string {
    return this.#bytes.toString("latin1");
  }
  get bytes(): Buffer {
    return this.#bytes;
  }
  get ending(): Ending | undefined {
    return this.#ending;
  }
  get error(): Error | undefined {
    return this.#error;
  }

  // Resolves when the system has taken the bytes, so awaiting it respects backpressure.
  send(data: string | Buffer): Promise<void> {
    const bytes = typeof data === "string" ? Buffer.from(data, "latin1") : data;
    return new Promise((resolve) => this.socket.write(bytes, () => resolve()));
  }

  // Ends our direction (FIN, or close_notify and FIN) and keeps reading.
  finish(): void {
    this.socket.end();
  }

  reset(): void {
    this.socket.resetAndDestroy();
  }

  // Waits for bytes that match; takes nothing out.
  async receive(what: string | RegExp): Promise<string> {
    const found = (): boolean => (typeof what === "string" ? this.text.includes(what) : what.test(this.text));
    await this.#until(
      () => found() || this.#ending !== undefined,
      () => `bytes with ${String(what)}`,
    );
    if (!found()) throw new Error(`ended (${this.#ending}) before ${String(what)}: ${this.#shown()}`);
    return this.text;
  }

  // Takes the next whole response out of what arrives; 1xx ones count.
  async response(method = "GET"): Promise<Response> {
    let parsed: { response: Response; size: number } | undefined;
    const look = (): boolean => {
      parsed = parseResponse(this.#bytes, method, this.#ending !== undefined);
      return parsed !== undefined || this.#ending !== undefined;
    };
    await this.#until(look, () => "a whole response");
    if (parsed === undefined) throw new Error(`ended (${this.#ending}) without a response: ${this.#shown()}`);
    this.#bytes = this.#bytes.subarray(parsed.size);
    return parsed.response;
  }

  // Waits for the end of the peer's direction and says how it came.
  async ended(): Promise<Ending> {
    await this.#until(
      () => this.#ending !== undefined,
      () => "the end of the connection",
    );
    return this.#ending as Ending;
  }

  #end(ending: Ending): void {
    this.#ending ??= ending;
    this.#notify();
  }

  #notify(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  #shown(): string {
    return (
      JSON.stringify(this.text.slice(0, 400)) + (this.#error === undefined ? "" : ` ${this.#error.message}`)
    );
  }

  #until(done: () => boolean, what: () => string): Promise<void> {
    if (done()) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const watcher = (): void => {
      if (done()) resolve();
    };
    this.#watchers.add(watcher);
    const waiting = withPatience(promise, () => `${what()}; received so far: ${this.#shown()}`);
    return waiting.finally(() => this.#watchers.delete(watcher));
  }
}

// One connection, these bytes, one response.
export async function exchange(scope: Scope, target: RawTarget, bytes: string | Buffer): Promise<Response> {
  const client = await RawClient.open(scope, target);
  void client.send(bytes);
  const method = bytes.toString("latin1").split(" ", 1)[0];
  try {
    return await client.response(method);
  } finally {
    client.socket.destroy();
  }
}
