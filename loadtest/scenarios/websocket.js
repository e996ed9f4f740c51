// SPDX-License-Identifier: Apache-2.0
// websocket: tunnels of a whole DURATION 30s, echoing RATE 200 messages a second together, through reloads

import { check } from "k6";
import { Counter, Trend } from "k6/metrics";
import ws from "k6/ws";
import { OWN, rate, setting, options as shared, TARGET } from "./lib/edge.js";
import { everyTwoSeconds, RELOADED } from "./lib/reload.js";

export { reload } from "./lib/reload.js";

const TUNNELS = 20;
const LARGE_EVERY = 50; // messages; this one fills many frames of any protocol below
const LARGE = "x".repeat(200_000);
const CLOSED_BY_US = 4000; // the range for applications (RFC 6455 section 7.4.2)

const duration = setting("DURATION", "30s");
const perSecond = rate(200);
const echoes = new Counter("echoes");
const echoTime = new Trend("echo_time", true);

function milliseconds(time) {
  const [, amount, unit] = /^(\d+)(ms|s|m|h)$/.exec(time) || [];
  return Number(amount) * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[unit];
}

export const options = shared(
  {
    tunnels: {
      executor: "per-vu-iterations",
      vus: TUNNELS,
      iterations: 1,
      maxDuration: `${milliseconds(duration) + 30_000}ms`,
    },
    // Only our own instance has another configuration to offer.
    ...(OWN ? { reload: everyTwoSeconds(duration) } : {}),
  },
  {
    ws_connecting: ["p(95)<1000"],
    echo_time: ["p(99)<1000"],
    echoes: [`rate>${perSecond * 0.8}`],
    ...(OWN ? RELOADED : {}),
  },
);

// One message at a time: what comes back must be what was sent last.
function converse(socket) {
  let count = 0;
  let sent = "";
  let sentAt = 0;
  let outstanding = 0;
  socket.on("open", () => {
    socket.setInterval(
      () => {
        if (outstanding > 0) return;
        count += 1;
        sent = `${__VU}.${count} ${count % LARGE_EVERY === 0 ? LARGE : ""}`;
        sentAt = Date.now();
        outstanding = 1;
        socket.send(sent);
      },
      (1000 * TUNNELS) / perSecond,
    );
    socket.setTimeout(() => socket.close(CLOSED_BY_US), milliseconds(duration));
  });
  socket.on("message", (message) => {
    outstanding -= 1;
    check(message, { "the echo is what was sent": (text) => text === sent && outstanding === 0 });
    echoTime.add(Date.now() - sentAt);
    echoes.add(1);
  });
  socket.on("error", (error) => check(error, { "no error": () => false }));
  socket.on("close", (code) =>
    check(code, { "the tunnel lives until we close it": (it) => it === CLOSED_BY_US }),
  );
}

export default function () {
  const url = `${TARGET.replace(/^http/, "ws")}/ws`;
  const response = ws.connect(url, {}, converse);
  check(response, { "the tunnel opens": (answer) => answer && answer.status === 101 });
}
