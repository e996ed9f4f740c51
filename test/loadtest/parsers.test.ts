// SPDX-License-Identifier: Apache-2.0
// What is read out of other programs' output.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseH2load } from "../../loadtest/bench/h2load.ts";
import { parseStrace, table } from "../../loadtest/bench/syscalls.ts";
import { parseWrk } from "../../loadtest/bench/wrk.ts";
import { conforms, failures, readVerdict } from "../../loadtest/conformance/h2spec.ts";

const WRK = `Running 3s test @ https://127.0.0.1:8443/1k
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.60ms  612.12us  12.13ms   88.06%
    Req/Sec    40.50k     2.41k   44.01k    76.67%
  Latency Distribution
     50%  950.00us
     75%    1.68ms
     90%    2.05ms
     99%    1.20s 
  120842 requests in 3.00s, 148.78MB read
Requests/sec:  40280.51
Transfer/sec:     49.59MB
`;

test("wrk's totals and percentiles are read in microseconds", () => {
  assert.deepEqual(parseWrk(WRK), {
    requests: 120842,
    requestsPerSecond: 40280.51,
    p50Us: 950,
    p99Us: 1_200_000,
    errors: 0,
  });
});

test("wrk's socket errors and bad statuses are counted together", () => {
  const text = `${WRK}  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 5\n`;
  assert.equal(parseWrk(text).errors, 15);
});

test("output that wrk never printed is an error with the output in it", () => {
  assert.throws(() => parseWrk("unable to connect"), /unable to connect/);
});

const H2LOAD = `Application protocol: h2
Main benchmark duration is over for thread #0. Stopping all clients.

finished in 4.01s, 33752.00 req/s, 36.79MB/s
requests: 135008 total, 135520 started, 135008 done, 135008 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 135008 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 147.17MB (154314928) total, 13.00MB (13635808) headers (space savings 37.27%), 131.84MB (138248192) data
`;

test("h2load's totals are read, requests cut off by the end of time are not errors", () => {
  assert.deepEqual(parseH2load(H2LOAD), { requests: 135008, requestsPerSecond: 33752, errors: 0 });
});

test("h2load's failures and answers other than 2xx count once each", () => {
  const failed = H2LOAD.replace(
    "135008 succeeded, 0 failed, 0 errored",
    "135006 succeeded, 2 failed, 1 errored",
  );
  assert.equal(parseH2load(failed.replace("135008 2xx, 0 3xx, 0 4xx", "135006 2xx, 0 3xx, 2 4xx")).errors, 3);
  assert.throws(() => parseH2load("connect failed"), /connect failed/);
});

const STRACE = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 52.10    0.431000           4    100000           sendto
 46.00    0.380000           2    200000       150 recvfrom
  1.90    0.015700           7      2000           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.826700           2    302000       150 total
`;

test("strace's table is read with and without errors, the total left out", () => {
  assert.deepEqual(parseStrace(STRACE), [
    { name: "sendto", calls: 100000 },
    { name: "recvfrom", calls: 200000 },
    { name: "epoll_wait", calls: 2000 },
  ]);
});

test("the table of system calls has a row for every call that matters and one for all", () => {
  const counts = new Map([
    [
      "nginx",
      [
        { name: "read", calls: 2 },
        { name: "futex", calls: 0.001 },
      ],
    ],
    ["mango-edge", [{ name: "recvfrom", calls: 2 }]],
  ]);
  assert.deepEqual(table(counts).split("\n").slice(2), [
    "| read | 2.00 | 0.00 |",
    "| recvfrom | 0.00 | 2.00 |",
    "| all | 2.00 | 2.00 |",
  ]);
});

const H2SPEC = `Hypertext Transfer Protocol Version 2 (HTTP/2)
  3.5. HTTP/2 Connection Preface
    ✔ 1: Sends client connection preface
    × 2: Sends invalid connection preface

Failures: 

Hypertext Transfer Protocol Version 2 (HTTP/2)
    × 2: Sends invalid connection preface

Finished in 52.5826 seconds
146 tests, 145 passed, 0 skipped, 1 failed
`;

test("h2spec's verdict is its last line, and one failure is one too many", () => {
  const verdict = readVerdict(H2SPEC);
  assert.deepEqual(verdict, { tests: 146, passed: 145 });
  assert.equal(conforms(verdict), false);
  assert.equal(conforms({ tests: 145, passed: 145 }), false);
  assert.equal(conforms({ tests: 146, passed: 146 }), true);
});

test("of h2spec's output only the failures are shown", () => {
  assert.match(failures(H2SPEC), /^Failures:/);
  assert.equal(failures("dial tcp: refused"), "dial tcp: refused");
  assert.throws(() => readVerdict("dial tcp: refused"), /did not finish:\ndial tcp/);
});
