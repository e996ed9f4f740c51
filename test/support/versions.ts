// SPDX-License-Identifier: Apache-2.0
// One request in either version of HTTP, with one word for how it went: a status if a whole response came, else what
// ended it. For tests whose subject is the other side of the proxy.
import { H2Peer, openWindows } from "./h2_peer.ts";
import { RawClient, type RawTarget } from "./raw_client.ts";
import type { Scope } from "./scope.ts";

export const versions = ["HTTP/1.1", "HTTP/2"] as const;
export type Version = (typeof versions)[number];

export interface Outcome {
  readonly how: string; // "200", or for instance "INTERNAL_ERROR", "ended by fin"
  readonly body: string; // what came of it
}

export interface Question {
  readonly path: string;
  readonly method?: string;
  readonly content?: string;
}

export function askIn(
  version: Version,
  scope: Scope,
  target: RawTarget,
  question: Question,
): Promise<Outcome> {
  return (version === "HTTP/2" ? askHttp2 : askHttp1)(scope, target, question);
}

async function askHttp2(scope: Scope, target: RawTarget, question: Question): Promise<Outcome> {
  const { path, method = "GET", content } = question;
  const peer = await H2Peer.open(scope, target);
  await peer.send(...openWindows(), ...peer.wholeRequest(1, { path, method }, content));
  const how = await peer.outcome(1);
  const parts = peer.received.filter(({ type, stream }) => type === "data" && stream === 1);
  peer.socket.destroy();
  return { how, body: Buffer.concat(parts.map(({ payload }) => payload)).toString("latin1") };
}

async function askHttp1(scope: Scope, target: RawTarget, question: Question): Promise<Outcome> {
  const { path, method = "GET", content } = question;
  const client = await RawClient.open(scope, target);
  const length = content === undefined ? "" : `Content-Length: ${content.length}\r\n`;
  void client.send(`${method} ${path} HTTP/1.1\r\nHost: site.example\r\n${length}\r\n${content ?? ""}`);
  try {
    for (;;) {
      const { status, body } = await client.response(method);
      if (status >= 200 || status === 101) return { how: `${status}`, body: body.toString("latin1") };
    }
  } catch (error) {
    if (client.ending === undefined) throw error;
    return { how: `ended by ${client.ending}`, body: client.text };
  } finally {
    client.socket.destroy();
  }
}
