// SPDX-License-Identifier: Apache-2.0
// Mistakes in a configuration: what is spoken on a listener, and what its routes can mean.
import { SOUND } from "./config_text.ts";
import { edit, https, testMistakes } from "./mistake.ts";

const CERTIFICATE = "certificates: {c: {selfSigned: true}}\n";
const listener = (line: string): string => edit("    protocol: http\n", `    protocol: http\n    ${line}\n`);
const secure = (line: string): string =>
  `${https(`    tls: {certificates: [c]}\n    ${line}\n`)}${CERTIFICATE}`;

/** A tcp or tls listener (line 3), a route to it (line 5) and its upstream (line 8). */
const bytes = (options: { listener?: string; route?: string; server?: string; more?: string } = {}): string =>
  `listeners:
  web: {address: ":0", protocol: http}
  raw: {address: ":0", ${options.listener ?? "protocol: tcp"}}
routes:
  - {name: raw, listeners: [raw], backendRefs: [{name: db}]${options.route ?? ""}}
  - {name: web, backendRefs: [{name: app}]}
upstreams:
  db: {servers: [{url: "${options.server ?? "tcp://10.0.0.1:5432"}"}]}
  app: {servers: [{url: "http://10.0.0.2"}]}
${options.more ?? ""}`;

testMistakes([
  // HTTP/2
  {
    title: "h2 offered and switched off",
    text: `${https("    tls: {certificates: [c], alpn: [h2, http/1.1]}\n    http2: {enabled: false}\n")}${CERTIFICATE}`,
    at: "6:22",
    says: /http2.enabled is false, but tls.alpn offers h2/,
  },
  {
    title: "h2 switched on and not offered",
    text: `${https("    tls: {certificates: [c], alpn: [http/1.1]}\n    http2: {enabled: true}\n")}${CERTIFICATE}`,
    at: "6:22",
    says: /http2.enabled is true, but tls.alpn does not offer h2/,
  },
  {
    title: "h2 offered by a listener and switched off for all",
    text: `${https("    tls: {certificates: [c], alpn: [h2]}\n")}${CERTIFICATE}defaults: {listener: {http2: {enabled: false}}}\n`,
    at: "5:36",
    says: /http2.enabled is false, but tls.alpn offers h2/,
  },
  {
    title: "a protocol that HTTP does not have",
    text: `${https("    tls: {certificates: [c], alpn: [h2, http1.1]}\n")}${CERTIFICATE}`,
    at: "5:41",
    says: /an https listener speaks h2 and http\/1.1, not http1.1/,
    suggests: "http/1.1",
  },
  {
    title: "a protocol offered twice",
    text: `${https("    tls: {certificates: [c], alpn: [h2, h2]}\n")}${CERTIFICATE}`,
    at: "5:41",
    says: /protocol "h2" is given twice/,
  },
  {
    title: "no protocol offered",
    text: `${https("    tls: {certificates: [c], alpn: []}\n")}${CERTIFICATE}`,
    at: "5:36",
    says: /expected at least one of h2 and http\/1.1/,
  },
  {
    title: "a window smaller than RFC 9113 has",
    text: secure("http2: {initialStreamWindowSize: 16KiB}"),
    at: "6:38",
    says: /expected a size from 65535B to 2147483647B/,
  },
  {
    title: "a window larger than RFC 9113 has",
    text: listener("http2: {initialConnectionWindowSize: 2GiB}"),
    at: "5:42",
    says: /expected a size from 65535B to 2147483647B/,
  },
  {
    title: "streams without a bound",
    text: listener("http2: {maxConcurrentStreams: 0}"),
    at: "5:35",
    says: /expected a whole number from 1 to 1000/,
  },
  {
    title: "a budget of nothing",
    text: listener("http2: {resetBudget: {burst: 0}}"),
    at: "5:34",
    says: /expected a whole number from 1/,
  },
  {
    title: "a misspelt budget",
    text: listener("http2: {controlBudget: {burst: 5}}"),
    at: "5:13",
    says: /unknown key "controlBudget"/,
  },
  // PROXY protocol and tunnels
  {
    title: "a PROXY header from nobody",
    text: listener("proxyProtocol: {trustedCIDRs: []}"),
    at: "5:35",
    says: /expected a list of at least one network/,
  },
  {
    title: "a PROXY header without saying from whom",
    text: listener("proxyProtocol: {}"),
    at: "5:5",
    says: /missing key "trustedCIDRs"/,
  },
  {
    title: "a PROXY header from a name",
    text: listener("proxyProtocol: {trustedCIDRs: [balancer]}"),
    at: "5:36",
    says: /expected a network such as/,
  },
  {
    title: "a tunnel that idles for ages",
    text: listener("timeouts: {tunnelIdle: 1000d}"),
    at: "5:28",
    says: /at most a year/,
  },
  // tcp and tls
  {
    title: "tls without tls",
    text: bytes({ listener: "protocol: tls" }),
    at: "3:3",
    says: /missing key "tls": a tls listener needs tls.certificates, or tls.mode: Passthrough/,
  },
  {
    title: "tls without certificates",
    text: bytes({ listener: "protocol: tls, tls: {}" }),
    at: "3:39",
    says: /missing key "certificates"/,
  },
  {
    title: "tcp with tls",
    text: bytes({ listener: "protocol: tcp, tls: {certificates: [c]}", more: CERTIFICATE }),
    at: "3:39",
    says: /a tcp listener has no tls; expected protocol: tls/,
  },
  {
    title: "certificates where TLS is passed through",
    text: bytes({
      listener: "protocol: tls, tls: {mode: Passthrough, certificates: [c]}",
      more: CERTIFICATE,
    }),
    at: "3:64",
    says: /certificates has no effect where TLS is passed through/,
  },
  {
    title: "requests out of TLS that is passed through",
    text: `${https("    tls: {mode: Passthrough}\n")}`,
    at: "5:17",
    says: /an https listener has to end TLS to read requests/,
  },
  {
    title: "a misspelt mode",
    text: bytes({ listener: "protocol: tls, tls: {mode: Pasthrough}" }),
    at: "3:51",
    says: /expected Terminate or Passthrough/,
    suggests: "Passthrough",
  },
  {
    title: "HTTP/2 on a tcp listener",
    text: bytes({ listener: "protocol: tcp, http2: {enabled: true}" }),
    at: "3:39",
    says: /http2 has no effect on a tcp listener: it forwards bytes, not requests/,
  },
  {
    title: "a limit of requests on a tcp listener",
    text: bytes({ listener: "protocol: tcp, timeouts: {idle: 5s}" }),
    at: "3:50",
    says: /timeouts.idle has no effect on a tcp listener/,
  },
  // Routes
  {
    title: "a route for requests and bytes",
    text: bytes({}).replace("listeners: [raw]", "listeners: [web, raw]"),
    at: "5:34",
    says: /a route leads requests or bytes, not both: "web" is http, "raw" is tcp/,
  },
  {
    title: "a path where there are bytes",
    text: bytes({ route: ", matches: [{path: {value: /a}}]" }),
    at: "5:62",
    says: /matches has no effect where bytes are forwarded \(listener "raw" is tcp\)/,
  },
  {
    title: "a redirect where there are bytes",
    text: bytes({ route: ", filters: [{requestHeaderModifier: {remove: [a]}}]" }),
    at: "5:62",
    says: /filters has no effect where bytes are forwarded/,
  },
  {
    title: "a retry where there are bytes",
    text: bytes({ route: ", retry: {attempts: 2}" }),
    at: "5:62",
    says: /retry has no effect where bytes are forwarded/,
  },
  {
    title: "a timeout of requests where there are bytes",
    text: bytes({ route: ", timeouts: {request: 2s}" }),
    at: "5:62",
    says: /timeouts has no effect where bytes are forwarded/,
  },
  {
    title: "a host where nobody says one",
    text: bytes({ route: ", hostnames: [db.example.org]" }),
    at: "5:62",
    says: /listener "raw" is tcp and learns no host names/,
  },
  {
    title: "bytes to servers of requests",
    text: bytes({ server: "http://10.0.0.1:5432" }),
    at: "5:56",
    says: /upstream "db" has http:\/\/ servers, which take requests, not bytes/,
  },
  {
    title: "requests to servers of bytes",
    text: edit("http://127.0.0.1:9000", "tcp://127.0.0.1:9000"),
    at: "8:15",
    says: /upstream "app" has tcp:\/\/ servers, which take bytes, not requests/,
  },
  {
    title: "TLS within TLS",
    text: bytes({ listener: "protocol: tls, tls: {mode: Passthrough}", server: "tls://10.0.0.1:443" }),
    at: "5:56",
    says: /TLS within TLS; expected tcp:\/\/ servers/,
  },
  {
    title: "a route on every listener where none takes requests",
    text: `listeners:
  raw: {address: ":0", protocol: tcp}
routes:
  - {name: raw, backendRefs: [{name: db}]}
upstreams:
  db: {servers: [{url: "tcp://10.0.0.1:5432"}]}
`,
    at: "4:5",
    says: /missing key "listeners": without it a route is on every http and https listener/,
  },
  {
    title: "a default for a listener that is no setting",
    text: `${SOUND}defaults: {listener: {http2: {enabld: true}}}\n`,
    at: "13:31",
    says: /unknown key "enabld"/,
    suggests: "enabled",
  },
]);
