// SPDX-License-Identifier: Apache-2.0
// Every mistake has its place, says what was expected, and names the nearest thing that would have been right.
import assert from "node:assert/strict";
import { test } from "node:test";
import { onlyErrorOf, SOUND } from "./config_text.ts";

interface Mistake {
  readonly title: string;
  readonly text: string;
  readonly at: string; // line:column
  readonly says: RegExp;
  readonly suggests?: string;
  readonly env?: Record<string, string>;
}

const edit = (from: string, to: string): string => {
  if (!SOUND.includes(from)) throw new Error(`nothing to edit: ${from}`);
  return SOUND.replace(from, () => to);
};
const route = (lines: string): string => edit("    backendRefs:\n      - name: app\n", lines);
const match = (lines: string): string => edit("  - name: all\n", `  - name: all\n    matches:\n${lines}`);
const filter = (line: string): string =>
  edit("  - name: all\n", `  - name: all\n    filters:\n      - ${line}\n`);
const policy = (lines: string): string => `${SOUND}policies:\n  p:\n${lines}`;
const https = (lines: string): string => edit("    protocol: http\n", `    protocol: https\n${lines}`);

const MISTAKES: readonly Mistake[] = [
  // The text
  { title: "an empty file", text: "", at: "1:1", says: /expected a map .* got an empty file/ },
  { title: "a list instead of a map", text: "- a\n", at: "1:1", says: /expected a map of keys/ },
  {
    title: "a tab as indentation",
    text: "listeners:\n\tweb: 1\n",
    at: "2:1",
    says: /tab used for indentation/,
  },
  { title: "an unclosed quote", text: 'workers: "4\n', at: "2:1", says: /missing closing "quote/i },
  { title: "an unclosed list", text: `${SOUND}admin: {address: [\n`, at: "14:1", says: /flow/i },
  { title: "a second document", text: `${SOUND}---\na: 1\n`, at: "13:1", says: /second document/ },
  {
    title: "a duplicate key",
    text: edit("    protocol: http\n", "    protocol: http\n    protocol: http\n"),
    at: "5:5",
    says: /duplicate key "protocol"/,
  },
  { title: "an unknown anchor", text: edit("127.0.0.1:0", "*adress"), at: "3:14", says: /no anchor &adress/ },
  {
    title: "a misspelt anchor",
    text: edit(
      "    address: 127.0.0.1:0\n    protocol: http",
      "    address: &address 127.0.0.1:0\n    protocol: *adress",
    ),
    at: "4:15",
    says: /no anchor &adress/,
    suggests: "*address",
  },
  {
    title: "an alias to what it is inside of",
    text: "admin: &a\n  x: *a\n",
    at: "2:6",
    says: /no anchor &a before/,
  },
  { title: "a tag", text: edit("127.0.0.1:0", "!ip 127.0.0.1:0"), at: "3:14", says: /tags/ },
  // Keys and types
  {
    title: "an unknown section",
    text: `${SOUND}listners: {}\n`,
    at: "13:1",
    says: /unknown key "listners"/,
    suggests: "listeners",
  },
  {
    title: "an unknown key in a listener",
    text: edit("    address:", "    adress: x\n    address:"),
    at: "3:5",
    says: /unknown key "adress"/,
    suggests: "address",
  },
  {
    title: "a key of a later version",
    text: edit("    protocol: http\n", "    protocol: http\n    http2: {}\n"),
    at: "5:5",
    says: /"http2" is not supported yet/,
  },
  {
    title: "a protocol of a later version",
    text: edit("protocol: http", "protocol: tcp"),
    at: "4:15",
    says: /tcp is not supported yet/,
  },
  {
    title: "a missing key",
    text: edit("    address: 127.0.0.1:0\n", ""),
    at: "2:3",
    says: /missing key "address"/,
  },
  {
    title: "a missing section",
    text: "listeners:\n  web: {address: ':0', protocol: http}\n",
    at: "1:1",
    says: /missing key "routes"/,
  },
  {
    title: "a list where a map belongs",
    text: edit("upstreams:\n  app:", "upstreams:\n  - app:"),
    at: "10:3",
    says: /expected a map of keys, got a list/,
  },
  {
    title: "a map where a list belongs",
    text: edit("  - name: all\n    backendRefs:\n      - name: app\n", "  name: all\n"),
    at: "6:3",
    says: /expected a list of routes.* got a map/,
  },
  {
    title: "a misspelt enumeration",
    text: edit("protocol: http", "protocol: htps"),
    at: "4:15",
    says: /expected https or http, got "htps"/,
    suggests: "https",
  },
  {
    title: "a word for a number",
    text: `${SOUND}workers: many\n`,
    at: "13:10",
    says: /expected auto or a whole number from 1 to 256, got "many"/,
  },
  {
    title: "a number out of range",
    text: `${SOUND}workers: 0\n`,
    at: "13:10",
    says: /expected auto or a whole number/,
  },
  {
    title: "yes for true",
    text: `${SOUND}accessLog: {enabled: yes}\n`,
    at: "13:22",
    says: /expected true or false/,
    suggests: "true",
  },
  {
    title: "a number for a text",
    text: edit("name: all", "name: 8080"),
    at: "6:11",
    says: /got 8080/,
    suggests: '"8080"',
  },
  { title: "a bad name", text: SOUND.replaceAll("app", "-app"), at: "10:3", says: /bad name "-app"/ },
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
  // References
  {
    title: "an unknown upstream",
    text: edit("- name: app", "- name: ap"),
    at: "8:15",
    says: /there is no upstream "ap"/,
    suggests: "app",
  },
  {
    title: "an unknown listener",
    text: edit("  - name: all\n", "  - name: all\n    listeners: [wbe]\n"),
    at: "7:17",
    says: /there is no listener "wbe"/,
    suggests: "web",
  },
  {
    title: "an unknown policy",
    text: `${edit("    protocol: http\n", "    protocol: http\n    policy: strct\n")}policies: {strict: {}}\n`,
    at: "5:13",
    says: /there is no policy "strct"/,
    suggests: "strict",
  },
  {
    title: "an unknown certificate",
    text: `${https("    tls: {certificates: [locl]}\n")}certificates: {local: {selfSigned: true}}\n`,
    at: "5:26",
    says: /there is no certificate "locl"/,
    suggests: "local",
  },
  {
    title: "a route named twice",
    text: edit("upstreams:", "  - name: all\n    backendRefs: [{name: app}]\nupstreams:"),
    at: "9:11",
    says: /routes\[0\] is named "all" already/,
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
    title: "HTTP/2 in ALPN",
    text: `${https("    tls: {certificates: [c], alpn: [h2]}\n")}certificates: {c: {selfSigned: true}}\n`,
    at: "5:37",
    says: /h2 is not supported yet/,
  },
  {
    title: "different tickets on two listeners",
    text: `listeners:\n  a: {address: ":0", protocol: https, tls: {certificates: [c]}}\n  b: {address: ":0", protocol: https, tls: {certificates: [c], tickets: {rotation: 1h}}}\ncertificates: {c: {selfSigned: true}}\nroutes: []\n`,
    at: "3:64",
    says: /differs from listener "a"/,
  },
  // Routes
  { title: "no backend", text: route(""), at: "6:5", says: /expected at least one backendRef/ },
  {
    title: "an empty list of backends",
    text: route("    backendRefs: []\n"),
    at: "7:5",
    says: /expected at least one backendRef/,
  },
  {
    title: "weights that are all zero",
    text: edit("- name: app", "- {name: app, weight: 0}"),
    at: "7:5",
    says: /all weights are 0/,
  },
  {
    title: "a negative weight",
    text: edit("- name: app", "- {name: app, weight: -1}"),
    at: "8:29",
    says: /expected a whole number from 0/,
  },
  {
    title: "a redirect with backends",
    text: filter("requestRedirect: {scheme: https}"),
    at: "9:5",
    says: /a route that redirects has no backendRefs/,
  },
  {
    title: "a host with a port",
    text: edit("  - name: all\n", "  - name: all\n    hostnames: [example.org:443]\n"),
    at: "7:17",
    says: /bad host name "example.org:443"/,
    suggests: "example.org",
  },
  {
    title: "a wildcard in the middle",
    text: edit("  - name: all\n", '  - name: all\n    hostnames: ["a.*.org"]\n'),
    at: "7:17",
    says: /bad host name/,
  },
  {
    title: "a lone star for any host",
    text: edit("  - name: all\n", '  - name: all\n    hostnames: ["*"]\n'),
    at: "7:17",
    says: /leaving hostnames out/,
  },
  {
    title: "a host given twice in two spellings",
    text: edit("  - name: all\n", "  - name: all\n    hostnames: [A.org, a.org.]\n"),
    at: "7:24",
    says: /host name "a.org" is given twice/,
  },
  {
    title: "a path without its slash",
    text: match("      - path: {value: api}\n"),
    at: "8:23",
    says: /starts with \//,
    suggests: "/api",
  },
  {
    title: "a path that no request has",
    text: match("      - path: {value: /a/../b}\n"),
    at: "8:23",
    says: /never matches/,
  },
  {
    title: "a lookahead",
    text: match('      - path: {type: RegularExpression, value: "/(?!a)"}\n'),
    at: "8:48",
    says: /lookahead .* at character 2/,
  },
  {
    title: "a backreference",
    text: match("      - path: {type: RegularExpression, value: '/(a)\\1'}\n"),
    at: "8:48",
    says: /backreferences/,
  },
  {
    title: "an unclosed group",
    text: match('      - path: {type: RegularExpression, value: "/(a"}\n'),
    at: "8:48",
    says: /bad regular expression: unterminated group/,
  },
  {
    title: "a match type of another case",
    text: match("      - path: {type: pathPrefix, value: /}\n"),
    at: "8:22",
    says: /expected Exact, PathPrefix or RegularExpression/,
    suggests: "PathPrefix",
  },
  {
    title: "a method in lower case",
    text: match("      - method: get\n"),
    at: "8:17",
    says: /expected a method in capitals/,
  },
  {
    title: "a header to match with a space",
    text: match("      - headers: [{name: a b, value: c}]\n"),
    at: "8:26",
    says: /expected a field name/,
  },
  // Filters
  {
    title: "a filter of two kinds",
    text: filter("{urlRewrite: {hostname: a.org}, responseHeaderModifier: {remove: [a]}}"),
    at: "8:9",
    says: /expected exactly one of/,
  },
  {
    title: "a filter of a later version",
    text: filter("requestMirror: {}"),
    at: "8:9",
    says: /"requestMirror" is not supported yet/,
  },
  {
    title: "a filter whose type is another",
    text: filter("{type: RequestRedirect, urlRewrite: {hostname: a.org}}"),
    at: "8:16",
    says: /type does not fit urlRewrite/,
    suggests: "URLRewrite",
  },
  {
    title: "setting Host",
    text: filter("requestHeaderModifier: {set: [{name: Host, value: a}]}"),
    at: "8:46",
    says: /Host cannot be modified.*urlRewrite.hostname/,
  },
  {
    title: "adding Content-Length",
    text: filter("requestHeaderModifier: {add: [{name: content-length, value: '1'}]}"),
    at: "8:46",
    says: /content-length cannot be modified/,
  },
  {
    title: "removing Transfer-Encoding",
    text: filter("responseHeaderModifier: {remove: [Transfer-Encoding]}"),
    at: "8:43",
    says: /Transfer-Encoding cannot be modified/,
  },
  {
    title: "setting Connection",
    text: filter("responseHeaderModifier: {set: [{name: Connection, value: close}]}"),
    at: "8:47",
    says: /Connection cannot be modified/,
  },
  {
    title: "a line break in a value",
    text: filter('responseHeaderModifier: {set: [{name: A, value: "b\\r\\nc: d"}]}'),
    at: "8:57",
    says: /cannot hold a line break/,
  },
  {
    title: "a field name that is none",
    text: filter('responseHeaderModifier: {set: [{name: "A:", value: b}]}'),
    at: "8:47",
    says: /expected a field name/,
  },
  {
    title: "a prefix rewrite of an exact match",
    text: edit(
      "  - name: all\n",
      "  - name: all\n    matches: [{path: {type: Exact, value: /a}}]\n    filters:\n      - urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}\n",
    ),
    at: "9:35",
    says: /needs matches of type PathPrefix only/,
  },
  {
    title: "a rewrite without its value",
    text: filter("urlRewrite: {path: {type: ReplaceFullPath}}"),
    at: "8:22",
    says: /missing key "replaceFullPath"/,
  },
  // Upstreams
  {
    title: "a server without a scheme",
    text: edit("http://127.0.0.1:9000", "127.0.0.1:9000"),
    at: "12:14",
    says: /expected a URL/,
    suggests: "http://127.0.0.1:9000",
  },
  {
    title: "an https server",
    text: edit("http://127.0.0.1:9000", "https://127.0.0.1:9000"),
    at: "12:14",
    says: /not supported yet/,
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
  {
    title: "TLS to an upstream",
    text: `${SOUND}    tls: {}\n`,
    at: "13:5",
    says: /"tls" is not supported yet/,
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
    title: "an action of HTTP/2",
    text: policy("    session: {overload: {action: goaway}}\n"),
    at: "15:34",
    says: /goaway is not supported yet/,
  },
  {
    title: "an action of HTTP/2 in short",
    text: policy("    session: {overload: refuseStream}\n"),
    at: "15:25",
    says: /refuseStream is not supported yet/,
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
    title: "a device engine without its address",
    text: `${SOUND}offload: {engine: device}\n`,
    at: "13:1",
    says: /missing key "ipc"/,
  },
  {
    title: "an unknown engine",
    text: `${SOUND}offload: {engine: kernal}\n`,
    at: "13:19",
    says: /expected kernel, device or vendor/,
    suggests: "kernel",
  },
  // The environment
  {
    title: "a variable that is not set",
    text: edit("127.0.0.1:0", "${ADDRES}"),
    at: "3:14",
    says: /environment variable ADDRES is not set/,
    suggests: "${ADDRESS}",
    env: { ADDRESS: "127.0.0.1:0" },
  },
  {
    title: "a broken reference to a variable",
    text: edit("127.0.0.1:0", "${ADDRESS"),
    at: "3:14",
    says: /malformed/,
  },
];

for (const { title, text, at, says, suggests, env } of MISTAKES) {
  test(`a mistake is named: ${title}`, async () => {
    const error = await onlyErrorOf(text, env);
    assert.equal(`${error.line}:${error.column}`, at, error.toString());
    assert.match(error.message, says);
    assert.equal(error.suggestion, suggests);
    assert.ok(error.toString().startsWith(`edge.yaml:${at}: `));
  });
}
