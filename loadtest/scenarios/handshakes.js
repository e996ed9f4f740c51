// SPDX-License-Identifier: Apache-2.0
// handshakes: a new TLS session for every request, rising to RATE 100 a second for DURATION 20s
import { get, rate, setting, options as shared } from "./lib/edge.js";

const perSecond = rate(100);

export const options = shared(
  {
    handshakes: {
      executor: "ramping-arrival-rate",
      startRate: 5,
      timeUnit: "1s",
      preAllocatedVUs: 50,
      maxVUs: 400,
      stages: [
        { target: perSecond, duration: "5s" },
        { target: perSecond, duration: setting("DURATION", "20s") },
      ],
    },
  },
  { http_req_tls_handshaking: ["p(95)<1000", "min>0"] }, // min: not one connection was kept
  { noConnectionReuse: true },
);

export default function () {
  get();
}
