// SPDX-License-Identifier: Apache-2.0
// The upstream on a thread of its own, so that a busy runner (hundreds of slow sockets) does not slow its answers.
import { once } from "node:events";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { startUpstream, type Upstream } from "./upstream.ts";

export async function startUpstreamThread(): Promise<Upstream> {
  const worker = new Worker(new URL(import.meta.url));
  const [port] = await once(worker, "message");
  if (typeof port !== "number") throw new Error("the upstream did not start");
  return {
    port,
    close: async () => {
      await worker.terminate();
    },
  };
}

if (!isMainThread && parentPort !== null) parentPort.postMessage((await startUpstream()).port);
