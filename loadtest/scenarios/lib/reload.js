// SPDX-License-Identifier: Apache-2.0
// Reloads through the admin API, every two seconds while a scenario runs. The runner changes the file of its own
// instance, so that there is something to reload.

import { check } from "k6";
import http from "k6/http";
import { Counter } from "k6/metrics";
import { ADMIN, setting } from "./edge.js";

const token = setting("ADMIN_TOKEN", "");
const reloads = new Counter("reloads");

export const RELOADED = { reloads: ["count>0"] }; // a threshold: reloads really happened

// A scenario beside the traffic; the script has to export `reload`.
export function everyTwoSeconds(duration) {
  return {
    executor: "constant-arrival-rate",
    exec: "reload",
    rate: 1,
    timeUnit: "2s",
    duration,
    preAllocatedVUs: 1,
  };
}

export function reload() {
  const headers = token === "" ? {} : { Authorization: `Bearer ${token}` };
  const response = http.post(`${ADMIN}/v1/reload`, null, { headers });
  if (check(response, { "reload is accepted": (answer) => answer.status >= 200 && answer.status < 300 }))
    reloads.add(1);
}
