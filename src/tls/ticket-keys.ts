// SPDX-License-Identifier: Apache-2.0
// The ring of TLS ticket keys. New tickets are made with the first key; those before it still open the tickets they
// made, so that clients resume across rotations and reloads. Keys of our own live in memory only: a restart costs one
// full handshake per client, a key on disk would cost the secrecy of past sessions.
//
// Several hosts behind one name share a keyFile instead, and whoever writes that file rotates.
import { randomBytes } from "node:crypto";
import { readSmallFile } from "./files.ts";

export const TICKET_KEY_BYTES = 80; // 16 name, 32 HMAC-SHA256, 32 AES-256: OpenSSL's own layout for nginx and HAProxy
const MAX_KEYS = 8;
const KEPT = 2; // previous keys that still open tickets

export type TicketKeyFile = { readonly keys: readonly string[] } | { readonly problem: string };

/** Keys of a shared file, newest first: raw multiples of 80 bytes, or one base64 line for each. */
export async function readTicketKeyFile(path: string): Promise<TicketKeyFile> {
  const file = await readSmallFile(path, 64 * 1024);
  if ("problem" in file) return file;
  const keys = rawKeys(file.content) ?? base64Keys(file.content.toString("latin1"));
  if (keys === undefined)
    return { problem: `${path}: expected keys of ${TICKET_KEY_BYTES} bytes (raw, or one base64 line each)` };
  if (keys.length > MAX_KEYS) return { problem: `${path}: expected at most ${MAX_KEYS} keys` };
  return { keys };
}

// A base64 line has 109 characters: no file of up to eight of them is a multiple of 80 long.
function rawKeys(content: Buffer): string[] | undefined {
  if (content.length === 0 || content.length % TICKET_KEY_BYTES !== 0) return undefined;
  const count = content.length / TICKET_KEY_BYTES;
  return Array.from({ length: count }, (_, index) =>
    content.subarray(index * TICKET_KEY_BYTES, (index + 1) * TICKET_KEY_BYTES).toString("base64"),
  );
}

function base64Keys(text: string): string[] | undefined {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const sound = lines.every(
    (line) => /^[A-Za-z0-9+/]+={0,2}$/.test(line) && Buffer.from(line, "base64").length === TICKET_KEY_BYTES,
  );
  return lines.length > 0 && sound ? lines : undefined;
}

export interface TicketSettings {
  readonly rotationMs: number;
  readonly keyFile: string | undefined; // absolute
}

export interface TicketKeyRing {
  /** Base64 keys for the snapshot, newest first. */
  keys(): readonly string[];
  /** Takes over new settings and reads the key file again; keys in use stay. */
  configure(settings: TicketSettings | undefined): Promise<void>;
  /** Ends the rotation. Idempotent. */
  stop(): void;
}

/** `rotated` is called whenever keys() has changed by itself. */
export function createTicketKeyRing(rotated: () => void): TicketKeyRing {
  let ring: readonly string[] = [];
  let shared = false;
  let interval = 0;
  let timer: NodeJS.Timeout | undefined;

  const rotate = (): void => {
    ring = [randomBytes(TICKET_KEY_BYTES).toString("base64"), ...ring].slice(0, 1 + KEPT);
    rotated();
  };
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
    interval = 0;
  };
  const startRotation = (rotationMs: number): void => {
    if (interval === rotationMs) return; // a reload must not put the next rotation off
    stop();
    interval = rotationMs;
    timer = setInterval(rotate, Math.min(rotationMs, 0x7fffffff)).unref();
  };
  const takeFile = async (path: string): Promise<void> => {
    const result = await readTicketKeyFile(path);
    if ("problem" in result) throw new Error(result.problem);
    stop();
    ring = result.keys;
  };

  return {
    keys: () => ring,
    stop,
    async configure(settings) {
      if (settings === undefined) {
        stop();
        ring = [];
      } else if (settings.keyFile !== undefined) {
        await takeFile(settings.keyFile);
      } else {
        if (ring.length === 0 || shared) ring = [randomBytes(TICKET_KEY_BYTES).toString("base64")];
        startRotation(settings.rotationMs);
      }
      shared = settings?.keyFile !== undefined;
    },
  };
}
