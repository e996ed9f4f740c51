// SPDX-License-Identifier: Apache-2.0
// soak_reloads: steady traffic (RATE 100 a second, DURATION 10m) while the configuration is reloaded every two seconds

import { check } from "k6";
import { Counter } from "k6/metrics";
import { get, OWN, rate, setting, options as shared } from "./lib/edge.js";
import { everyTwoSeconds, RELOADED } from "./lib/reload.js";

export { reload } from "./lib/reload.js";

const duration = setting("DURATION", "10m");
const generations = new Counter("generations"); // how often a user saw the configuration change

export const options = shared(
  {
    traffic: {
      executor: "constant-arrival-rate",
      rate: rate(100),
      timeUnit: "1s",
      duration,
      preAllocatedVUs: 20,
      maxVUs: 200,
    },
    reload: everyTwoSeconds(duration),
  },
  { ...RELOADED, ...(OWN ? { generations: ["count>0"] } : {}) },
);

let seen = "";

// Every request must be answered by one configuration or the other, never by none.
export default function () {
  const response = get();
  if (!OWN) return;
  const generation = response.headers["X-Generation"];
  check(generation, { "answered by a whole configuration": (value) => /^\d+$/.test(value || "") });
  if (seen !== "" && generation !== seen) generations.add(1);
  seen = generation;
}
