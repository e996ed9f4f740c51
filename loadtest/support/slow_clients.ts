// SPDX-License-Identifier: Apache-2.0
// Clients that waste a proxy's patience: raw sockets of the runner, since k6 only speaks whole requests. Each kind keeps
// its number: whoever is thrown out comes again, as an attacker would. What is learnt is how long they are let stay.
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

const DRIP_MS = 1_000;
const RETRY_MS = 250;
const RAMP_MS = 3_000; // all at once would measure the runner's own handshakes

interface Kind {
  readonly name: string;
  readonly share: number; // of all slow clients
  // Opens one client and makes it slow.
  readonly open: (host: string, port: number) => Socket;
}

export interface SlowReport {
  readonly name: string;
  readonly opened: number;
  readonly ended: number; // by the proxy
  readonly longestMs: number; // life of the longest-lived one, those still alive included
}

export interface SlowClients {
  report(): readonly SlowReport[];
  stop(): void;
}

function tls(host: string, port: number): Socket {
  return connectTls({
    host,
    port,
    servername: "localhost",
    rejectUnauthorized: false,
    ALPNProtocols: ["http/1.1"],
  });
}

// Sends the text a byte a second, then whatever `filler` is, for as long as anybody listens.
function drip(socket: Socket, text: string, filler: string): Socket {
  let sent = 0;
  const timer = setInterval(() => {
    socket.write(text[sent] ?? filler);
    sent += 1;
  }, DRIP_MS);
  return socket.once("close", () => clearInterval(timer));
}

// The content is more than all socket buffers on the way hold (some 10 MB each, hence the small share of these clients).
// A socket that is not read does not notice its end either: the drip does, by failing.
function slowReader(socket: Socket): Socket {
  socket.write("GET /bytes/40000000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  return drip(socket, "", "\r\n").pause();
}

const KINDS: readonly Kind[] = [
  { name: "silent", share: 0.3, open: (host, port) => connectTcp(port, host) },
  {
    name: "slow head",
    share: 0.3,
    open: (host, port) => drip(tls(host, port), "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", "x"),
  },
  {
    name: "slow body",
    share: 0.3,
    open: (host, port) => {
      const socket = tls(host, port);
      socket.write("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
      return drip(socket, "", "x").resume();
    },
  },
  { name: "slow reader", share: 0.1, open: (host, port) => slowReader(tls(host, port)) },
];

function keepOpen(kind: Kind, host: string, port: number, clients: number) {
  const born = new Map<Socket, number>();
  let opened = 0;
  let ended = 0;
  let longestMs = 0;
  let stopped = false;

  function open(): void {
    if (stopped) return;
    const socket = kind.open(host, port);
    opened += 1;
    born.set(socket, Date.now());
    socket.on("error", () => socket.destroy()); // a reset is an answer too
    socket.on("end", () => socket.destroy());
    socket.once("close", () => {
      longestMs = Math.max(longestMs, Date.now() - (born.get(socket) ?? Date.now()));
      born.delete(socket);
      if (stopped) return;
      ended += 1;
      setTimeout(open, RETRY_MS);
    });
  }

  for (let client = 0; client < clients; client++) setTimeout(open, (client * RAMP_MS) / clients);
  return {
    report: (): SlowReport => {
      const ages = [...born.values()].map((time) => Date.now() - time);
      return { name: kind.name, opened, ended, longestMs: Math.max(longestMs, ...ages) };
    },
    stop: () => {
      stopped = true;
      for (const socket of born.keys()) socket.destroy();
    },
  };
}

export function startSlowClients(host: string, port: number, clients: number): SlowClients {
  const groups = KINDS.map((kind) =>
    keepOpen(kind, host, port, Math.max(1, Math.round(clients * kind.share))),
  );
  return {
    report: () => groups.map((group) => group.report()),
    stop: () => {
      for (const group of groups) group.stop();
    },
  };
}
