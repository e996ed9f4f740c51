// SPDX-License-Identifier: Apache-2.0
// slow_clients: honest traffic (RATE 100 a second, DURATION 30s) beside hundreds of slow sockets held by the runner
import { get, rate, setting, options as shared } from "./lib/edge.js";

export const options = shared({
  honest: {
    executor: "constant-arrival-rate",
    rate: rate(100),
    timeUnit: "1s",
    duration: setting("DURATION", "30s"),
    preAllocatedVUs: 20,
    maxVUs: 200,
  },
});

export default function () {
  get();
}
