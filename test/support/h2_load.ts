// SPDX-License-Identifier: Apache-2.0
// Steady traffic as load.ts has it, over HTTP/2 and over what runs on it. Each kind is a loop that asks again as soon
// as it was answered; what fails is kept in words.
import { H2Client, type H2Target } from "./http2_client.ts";
import type { Scope } from "./scope.ts";

// One turn of a loop: resolves with nothing, or with what went wrong.
export type Turn = () => Promise<string | undefined>;

export class Loops {
  readonly failures: string[] = [];
  ok = 0;
  readonly #loops: Promise<void>[];
  #stopping = false;

  constructor(turns: readonly Turn[]) {
    this.#loops = turns.map((turn) => this.#run(turn));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#loops);
  }

  async #run(turn: Turn): Promise<void> {
    while (!this.#stopping) {
      const failure = await turn().catch((error: Error) => error.message);
      if (failure === undefined) this.ok += 1;
      else this.failures.push(failure);
    }
  }
}

// So many streams at once on each of so many connections; every other request has content. A connection that was told
// to go is replaced, as every client of HTTP/2 does.
export function h2Turns(scope: Scope, target: H2Target, connections: number, streams: number): Turn[] {
  return Array.from({ length: connections }, () => {
    let client: Promise<H2Client> | undefined;
    const current = async (): Promise<H2Client> => {
      const known = await client;
      if (known !== undefined && !known.session.closed) return known;
      client = H2Client.open(scope, target);
      return client;
    };
    return Array.from({ length: streams }, (_, i) => async (): Promise<string | undefined> => {
      const stream = await current();
      const { status, reset } = await (i % 2 === 0
        ? stream.ask()
        : stream.ask({ ":method": "POST" }, { body: "content" }));
      return status === 200 && reset === "" ? undefined : `status ${status} ${reset}`;
    });
  }).flat();
}
