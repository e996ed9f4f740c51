// SPDX-License-Identifier: Apache-2.0
// smoke: five users for ten seconds, every kind of request: does the path through the proxy work at all?

import { check } from "k6";
import http from "k6/http";
import { get, OWN, setting, options as shared, TARGET } from "./lib/edge.js";

const LARGE_BYTES = 1024 * 1024;

export const options = shared({
  smoke: { executor: "constant-vus", vus: 5, duration: setting("DURATION", "10s"), gracefulStop: "10s" },
});

export default function () {
  get();
  if (!OWN) return;
  const large = http.get(`${TARGET}/bytes/${LARGE_BYTES}`);
  check(large, {
    "1 MiB arrives whole": (answer) => answer.status === 200 && answer.body.length === LARGE_BYTES,
  });
  const content = `echo ${__VU}.${__ITER}`;
  const echo = http.post(`${TARGET}/echo`, content);
  check(echo, { "content comes back": (answer) => answer.status === 200 && answer.body === content });
  const head = http.head(`${TARGET}/`);
  check(head, { "HEAD has no content": (answer) => answer.status === 200 && !answer.body });
}
