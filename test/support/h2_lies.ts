// SPDX-License-Identifier: Apache-2.0
// How HTTP/2 upstreams lie: one proxy behind which every test puts its own liar, honest to those who ask for /honest.
import { proxyTo } from "./configs.ts";
import { type Edge, startEdge } from "./edge.ts";
import { data, flags, headers } from "./h2_frames.ts";
import type { H2Peer } from "./h2_peer.ts";
import { type H2Request, type H2UpstreamOptions, rawH2Upstream, respond } from "./h2_raw_upstream.ts";
import { encode, type Field } from "./hpack.ts";
import type { RawTarget } from "./raw_client.ts";
import { fileScope, type Scope } from "./scope.ts";
import type { Upstream } from "./upstreams.ts";

export type Lie = (peer: H2Peer, request: H2Request) => void;

const setup = {
  upstream: {
    protocol: "h2c",
    healthCheck: { passive: { consecutiveFailures: 0 } },
    timeouts: { connect: "1s", response: "1s", idle: "1s" },
  },
  route: { retry: { attempts: 0 } },
  top: { workers: 1 },
};

export class LiedTo {
  readonly edge: Edge;
  readonly target: RawTarget;

  private constructor(edge: Edge) {
    this.edge = edge;
    this.target = { port: edge.port("main") };
  }

  static async start(): Promise<LiedTo> {
    return new LiedTo(await startEdge(fileScope, proxyTo("http://127.0.0.1:1", setup)));
  }

  async by(scope: Scope, lie: Lie, options: H2UpstreamOptions = {}): Promise<Upstream> {
    const script: Lie = (peer, request) => {
      if (request.path.startsWith("/honest")) void peer.send(...respond(request.stream, "honest"));
      else lie(peer, request);
    };
    const upstream = await rawH2Upstream(scope, script, options);
    await this.edge.reload(proxyTo(upstream.url, setup));
    return upstream;
  }
}

export const saying =
  (frames: (stream: number) => readonly Buffer[]): Lie =>
  (peer, { stream }) =>
    void peer.send(...frames(stream));

// Says something again and again until the connection is gone.
export const endlessly =
  (first: (stream: number) => readonly Buffer[], more: (stream: number) => Buffer): Lie =>
  (peer, { stream }) => {
    const burst = Buffer.concat(Array.from({ length: 100 }, () => more(stream)));
    const goOn = (): void => {
      while (!peer.socket.destroyed && peer.socket.write(burst));
    };
    peer.socket.on("drain", goOn);
    void peer.send(...first(stream));
    goOn();
  };

export const head = (stream: number, fields: readonly Field[], flag: number = flags.endHeaders): Buffer =>
  headers(stream, encode(fields), flag);

export const endOf = (stream: number): Buffer => data(stream, "", flags.endStream);

// A path that tells which lie it asks for.
export const slug = (what: string, version = ""): string =>
  `/${what.replaceAll(/[^a-z0-9]+/gi, "-")}-${version.slice(5)}`;
