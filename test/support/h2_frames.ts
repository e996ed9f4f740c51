// SPDX-License-Identifier: Apache-2.0
// HTTP/2 frames made by hand (RFC 9113 section 4.1 and 6): any type, any flags, any stream, and a length that need not
// be true. Nothing here checks what it is told to send; that is the point.

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export type FrameType = keyof typeof frameTypes;

export const flags = {
  none: 0,
  endStream: 0x1,
  ack: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const;

export const settingIds = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
} as const;
export type Settings = Readonly<Partial<Record<keyof typeof settingIds, number>>>;

// RFC 9113 section 7, in the order of their codes.
export const errorNames = [
  "NO_ERROR",
  "PROTOCOL_ERROR",
  "INTERNAL_ERROR",
  "FLOW_CONTROL_ERROR",
  "SETTINGS_TIMEOUT",
  "STREAM_CLOSED",
  "FRAME_SIZE_ERROR",
  "REFUSED_STREAM",
  "CANCEL",
  "COMPRESSION_ERROR",
  "CONNECT_ERROR",
  "ENHANCE_YOUR_CALM",
  "INADEQUATE_SECURITY",
  "HTTP_1_1_REQUIRED",
] as const;
export type ErrorName = (typeof errorNames)[number];

export const errorName = (code: number): ErrorName | `${number}` => errorNames[code] ?? `${code}`;
const errorCode = (name: ErrorName): number => errorNames.indexOf(name);

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
export const headBytes = 9;

export interface FrameParts {
  readonly stream?: number;
  readonly flags?: number;
  readonly payload?: Buffer | string;
  readonly length?: number; // what the head says; default: the truth
}

export function frame(type: FrameType | number, parts: FrameParts = {}): Buffer {
  const payload = typeof parts.payload === "string" ? Buffer.from(parts.payload, "latin1") : parts.payload;
  const bytes = Buffer.alloc(headBytes + (payload?.length ?? 0));
  bytes.writeUIntBE(parts.length ?? payload?.length ?? 0, 0, 3);
  bytes.writeUInt8(typeof type === "number" ? type : frameTypes[type], 3);
  bytes.writeUInt8(parts.flags ?? flags.none, 4);
  bytes.writeUInt32BE(parts.stream ?? 0, 5);
  payload?.copy(bytes, headBytes);
  return bytes;
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => void bytes.writeUInt32BE(value, 4 * i));
  return bytes;
}

export function settings(values: Settings): Buffer {
  const entries = Object.entries(values) as [keyof typeof settingIds, number][];
  const payload = Buffer.alloc(6 * entries.length);
  entries.forEach(([name, value], i) => {
    payload.writeUInt16BE(settingIds[name], 6 * i);
    payload.writeUInt32BE(value, 6 * i + 2);
  });
  return frame("settings", { payload });
}

export const settingsAck = (): Buffer => frame("settings", { flags: flags.ack });
export const ping = (payload = "12345678", flag = 0): Buffer => frame("ping", { flags: flag, payload });
export const windowUpdate = (stream: number, increment: number): Buffer =>
  frame("windowUpdate", { stream, payload: words(increment) });
export const rstStream = (stream: number, error: ErrorName = "CANCEL"): Buffer =>
  frame("rstStream", { stream, payload: words(errorCode(error)) });
export const goaway = (lastStream: number, error: ErrorName = "NO_ERROR"): Buffer =>
  frame("goaway", { payload: words(lastStream, errorCode(error)) });

// Depends on `on` with weight 16.
export const priority = (stream: number, on = 0): Buffer =>
  frame("priority", { stream, payload: Buffer.concat([words(on), Buffer.from([15])]) });

export function headers(
  stream: number,
  block: Buffer,
  flag: number = flags.endHeaders | flags.endStream,
): Buffer {
  return frame("headers", { stream, flags: flag, payload: block });
}

export const continuation = (stream: number, block: Buffer, flag: number = flags.none): Buffer =>
  frame("continuation", { stream, flags: flag, payload: block });

export const pushPromise = (stream: number, promised: number, block: Buffer): Buffer =>
  frame("pushPromise", { stream, flags: flags.endHeaders, payload: Buffer.concat([words(promised), block]) });

export const data = (stream: number, payload: Buffer | string, flag: number = flags.none): Buffer =>
  frame("data", { stream, flags: flag, payload });

export interface Frame {
  readonly type: FrameType | "unknown";
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

const typeNames = Object.keys(frameTypes) as FrameType[];

// Takes whole frames out of bytes as they come.
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): Frame[] {
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    const frames: Frame[] = [];
    for (let next = this.#take(); next !== undefined; next = this.#take()) frames.push(next);
    return frames;
  }

  #take(): Frame | undefined {
    if (this.#pending.length < headBytes) return undefined;
    const end = headBytes + this.#pending.readUIntBE(0, 3);
    if (this.#pending.length < end) return undefined;
    const whole = this.#pending.subarray(0, end);
    this.#pending = this.#pending.subarray(end);
    return {
      type: typeNames[whole.readUInt8(3)] ?? "unknown",
      flags: whole.readUInt8(4),
      stream: whole.readUInt32BE(5) & 0x7fff_ffff,
      payload: whole.subarray(headBytes),
    };
  }
}
