// SPDX-License-Identifier: Apache-2.0
// Mistakes in a configuration: upstreams, policies and the process.
import { SOUND } from "./config_text.ts";
import { edit, policy, testMistakes } from "./mistake.ts";

testMistakes([
  // Upstreams
  {
    title: "a server without a scheme",
    text: edit("http://127.0.0.1:9000", "127.0.0.1:9000"),
    at: "12:14",
    says: /expected a URL/,
    suggests: "http://127.0.0.1:9000",
  },
  {
    title: "a server with a path",
    text: edit("http://127.0.0.1:9000", "http://127.0.0.1:9000/api"),
    at: "12:14",
    says: /urlRewrite/,
  },
  {
    title: "an unknown built-in service",
    text: edit("http://127.0.0.1:9000", "builtin:dmo"),
    at: "12:14",
    says: /no such built-in/,
    suggests: "builtin:demo",
  },
  {
    title: "a relative socket path",
    text: edit("http://127.0.0.1:9000", "unix:app.sock"),
    at: "12:14",
    says: /absolute path/,
  },
  {
    title: "the same server twice",
    text: edit(
      "      - url: http://127.0.0.1:9000\n",
      "      - url: http://127.0.0.1\n      - url: http://127.0.0.1:80\n",
    ),
    at: "13:9",
    says: /server "http:\/\/127.0.0.1:80" is given twice/,
  },
  {
    title: "active health checks",
    text: `${SOUND}    healthCheck: {active: {}}\n`,
    at: "13:19",
    says: /"active" is not supported yet/,
  },
  // Policies
  {
    title: "an unknown trigger",
    text: policy("    session: {headersTimeout: close}\n"),
    at: "15:15",
    says: /unknown key "headersTimeout"/,
    suggests: "headerTimeout",
  },
  {
    title: "an unknown action",
    text: policy("    session: {idle: abrt}\n"),
    at: "15:21",
    says: /expected one of none, close/,
    suggests: "abort",
  },
  {
    title: "a refused stream that was begun",
    text: policy("    session: {upstreamReset: {action: refuseStream}}\n"),
    at: "15:39",
    says: /refuseStream does not fit upstreamReset: the request has begun/,
  },
  {
    title: "HTTP/2 before the handshake",
    text: policy("    session: {handshakeError: goaway}\n"),
    at: "15:31",
    says: /goaway does not fit handshakeError: before the handshake/,
  },
  {
    title: "a ban with HTTP/2 before any request",
    text: policy("    escalation: [{after: 5, within: 60s, action: refuseStream, ban: 1m}]\n"),
    at: "15:50",
    says: /refuseStream needs a request, and a ban by client comes before any/,
  },
  {
    title: "an answer before the handshake",
    text: policy("    session: {handshakeTimeout: respond}\n"),
    at: "15:33",
    says: /respond does not fit handshakeTimeout: before the handshake/,
  },
  {
    title: "a status of success",
    text: policy("    session: {rateLimited: {action: respond, status: 200}}\n"),
    at: "15:54",
    says: /from 400 to 599/,
  },
  {
    title: "a status that nobody sees",
    text: policy("    session: {rateLimited: {action: abort, status: 429}}\n"),
    at: "15:44",
    says: /status has no effect with abort/,
  },
  {
    title: "a tarpit for ever",
    text: policy("    session: {rateLimited: {action: tarpit, delay: 1h}}\n"),
    at: "15:52",
    says: /from 100ms to 5m/,
  },
  {
    title: "an escalation without a ban",
    text: policy("    escalation: [{after: 5, within: 60s, action: abort}]\n"),
    at: "15:18",
    says: /missing key "ban"/,
  },
  {
    title: "an escalation that counts nothing",
    text: policy("    escalation: [{after: 0, within: 60s, action: abort, ban: 1m}]\n"),
    at: "15:26",
    says: /whole number from 1/,
  },
  {
    title: "a rate over no time",
    text: policy("    rateLimit: {requests: 5, per: 0s}\n"),
    at: "15:35",
    says: /more than 0s/,
  },
  // The process
  {
    title: "an admin address for everybody without a token",
    text: `${SOUND}admin: {address: 0.0.0.0:9901}\n`,
    at: "13:18",
    says: /needs admin.token/,
    suggests: "127.0.0.1:9901",
  },
  {
    title: "a vendor engine without its library",
    text: `${SOUND}offload: {engine: vendor}\n`,
    at: "13:1",
    says: /missing key "library"/,
  },
  {
    title: "a device's address without a port",
    text: `${SOUND}offload: {engine: device, ipc: {address: localhost}}\n`,
    at: "13:42",
    says: /expected host:port or iceoryx:NAME/,
    suggests: "localhost:32847",
  },
  {
    title: "a device's address with a port that cannot be",
    text: `${SOUND}offload: {engine: device, ipc: {address: "localhost:65536"}}\n`,
    at: "13:42",
    says: /expected host:port or iceoryx:NAME/,
    suggests: "localhost:32847",
  },
  {
    title: "an iceoryx name that is none",
    text: `${SOUND}offload: {engine: device, ipc: {address: "iceoryx:a/b"}}\n`,
    at: "13:42",
    says: /expected host:port or iceoryx:NAME/,
    suggests: "localhost:32847",
  },
  {
    title: "a device's index that cannot be",
    text: `${SOUND}offload: {engine: device, ipc: {index: 256}}\n`,
    at: "13:40",
    says: /from 0 to 255/,
  },
  {
    title: "an unknown key beside a device's address",
    text: `${SOUND}offload: {engine: device, ipc: {adress: "localhost:1"}}\n`,
    at: "13:33",
    says: /unknown key "adress"/,
    suggests: "address",
  },
  {
    title: "where a device is, for an engine that has none",
    text: `${SOUND}offload: {ipc: {index: 1}}\n`,
    at: "13:11",
    says: /ipc has no effect with engine kernel; expected engine: device/,
  },
  {
    title: "an unknown engine",
    text: `${SOUND}offload: {engine: kernal}\n`,
    at: "13:19",
    says: /expected kernel, device or vendor/,
    suggests: "kernel",
  },
]);
