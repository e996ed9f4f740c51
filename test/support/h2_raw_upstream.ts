// SPDX-License-Identifier: Apache-2.0
// An HTTP/2 server over plain TCP (prior knowledge) that answers with exactly the frames of its script, well-formed or
// not. For servers that behave there is node:http2.
import { data, flags, headers, preface, type Settings, settings } from "./h2_frames.ts";
import { fieldOf, H2Peer } from "./h2_peer.ts";
import { encode, type Field } from "./hpack.ts";
import type { Scope } from "./scope.ts";
import { tcpUpstream, type Upstream } from "./upstreams.ts";

export interface H2Request {
  readonly stream: number;
  readonly path: string;
  readonly fields: readonly Field[];
}

// Runs when a request's HEADERS have arrived.
export type H2Script = (peer: H2Peer, request: H2Request) => void;

export interface H2UpstreamOptions {
  readonly greeting?: (peer: H2Peer) => void; // in place of SETTINGS, as soon as the connection is accepted
  readonly settings?: Settings;
  readonly polite?: boolean;
}

export function rawH2Upstream(
  scope: Scope,
  script: H2Script,
  options: H2UpstreamOptions = {},
): Promise<Upstream> {
  const greeting = options.greeting ?? ((peer) => void peer.send(settings(options.settings ?? {})));
  return tcpUpstream(scope, (socket, counted) => {
    const peer = new ServerPeer(socket, options.polite ?? true);
    peer.onFrame(({ type, stream, fields }) => {
      if (type !== "headers" || fields === undefined || fieldOf(fields, ":path") === undefined) return;
      const path = fieldOf(fields, ":path") ?? "";
      counted(`${fieldOf(fields, ":method")} ${path}`);
      script(peer, { stream, path, fields });
    });
    socket.on("end", () => socket.end());
    greeting(peer);
  });
}

// What a well-behaved server answers.
export const respond = (stream: number, body = "ok", fields: readonly Field[] = []): Buffer[] => [
  responseHead(stream, "200", [["content-length", `${Buffer.byteLength(body)}`], ...fields]),
  data(stream, body, flags.endStream),
];

export function responseHead(
  stream: number,
  status: string,
  fields: readonly Field[] = [],
  flag: number = flags.endHeaders,
): Buffer {
  return headers(stream, encode([[":status", status], ...fields]), flag);
}

class ServerPeer extends H2Peer {
  #preface: Buffer | undefined = Buffer.alloc(0);

  override take(bytes: Buffer): void {
    if (this.#preface === undefined) return super.take(bytes);
    const seen = Buffer.concat([this.#preface, bytes]);
    this.#preface = seen.length < preface.length ? seen : undefined;
    if (seen.length < preface.length) return;
    if (!seen.subarray(0, preface.length).equals(preface)) throw new Error("the client spoke no HTTP/2");
    super.take(seen.subarray(preface.length));
  }
}
