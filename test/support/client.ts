// SPDX-License-Identifier: Apache-2.0
// One request with Node's own HTTP client, for tests whose subject is not the bytes.
import assert from "node:assert/strict";
import { type OutgoingHttpHeaders, request } from "node:http";
import { request as requestTls } from "node:https";
import type { ConnectionOptions } from "node:tls";
import { eventually, patienceMs } from "./scope.ts";

export interface Ask {
  readonly port: number;
  readonly address?: string;
  readonly path?: string;
  readonly method?: string;
  readonly host?: string; // the Host field and, with TLS, the server name
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string | Buffer;
  readonly tls?: ConnectionOptions | true;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

// A connection of its own, closed after the answer.
export function ask(how: Ask): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const { port, address = "127.0.0.1", path = "/", method = "GET", host, body } = how;
  const headers = { ...(host === undefined ? {} : { host }), ...how.headers };
  const common = { port, host: address, path, method, headers, agent: false as const, timeout: patienceMs };
  const tls = how.tls === true ? {} : how.tls;
  const name = host === undefined ? {} : { servername: host.replace(/:\d+$/, "") };
  const asked =
    tls === undefined
      ? request(common)
      : requestTls({ ...common, rejectUnauthorized: false, ...name, ...tls });
  asked.on("response", (response) => {
    const parts: Buffer[] = [];
    response.on("data", (chunk: Buffer) => parts.push(chunk)).on("error", reject);
    response.on("end", () => {
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: Buffer.concat(parts).toString(),
      });
    });
  });
  asked.on("timeout", () => asked.destroy(new Error(`no answer from ${address}:${port}${path}`)));
  asked.on("error", reject).end(body);
  return promise;
}

// Nobody listens there any more. Workers let go of a port one after the other: until the last one has, the kernel may
// complete a connection that ends with a reset. None is answered.
export async function refused(how: Ask): Promise<void> {
  const outcome = (): Promise<string> =>
    ask(how).then(
      ({ status }) => `answered ${status}`,
      (error: NodeJS.ErrnoException) => String(error.code),
    );
  const isRefusal = (seen: string): boolean => {
    assert.ok(seen === "ECONNREFUSED" || seen === "ECONNRESET", seen);
    return seen === "ECONNREFUSED";
  };
  await eventually(outcome, isRefusal, `connections to port ${how.port} to be refused`);
}
