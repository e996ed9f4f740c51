// SPDX-License-Identifier: Apache-2.0
// Mistakes in a configuration: routes, filters and references.
import { edit, filter, https, match, route, testMistakes } from "./mistake.ts";

testMistakes([
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
]);
