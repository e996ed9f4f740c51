// SPDX-License-Identifier: Apache-2.0
// Ports and readiness of servers that can neither choose a free port nor say that they listen (nginx, HAProxy).
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

const READY_TIMEOUT_MS = 15_000;
const READY_POLL_MS = 20;

const LOWEST_PORT = 10_000;
const EPHEMERAL_PORTS = "/proc/sys/net/ipv4/ip_local_port_range";

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}

// Below the ports that the kernel gives to whoever asks for any: such a one could be somebody's client's by the time
// that the server listens there.
export async function freePort(): Promise<number> {
  const [firstEphemeral = LOWEST_PORT] = readFileSync(EPHEMERAL_PORTS, "utf8")
    .trim()
    .split(/\s+/)
    .map(Number);
  for (;;) {
    const port = randomInt(LOWEST_PORT, Math.max(firstEphemeral, LOWEST_PORT + 1_000));
    if (await isFree(port)) return port;
  }
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
