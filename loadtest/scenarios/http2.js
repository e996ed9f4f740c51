// SPDX-License-Identifier: Apache-2.0
// http2: bursts of 20 streams on each user's one connection, small and large, both ways (RATE 50 a second, DURATION 30s)

import { check } from "k6";
import http from "k6/http";
import { OWN, rate, setting, options as shared, TARGET } from "./lib/edge.js";

const STREAMS = 20;
const LARGE_BYTES = 256 * 1024;
const bursts = rate(50);

export const options = shared(
  {
    http2: {
      executor: "constant-arrival-rate",
      rate: bursts,
      timeUnit: "1s",
      duration: setting("DURATION", "30s"),
      preAllocatedVUs: 20,
      maxVUs: 200,
    },
  },
  { http_reqs: [`rate>${bursts * STREAMS * 0.95}`] }, // the rate was really offered and answered
  { batch: STREAMS, batchPerHost: STREAMS },
);

// Every kind of exchange in one burst. Only our own upstream has more than one kind.
function request(index) {
  if (OWN && index === 0) return ["GET", `${TARGET}/bytes/${LARGE_BYTES}`];
  if (OWN && index % 5 === 1) return ["POST", `${TARGET}/echo`, `echo ${__VU}.${__ITER}.${index}`];
  return ["GET", `${TARGET}/`];
}

function isWhole([method, url, content], { body }) {
  if (!OWN) return true;
  if (method === "POST") return body === content;
  return body.length === (url.endsWith("/") ? 1024 : LARGE_BYTES);
}

export default function () {
  const requests = Array.from({ length: STREAMS }, (_, index) => request(index));
  const answers = http.batch(requests);
  requests.forEach((each, index) => {
    check(answers[index], {
      "it is HTTP/2": (answer) => answer.proto === "HTTP/2.0",
      "status is 200": (answer) => answer.status === 200,
      "content is whole": (answer) => isWhole(each, answer),
    });
  });
}
