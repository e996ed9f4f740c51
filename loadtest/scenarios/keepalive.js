// SPDX-License-Identifier: Apache-2.0
// keepalive: a steady rate of small requests over kept connections (RATE 500 a second, DURATION 30s)
import { get, rate, setting, options as shared } from "./lib/edge.js";

const perSecond = rate(500);

export const options = shared(
  {
    keepalive: {
      executor: "constant-arrival-rate",
      rate: perSecond,
      timeUnit: "1s",
      duration: setting("DURATION", "30s"),
      preAllocatedVUs: 50,
      maxVUs: 400,
    },
  },
  { http_reqs: [`rate>${perSecond * 0.95}`] }, // the rate was really offered and answered
);

export default function () {
  get();
}
