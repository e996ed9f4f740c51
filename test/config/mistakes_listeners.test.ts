// SPDX-License-Identifier: Apache-2.0
// Mistakes in a configuration: listeners, certificates, quantities.
import { SOUND } from "./config_text.ts";
import { edit, https, policy, testMistakes } from "./mistake.ts";

testMistakes([
  // Quantities
  {
    title: "a duration without a unit",
    text: edit("    protocol: http\n", "    protocol: http\n    timeouts: {idle: 60}\n"),
    at: "5:22",
    says: /expected a duration such as/,
    suggests: '"60"',
  },
  {
    title: "a duration with a wrong unit",
    text: edit("    protocol: http\n", "    protocol: http\n    timeouts: {idle: 60sec}\n"),
    at: "5:22",
    says: /expected a duration such as/,
  },
  {
    title: "a duration of ages",
    text: edit("    protocol: http\n", "    protocol: http\n    timeouts: {idle: 999999d}\n"),
    at: "5:22",
    says: /at most a year/,
  },
  {
    title: "a deadline switched off that protects",
    text: edit("    protocol: http\n", "    protocol: http\n    timeouts: {requestHeaders: 0s}\n"),
    at: "5:32",
    says: /more than 0s/,
  },
  {
    title: "a size with a wrong unit",
    text: edit("    protocol: http\n", "    protocol: http\n    limits: {headBytes: 16KB}\n"),
    at: "5:25",
    says: /expected a size such as/,
  },
  {
    title: "a size out of bounds",
    text: edit("    protocol: http\n", "    protocol: http\n    limits: {headBytes: 2MiB}\n"),
    at: "5:25",
    says: /1KiB to 256KiB/,
  },
  // Addresses
  {
    title: "a listener that is only a port",
    text: edit("127.0.0.1:0", '"8080"'),
    at: "3:14",
    says: /expected IP:port/,
    suggests: '":8080"',
  },
  {
    title: "a listener on a name",
    text: edit("127.0.0.1:0", "localhost:8080"),
    at: "3:14",
    says: /expected IP:port/,
    suggests: "127.0.0.1:8080",
  },
  {
    title: "a port that does not exist",
    text: edit("127.0.0.1:0", "127.0.0.1:70000"),
    at: "3:14",
    says: /expected IP:port/,
  },
  {
    title: "the same address twice",
    text: edit(
      "127.0.0.1:0\n    protocol: http\n",
      '":8080"\n    protocol: http\n  other:\n    address: 0.0.0.0:8080\n    protocol: http\n',
    ),
    at: "6:14",
    says: /listener "web" has this address already/,
  },
  {
    title: "a bad network",
    text: policy("    ipDeny: [10.0.0.0/33]\n"),
    at: "15:14",
    says: /expected a network such as/,
  },
  {
    title: "a bad trusted network",
    text: edit(
      "    protocol: http\n",
      "    protocol: http\n    forwardedHeaders: {trustedCIDRs: [internal]}\n",
    ),
    at: "5:39",
    says: /expected a network/,
  },
  // TLS
  { title: "https without tls", text: https(""), at: "2:3", says: /missing key "tls"/ },
  {
    title: "http with tls",
    text: `${edit("    protocol: http\n", "    protocol: http\n    tls: {certificates: [c]}\n")}certificates: {c: {selfSigned: true}}\n`,
    at: "5:5",
    says: /an http listener has no tls/,
  },
  {
    title: "client certificates without authorities",
    text: `${https("    tls:\n      certificates: [c]\n      clientAuth: {mode: require}\n")}certificates: {c: {selfSigned: true}}\n`,
    at: "7:7",
    says: /missing key "ca"/,
  },
  {
    title: "authorities that are not there",
    text: `${https("    tls:\n      certificates: [c]\n      clientAuth: {mode: require, ca: /nowhere/ca.pem}\n")}certificates: {c: {selfSigned: true}}\n`,
    at: "7:39",
    says: /cannot read \/nowhere\/ca.pem: no such file/,
  },
  {
    title: "a certificate that is not there",
    text: `${SOUND}certificates:\n  c: {certFile: /nowhere/a.pem, keyFile: /nowhere/a.key}\n`,
    at: "14:17",
    says: /cannot read \/nowhere\/a.pem: no such file/,
  },
  {
    title: "a certificate without a key",
    text: `${SOUND}certificates:\n  c:\n    certFile: a.pem\n`,
    at: "14:3",
    says: /missing key "keyFile"/,
  },
  {
    title: "a certificate of nothing",
    text: `${SOUND}certificates:\n  c: {}\n`,
    at: "14:3",
    says: /expected certFile with keyFile, or selfSigned: true/,
  },
  {
    title: "a certificate from a later version",
    text: `${SOUND}certificates:\n  c: {acme: {}}\n`,
    at: "14:7",
    says: /"acme" is not supported yet/,
  },
  {
    title: "different tickets on two listeners",
    text: `listeners:\n  a: {address: ":0", protocol: https, tls: {certificates: [c]}}\n  b: {address: ":0", protocol: https, tls: {certificates: [c], tickets: {rotation: 1h}}}\ncertificates: {c: {selfSigned: true}}\nroutes: []\n`,
    at: "3:64",
    says: /differs from listener "a"/,
  },
]);
