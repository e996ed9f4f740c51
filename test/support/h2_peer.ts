// SPDX-License-Identifier: Apache-2.0
// One end of an HTTP/2 connection, client or server, that sends exactly the frames it is told and keeps all it
// receives. By itself it does two things only: it acknowledges SETTINGS and answers PING (`polite`, on unless a test
// says otherwise). It never opens a window. Waiting is for an event: a frame, a stream's outcome, the end.
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  data,
  errorName,
  type Frame,
  FrameReader,
  flags,
  frame,
  headers,
  ping,
  preface,
  type Settings,
  settings,
  settingsAck,
  windowUpdate,
} from "./h2_frames.ts";
import { encode, type Field, HpackDecoder } from "./hpack.ts";
import type { Ending, RawTarget } from "./raw_client.ts";
import { type Scope, withPatience } from "./scope.ts";

export interface Received extends Frame {
  readonly fields?: readonly Field[]; // of a HEADERS or PUSH_PROMISE frame, with those of its CONTINUATIONs
}

export interface H2Message {
  readonly status: string;
  readonly interim: readonly string[];
  readonly fields: readonly Field[];
  readonly trailers: readonly Field[];
  readonly body: Buffer;
}

export interface PeerOptions {
  readonly settings?: Settings;
  readonly polite?: boolean;
}

export interface Ask {
  readonly path?: string;
  readonly method?: string;
  readonly authority?: string;
  readonly fields?: readonly Field[];
  readonly open?: boolean; // content follows
}

export const maxWindow = 2 ** 31 - 1;
const initialWindow = 65_535;

// What a client sends first that will never hold a response back.
export const openWindows = (): Buffer[] => [
  settings({ initialWindowSize: maxWindow }),
  windowUpdate(0, maxWindow - initialWindow),
];

export class H2Peer {
  readonly socket: Socket;
  readonly received: Received[] = [];
  readonly sessions: Buffer[] = []; // of TLS, to be resumed
  readonly scheme: "http" | "https";
  #reader = new FrameReader();
  #decoder = new HpackDecoder();
  #block: { readonly first: Frame; readonly parts: Buffer[] } | undefined;
  #ending: Ending | undefined;
  #problem: Error | undefined;
  #watchers = new Set<() => void>();
  #takers: ((frame: Received) => void)[] = [];

  constructor(socket: Socket, polite: boolean) {
    this.socket = socket;
    this.scheme = "encrypted" in socket ? "https" : "http";
    socket.on("data", (chunk: Buffer) => this.take(chunk));
    socket.on("session", (session: Buffer) => {
      this.sessions.push(session);
      this.#notify();
    });
    socket.on("end", () => {
      this.#end("fin");
      socket.end();
    });
    socket.on("error", ({ code }: NodeJS.ErrnoException) => {
      this.#end(code === "ECONNRESET" || code === "EPIPE" ? "rst" : "fin");
    });
    socket.on("close", () => this.#end("fin"));
    if (polite) this.onFrame((frame) => this.#answer(frame));
  }

  // A client's connection: TCP, TLS where asked for, then the preface and SETTINGS.
  static async open(scope: Scope, target: RawTarget, options: PeerOptions = {}): Promise<H2Peer> {
    const { port, host = "127.0.0.1", tls } = target;
    const where = { port, host, allowHalfOpen: true };
    const secure = { ...where, rejectUnauthorized: false, ALPNProtocols: ["h2"], ...tls };
    const socket = tls === undefined ? connectTcp(where) : connectTls(secure);
    scope.after(() => socket.destroy());
    const peer = new H2Peer(socket, options.polite ?? true);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once(tls === undefined ? "connect" : "secureConnect", resolve).once("error", reject);
    await withPatience(promise, () => `a connection to port ${port}`);
    await peer.send(preface, settings(options.settings ?? {}));
    return peer;
  }

  // All in one write, hence in one packet or record where they fit. Resolves when the system has taken the bytes or
  // the connection is gone.
  send(...frames: readonly Buffer[]): Promise<void> {
    return new Promise((resolve) => this.socket.write(Buffer.concat(frames), () => resolve()));
  }

  // A request as a well-behaved client sends it.
  request(stream: number, ask: Ask = {}): Buffer {
    const flag = ask.open === true ? flags.endHeaders : flags.endHeaders | flags.endStream;
    return headers(stream, encode(this.requestFields(ask)), flag);
  }

  // The same with its content, if there is any.
  wholeRequest(stream: number, ask: Ask, content?: string): Buffer[] {
    if (content === undefined) return [this.request(stream, ask)];
    return [this.request(stream, { ...ask, open: true }), data(stream, content, flags.endStream)];
  }

  requestFields({ path = "/", method = "GET", authority = "site.example", fields = [] }: Ask = {}): Field[] {
    const pseudo: Field[] = [
      [":method", method],
      [":scheme", this.scheme],
      [":authority", authority],
      [":path", path],
    ];
    return [...pseudo, ...fields];
  }

  get ending(): Ending | undefined {
    return this.#ending;
  }

  onFrame(taker: (frame: Received) => void): void {
    this.#takers.push(taker);
  }

  // The first frame that fits, received already or yet to come.
  async frame(fits: (frame: Received) => boolean, what = "a frame"): Promise<Received> {
    await this.#until(() => this.received.some(fits), what);
    return this.received.find(fits) as Received;
  }

  // Resolves with the error of the last GOAWAY once there is one, or with how the connection ended without.
  async goaway(): Promise<string> {
    await this.until(() => this.#goaway() !== undefined || this.#ending !== undefined, "GOAWAY");
    return this.#goaway() ?? `ended by ${this.#ending}`;
  }

  // How a stream ended: its status, the error of its RST_STREAM, or the connection's end ("GOAWAY PROTOCOL_ERROR",
  // "ended by fin").
  async outcome(stream: number): Promise<string> {
    const of = this.#outcome.bind(this, stream);
    await this.until(() => of() !== undefined, `the outcome of stream ${stream}`);
    return of() as string;
  }

  // A whole response; fails if the stream or the connection is given up before its end.
  async message(stream: number): Promise<H2Message> {
    const outcome = await this.outcome(stream);
    if (!/^\d{3}$/.test(outcome)) throw new Error(`stream ${stream} ended with ${outcome}: ${this.#shown()}`);
    const mine = this.received.filter((each) => each.stream === stream);
    const sections = mine.flatMap(({ fields }) => (fields === undefined ? [] : [fields]));
    const isFinal = (fields: readonly Field[]): boolean => !statusOf(fields).startsWith("1");
    const head = sections.findIndex(isFinal);
    return {
      status: outcome,
      interim: sections.slice(0, head).map(statusOf),
      fields: sections[head] ?? [],
      trailers: sections[head + 1] ?? [],
      body: Buffer.concat(mine.filter(({ type }) => type === "data").map(contentOf)),
    };
  }

  async ended(): Promise<Ending> {
    await this.until(() => this.#ending !== undefined, "the end of the connection");
    return this.#ending as Ending;
  }

  // A PING and its answer: whatever was sent before has been read by the other side.
  async barrier(): Promise<void> {
    const payload = `sync${String(this.#barriers++).padStart(4, "0")}`;
    await this.send(ping(payload));
    await this.frame(
      (each) => isAck(each, "ping") && each.payload.toString("latin1") === payload,
      "PING's answer",
    );
  }
  #barriers = 0;

  async until(done: () => boolean, what: string): Promise<void> {
    if (done()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const watcher = (): void => {
      if (done()) resolve();
    };
    this.#watchers.add(watcher);
    const waiting = withPatience(promise, () => `${what}; received: ${this.#shown()}`);
    await waiting.finally(() => this.#watchers.delete(watcher));
  }

  // Bytes of the other side; a server hands on what came behind the preface.
  take(bytes: Buffer): void {
    try {
      for (const each of this.#reader.push(bytes)) this.#keep(each);
    } catch (error) {
      this.#problem ??= error as Error;
    }
    this.#notify();
  }

  #keep(each: Frame): void {
    const whole = this.#withFields(each);
    if (whole === undefined) return;
    this.received.push(whole);
    for (const taker of this.#takers) taker(whole);
  }

  // A frame with all of its header block, or nothing while more of that is to come.
  #withFields(each: Frame): Received | undefined {
    if (each.type === "headers" || each.type === "pushPromise") {
      this.#block = { first: each, parts: [blockOf(each)] };
    } else if (each.type === "continuation") this.#block?.parts.push(each.payload);
    else return each;
    if (this.#block === undefined || !(each.flags & flags.endHeaders)) return undefined;
    const { first, parts } = this.#block;
    this.#block = undefined;
    return { ...first, fields: this.#decoder.decode(Buffer.concat(parts)) };
  }

  #answer(each: Received): void {
    if (each.type === "settings" && !(each.flags & flags.ack)) void this.send(settingsAck());
    if (each.type !== "ping" || each.flags & flags.ack) return;
    void this.send(frame("ping", { flags: flags.ack, payload: each.payload }));
  }

  #outcome(stream: number): string | undefined {
    const mine = this.received.filter((each) => each.stream === stream);
    const reset = mine.find(({ type }) => type === "rstStream");
    if (reset !== undefined && !mine.some(endsStream)) return errorName(reset.payload.readUInt32BE(0));
    const head = mine.find(({ fields }) => fields !== undefined && !statusOf(fields).startsWith("1"));
    if (mine.some(endsStream) && head !== undefined) return statusOf(head.fields ?? []);
    if (this.#ending === undefined) return undefined;
    return this.#goaway() === undefined ? `ended by ${this.#ending}` : `GOAWAY ${this.#goaway()}`;
  }

  #goaway(): string | undefined {
    const last = this.received.findLast(({ type }) => type === "goaway");
    return last === undefined ? undefined : errorName(last.payload.readUInt32BE(4));
  }

  #until(done: () => boolean, what: string): Promise<void> {
    return this.until(() => done() || this.#ending !== undefined, what).then(() => {
      if (!done()) throw new Error(`ended (${this.#ending}) before ${what}: ${this.#shown()}`);
    });
  }

  #end(ending: Ending): void {
    this.#ending ??= ending;
    this.#notify();
  }

  #notify(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  #shown(): string {
    const last = this.received.slice(-20).map(describe).join(", ");
    return `${last}${this.#problem === undefined ? "" : ` (${this.#problem.message})`}`;
  }
}

export function fieldOf(fields: readonly Field[], name: string): string | undefined {
  return fields.find(([key]) => key === name)?.[1];
}

const statusOf = (fields: readonly Field[]): string => fieldOf(fields, ":status") ?? "";

export const isAck = (each: Frame, type: "ping" | "settings"): boolean =>
  each.type === type && (each.flags & flags.ack) !== 0;

function endsStream({ type, flags: flag }: Frame): boolean {
  return (type === "data" || type === "headers") && (flag & flags.endStream) !== 0;
}

// DATA and HEADERS without their padding and priority.
function contentOf({ payload, flags: flag }: Frame): Buffer {
  if (!(flag & flags.padded)) return payload;
  return payload.subarray(1, payload.length - payload.readUInt8(0));
}

function blockOf(each: Frame): Buffer {
  const content = contentOf(each);
  if (each.type === "pushPromise") return content.subarray(4);
  return each.flags & flags.priority ? content.subarray(5) : content;
}

function describe({ type, stream, flags: flag, payload, fields }: Received): string {
  const more = type === "goaway" ? ` ${errorName(payload.readUInt32BE(4))}` : "";
  const reset = type === "rstStream" ? ` ${errorName(payload.readUInt32BE(0))}` : "";
  return `${type}(${stream})[${flag}]${more}${reset}${fields === undefined ? "" : ` ${JSON.stringify(fields)}`}`;
}
