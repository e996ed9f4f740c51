// SPDX-License-Identifier: Apache-2.0
// Steady traffic for tests in which something happens meanwhile and no request may fail: keep-alive clients
// that ask again as soon as they were answered.
import { Agent, type RequestOptions, request } from "node:http";
import { request as requestTls, Agent as TlsAgent } from "node:https";
import { Lines } from "./lines.ts";

export interface LoadOptions {
  readonly port: number;
  readonly host?: string; // the Host field
  readonly path?: string;
  readonly method?: string;
  readonly body?: string;
  readonly clients?: number;
  readonly tls?: boolean;
  readonly expectStatus?: number;
}

export interface LoadResult {
  readonly ok: number;
  readonly failures: readonly string[];
  readonly slowestMs: number;
}

export class Load {
  readonly failures: string[] = [];
  ok = 0;
  slowestMs = 0;
  readonly #options: LoadOptions;
  readonly #agent: Agent;
  readonly #progress = new Lines();
  readonly #loops: Promise<void>[];
  #stopping = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    const clients = options.clients ?? 4;
    const pool = { keepAlive: true, maxSockets: clients, rejectUnauthorized: false };
    this.#agent = options.tls === true ? new TlsAgent(pool) : new Agent(pool);
    this.#loops = Array.from({ length: clients }, () => this.#loop());
  }

  // Resolves after so many more answers (or failures): proof that traffic flows *now*.
  async more(count: number): Promise<void> {
    const goal = this.ok + this.failures.length + count;
    await this.#progress.until(
      () => (this.ok + this.failures.length >= goal ? true : undefined),
      () => `${count} more answers`,
    );
  }

  async stop(): Promise<LoadResult> {
    this.#stopping = true;
    await Promise.all(this.#loops);
    this.#agent.destroy();
    const { ok, failures, slowestMs } = this;
    return { ok, failures, slowestMs };
  }

  async #loop(): Promise<void> {
    while (!this.#stopping) {
      const started = performance.now();
      const failure = await this.#ask().catch((error: NodeJS.ErrnoException) => error.code ?? error.message);
      this.slowestMs = Math.max(this.slowestMs, performance.now() - started);
      if (failure === undefined) this.ok += 1;
      else this.failures.push(failure);
      this.#progress.push("");
    }
  }

  #ask(): Promise<string | undefined> {
    const { port, host, path = "/", method = "GET", body, tls, expectStatus = 200 } = this.#options;
    const headers = host === undefined ? {} : { host };
    const options: RequestOptions = { port, path, method, agent: this.#agent, headers, host: "127.0.0.1" };
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
    const asked = (tls === true ? requestTls : request)(options, (response) => {
      response.on("error", reject).on("end", () => {
        resolve(response.statusCode === expectStatus ? undefined : `status ${response.statusCode}`);
      });
      response.resume();
    });
    asked.on("error", reject).end(body);
    return promise;
  }
}
