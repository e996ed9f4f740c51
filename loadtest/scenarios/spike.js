// SPDX-License-Identifier: Apache-2.0
// spike: quiet, then twenty times as much at once (RATE 1000 a second), then quiet again: no failure, and it recovers
import { get, rate, options as shared } from "./lib/edge.js";

const high = rate(1000);
const low = Math.max(1, Math.round(high / 20));

export const options = shared(
  {
    spike: {
      executor: "ramping-arrival-rate",
      startRate: low,
      timeUnit: "1s",
      preAllocatedVUs: 100,
      maxVUs: 1000,
      stages: [
        { target: low, duration: "5s" },
        { target: high, duration: "1s" },
        { target: high, duration: "10s" },
        { target: low, duration: "1s" },
        { target: low, duration: "5s" },
      ],
    },
  },
  { http_req_duration: ["p(99)<3000"] },
);

export default function () {
  get();
}
