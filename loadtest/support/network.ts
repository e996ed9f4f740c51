// SPDX-License-Identifier: Apache-2.0
// Ports and readiness of servers that can neither choose a free port nor say that they listen (nginx, HAProxy).
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const READY_TIMEOUT_MS = 15_000;
const READY_POLL_MS = 20;

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

// True once the condition holds; false when `alive` turns false or time is up.
export async function waitUntil(
  condition: () => boolean | Promise<boolean>,
  alive: () => boolean,
): Promise<boolean> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (alive() && Date.now() < deadline) {
    if (await condition()) return true;
    await sleep(READY_POLL_MS);
  }
  return false;
}

export function waitForPort(port: number, alive: () => boolean): Promise<boolean> {
  return waitUntil(() => accepts(port), alive);
}
