// SPDX-License-Identifier: Apache-2.0
// The upstream on a thread of its own, so that a busy runner (hundreds of slow sockets) does not slow its answers.
import { once } from "node:events";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { startUpstream, type Upstream } from "./upstream.ts";

export async function startUpstreamThread(): Promise<Upstream> {
  const worker = new Worker(new URL(import.meta.url));
  const [ports] = (await once(worker, "message")) as [Omit<Upstream, "close">];
  return {
    ...ports,
    close: async () => {
      await worker.terminate();
    },
  };
}

if (!isMainThread && parentPort !== null) {
  const { port, grpcPort } = await startUpstream();
  parentPort.postMessage({ port, grpcPort });
}
