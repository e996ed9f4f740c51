// SPDX-License-Identifier: Apache-2.0
// Mistakes in a configuration: how the servers of an upstream are reached.
import { SOUND } from "./config_text.ts";
import { edit, testMistakes } from "./mistake.ts";

const servers = (...urls: string[]): string =>
  edit("      - url: http://127.0.0.1:9000\n", urls.map((url) => `      - url: ${url}\n`).join(""));
/** One server (line 12) and one more line (13) of its upstream. */
const upstream = (url: string, line: string): string => `${servers(url)}    ${line}\n`;
const secure = (line: string): string => upstream("https://10.0.0.1", line);

testMistakes([
  // Schemes
  {
    title: "a scheme for WebSocket",
    text: servers("wss://10.0.0.1"),
    at: "12:14",
    says: /wss is no scheme here: WebSocket begins as HTTP/,
    suggests: "https://10.0.0.1",
  },
  {
    title: "a scheme for gRPC",
    text: servers("grpc://10.0.0.1:50051"),
    at: "12:14",
    says: /gRPC without TLS is protocol: h2c/,
    suggests: "http://10.0.0.1:50051",
  },
  {
    title: "an unknown scheme",
    text: servers("ftp://10.0.0.1"),
    at: "12:14",
    says: /expected http:\/\/, https:\/\/, tcp:\/\/ or tls:\/\//,
  },
  {
    title: "bytes without a port",
    text: servers("tcp://10.0.0.1"),
    at: "12:14",
    says: /expected tcp:\/\/host:port: bytes have no usual port/,
  },
  {
    title: "plain and secure servers together",
    text: servers("http://10.0.0.1", "https://10.0.0.2"),
    at: "13:14",
    says: /reached alike: https:\/\/ does not go with http:\/\//,
  },
  {
    title: "a socket among secure servers",
    text: servers("unix:/run/a.sock", "https://10.0.0.2"),
    at: "12:14",
    says: /reached alike/,
  },
  // Protocols
  {
    title: "an unknown protocol",
    text: `${SOUND}    protocol: http2\n`,
    at: "13:15",
    says: /expected http1, h2c, h2 or auto/,
    suggests: "http1",
  },
  {
    title: "HTTP/2 of TLS without TLS",
    text: `${SOUND}    protocol: h2\n`,
    at: "13:15",
    says: /h2 needs https:\/\/ servers, not http:\/\//,
    suggests: "h2c",
  },
  {
    title: "ALPN without TLS",
    text: upstream("unix:/run/a.sock", "protocol: auto"),
    at: "13:15",
    says: /auto needs https:\/\/ servers, not unix:/,
    suggests: "h2c",
  },
  {
    title: "HTTP/2 without TLS over TLS",
    text: secure("protocol: h2c"),
    at: "13:15",
    says: /h2c needs http:\/\/ or unix: servers, not https:\/\//,
    suggests: "h2",
  },
  {
    title: "settings of HTTP/2 without HTTP/2",
    text: `${SOUND}    http2: {maxConcurrentStreams: 5}\n`,
    at: "13:5",
    says: /http2 has no effect with protocol http1/,
  },
  {
    title: "a window smaller than RFC 9113 has",
    text: secure("http2: {initialStreamWindowSize: 1KiB}"),
    at: "13:38",
    says: /expected a size from 65535B to 2147483647B/,
  },
  {
    title: "a PROXY header of an unknown version",
    text: `${SOUND}    proxyProtocol: v3\n`,
    at: "13:20",
    says: /expected v1 or v2/,
    suggests: "v1",
  },
  {
    title: "a PROXY header for the built-in service",
    text: upstream("builtin:demo", "proxyProtocol: v2"),
    at: "13:5",
    says: /the built-in service reads no PROXY header/,
  },
  // TLS
  {
    title: "TLS to plain servers",
    text: `${SOUND}    tls: {}\n`,
    at: "13:5",
    says: /tls has no effect with http:\/\/ servers; expected https:\/\//,
  },
  {
    title: "authorities that nobody asks",
    text: secure("tls: {ca: ca.pem, insecureSkipVerify: true}"),
    at: "13:11",
    says: /ca has no effect with insecureSkipVerify: true/,
  },
  {
    title: "pinned names that nobody looks at",
    text: secure("tls: {subjectAltNames: [a.example.org], insecureSkipVerify: true}"),
    at: "13:11",
    says: /subjectAltNames has no effect with insecureSkipVerify: true/,
  },
  {
    title: "an address for SNI",
    text: secure("tls: {serverName: 10.0.0.1}"),
    at: "13:23",
    says: /SNI holds no addresses/,
  },
  {
    title: "a wildcard for SNI",
    text: secure('tls: {serverName: "*.example.org"}'),
    at: "13:23",
    says: /expected one exact host name/,
  },
  {
    title: "a pinned wildcard",
    text: secure('tls: {subjectAltNames: ["*.example.org"]}'),
    at: "13:29",
    says: /expected an exact host name or an IP address/,
  },
  {
    title: "a client certificate without its key",
    text: secure("tls: {certFile: a.pem}"),
    at: "13:5",
    says: /missing key "keyFile"/,
  },
  {
    title: "a client certificate that is not there",
    text: secure("tls: {certFile: /nowhere/a.pem, keyFile: /nowhere/a.key}"),
    at: "13:21",
    says: /cannot read \/nowhere\/a.pem: no such file/,
  },
  {
    title: "authorities that are not there",
    text: secure("tls: {ca: /nowhere/ca.pem}"),
    at: "13:15",
    says: /cannot read \/nowhere\/ca.pem: no such file/,
  },
  {
    title: "a misspelt key of TLS",
    text: secure("tls: {insecureSkipverify: true}"),
    at: "13:11",
    says: /unknown key "insecureSkipverify"/,
    suggests: "insecureSkipVerify",
  },
  {
    title: "an old version of TLS",
    text: secure('tls: {minVersion: "1.1"}'),
    at: "13:23",
    says: /expected "1.2" or "1.3"/,
    suggests: "1.2",
  },
  // Bytes
  {
    title: "a pool of connections that belong to clients",
    text: `listeners:
  raw: {address: ":0", protocol: tcp}
routes:
  - {name: raw, listeners: [raw], backendRefs: [{name: db}]}
upstreams:
  db: {servers: [{url: "tcp://10.0.0.1:5432"}], connectionPool: {maxIdle: 5}}
`,
    at: "6:66",
    says: /connectionPool.maxIdle has no effect with tcp:\/\/ servers/,
  },
]);
