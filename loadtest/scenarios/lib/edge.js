// SPDX-License-Identifier: Apache-2.0
// What every scenario shares: the target, one honest request, and the thresholds that fail a run.
// The runner sets TARGET; it sets OWN=1 when the instance and the upstream behind it are its own.

import { check } from "k6";
import http from "k6/http";

export const TARGET = (__ENV.TARGET || "https://localhost:8443").replace(/\/$/, "");
export const ADMIN = (__ENV.ADMIN || "http://127.0.0.1:9901").replace(/\/$/, "");
export const OWN = __ENV.OWN === "1";

const PATH = __ENV.REQUEST_PATH || "/";
const SMALL_BYTES = 1024;

export function setting(name, fallback) {
  return __ENV[name] || fallback;
}

export function rate(fallback) {
  return Number(setting("RATE", fallback));
}

// Nothing an edge proxy does under honest load may fail; the latency bounds are generous, since the generator shares
// the machine: they catch stalls, not slowness. The bench measures.
export function options(scenarios, thresholds = {}, more = {}) {
  return {
    insecureSkipTLSVerify: true,
    summaryTrendStats: ["min", "med", "avg", "p(95)", "p(99)", "max"],
    thresholds: {
      checks: ["rate==1"],
      http_req_failed: ["rate==0"],
      http_req_duration: ["p(99)<1000"],
      ...thresholds,
    },
    scenarios,
    ...more,
  };
}

export function get(path = PATH, params = {}) {
  const response = http.get(`${TARGET}${path}`, params);
  check(response, {
    "status is 200": (answer) => answer.status === 200,
    "content is whole": (answer) => !OWN || path !== "/" || answer.body.length === SMALL_BYTES,
  });
  return response;
}
