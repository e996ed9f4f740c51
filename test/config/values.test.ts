// SPDX-License-Identifier: Apache-2.0
// The small parsers of values: durations, sizes, addresses, networks, hosts, patterns, field names, suggestions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ACTIONS, actionRefused, defaultActions, resolveAction, TRIGGERS } from "../../src/config/actions.ts";
import { isLoopback, parseListenAddress, parseNetwork } from "../../src/config/addresses.ts";
import { fieldNameProblem, fieldValueProblem } from "../../src/config/fields.ts";
import { hostnameCovers, normaliseHostname } from "../../src/config/hostnames.ts";
import { regexProblem } from "../../src/config/regex.ts";
import { parseServerUrl, reachOfAll } from "../../src/config/server_url.ts";
import { nearest } from "../../src/config/suggest.ts";
import { parseDuration, parseSize } from "../../src/config/units.ts";

test("durations are milliseconds, and nothing else is one", () => {
  assert.deepEqual(
    ["0s", "500ms", "10s", "1m", "2h", "1d"].map(parseDuration),
    [0, 500, 10_000, 60_000, 7_200_000, 86_400_000],
  );
  for (const text of ["", "10", "s", "1.5s", "-1s", "1 s", "1S", "10s ", "366d", "1w"])
    assert.equal(parseDuration(text), undefined, text);
});

test("sizes are bytes in powers of 1024, and nothing else is one", () => {
  assert.deepEqual(
    ["0B", "512B", "16KiB", "1MiB", "2GiB"].map(parseSize),
    [0, 512, 16_384, 1_048_576, 2_147_483_648],
  );
  for (const text of ["", "16", "16KB", "16kib", "1.5MiB", "-1B", "9999GiB"])
    assert.equal(parseSize(text), undefined, text);
});

test("listeners have an IP address and a port", () => {
  assert.deepEqual(parseListenAddress(":443"), { host: "::", port: 443 });
  assert.deepEqual(parseListenAddress("0.0.0.0:0"), { host: "0.0.0.0", port: 0 });
  assert.deepEqual(parseListenAddress("[0:0:0:0:0:0:0:1]:1"), { host: "::1", port: 1 });
  for (const text of [
    "443",
    "::1:443",
    "[::1]",
    "a.org:1",
    "1.2.3:4",
    "[fe80::1%eth0]:1",
    ":65536",
    ":-1",
    ":",
  ]) {
    assert.equal(parseListenAddress(text), undefined, text);
  }
  assert.deepEqual(["127.0.0.1", "127.8.8.8", "::1", "::", "0.0.0.0", "10.0.0.1"].map(isLoopback), [
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});

test("networks have a prefix, single addresses the longest one", () => {
  assert.equal(parseNetwork("10.0.0.0/8"), "10.0.0.0/8");
  assert.equal(parseNetwork("10.0.0.1"), "10.0.0.1/32");
  assert.equal(parseNetwork("2001:DB8::/32"), "2001:db8::/32");
  assert.equal(parseNetwork("::"), "::/128");
  for (const text of [
    "",
    "10.0.0.0/33",
    "10.0.0/8",
    "::/129",
    "10.0.0.0/08",
    "10.0.0.0/",
    "a/8",
    "::1%lo/128",
  ]) {
    assert.equal(parseNetwork(text), undefined, text);
  }
});

test("servers are named by their URL in one spelling", () => {
  const key = (text: string) => {
    const parsed = parseServerUrl(text);
    return "url" in parsed ? parsed.url.key : undefined;
  };
  assert.equal(key("http://App.Example:80/"), "http://app.example:80");
  assert.equal(key("http://[::1]:9000"), "http://[::1]:9000");
  assert.equal(key("unix:///run/a.sock"), "unix:/run/a.sock");
  assert.equal(key("https://App.Example"), "https://app.example:443");
  assert.equal(key("tcp://App.Example:5432"), "tcp://app.example:5432");
  assert.equal(key("tls://[::1]:5432"), "tls://[::1]:5432");
  for (const text of [
    "ftp://a",
    "tcp://a",
    "tls://a:1/b",
    "HTTPS://a",
    "wss://a",
    "http://",
    "http://a:0",
    "http://a:99999",
    "http://u@a",
    "http://a/b",
    "http://a?b",
    "unix:a",
    `unix:/${"x".repeat(107)}`,
  ]) {
    assert.equal(key(text), undefined, text);
  }
});

test("servers are reached as the first of them says, sockets as the others", () => {
  const reach = (...urls: string[]) => reachOfAll(urls.map((url) => ({ url })));
  assert.equal(reach("unix:/a", "tcp://a:1"), "tcp");
  assert.equal(reach("unix:/a"), "unix");
  assert.equal(reach("nonsense", "https://a"), "https");
  assert.equal(reach("nonsense"), undefined);
});

test("host names become ASCII and lower case", () => {
  assert.equal(normaliseHostname("WWW.Example.ORG."), "www.example.org");
  assert.equal(normaliseHostname("*.Bücher.example"), "*.xn--bcher-kva.example");
  assert.equal(normaliseHostname("127.0.0.1"), "127.0.0.1");
  const wrong = [
    "",
    "*",
    "*.",
    "a..b",
    ".a",
    "-a.org",
    "a-.org",
    "a b",
    "a/b",
    "a:1",
    "a_b%",
    "*.*.a",
    "a.*",
    "1.2.3",
    `${"a".repeat(64)}.org`,
    `${"a.".repeat(130)}org`,
  ];
  for (const text of wrong) assert.equal(normaliseHostname(text), undefined, text);
});

test("a wildcard takes in one label", () => {
  assert.ok(hostnameCovers("*.a.org", "b.a.org"));
  assert.ok(hostnameCovers("*.a.org", "*.a.org"));
  for (const name of ["a.org", "c.b.a.org", "ba.org", ".a.org"])
    assert.ok(!hostnameCovers("*.a.org", name), name);
});

test("patterns that RE2 takes are taken", () => {
  const good = [
    "^/a$",
    "(?i)a",
    "(?i:a)b",
    "(?P<n>a)",
    "\\d+\\.\\w{2,5}",
    "[[:alpha:]]+",
    "\\pL",
    "\\p{Greek}",
    "\\Qa(b\\E.",
    "\\Aa\\z",
    "[*+]+",
    "a??",
    "\\-\\_",
    "[^/]+",
    "\\x{41}",
  ];
  for (const pattern of good) assert.equal(regexProblem(pattern), undefined, pattern);
});

test("patterns that RE2 refuses are refused", () => {
  const bad = [
    "a(?=b)",
    "(?<!a)b",
    "(a)\\1",
    "(?<n>a)",
    "(?>a)",
    "a*+",
    "a**",
    "(",
    ")",
    "[a",
    "[z-a]",
    "a{1001}",
    "\\Z",
    "\\i",
    "\\xg",
    "+a",
    "(?#c)",
    "a".repeat(1025),
  ];
  for (const pattern of bad) assert.notEqual(regexProblem(pattern), undefined, pattern);
});

test("fields that frame or route a message cannot be modified, in any spelling", () => {
  for (const name of [
    "Host",
    "CONTENT-LENGTH",
    "transfer-Encoding",
    "connection",
    "Upgrade",
    "TE",
    "a b",
    "",
    "a:",
    "a\r\nb",
  ]) {
    assert.notEqual(fieldNameProblem(name), undefined, name);
  }
  for (const name of ["X-A", "Authorization", "cookie"])
    assert.equal(fieldNameProblem(name), undefined, name);
  for (const value of ["a\r", "a\nb", "a\0", "\x7f", " a", "a\t"])
    assert.notEqual(fieldValueProblem(value), undefined, JSON.stringify(value));
  for (const value of ["", "a b\tc", "ü"]) assert.equal(fieldValueProblem(value), undefined, value);
});

test("the nearest word is suggested, and none where nothing is near", () => {
  const words = ["listeners", "routes", "upstreams", "certificates", "certFile"];
  assert.deepEqual(
    ["listner", "rotues", "Upstreams", "cert", "xyz", ""].map((word) => nearest(word, words)),
    ["listeners", "routes", "upstreams", "certificates", undefined, undefined],
  );
});

test("every trigger has a default that is allowed for it", () => {
  const actions = defaultActions();
  for (const trigger of TRIGGERS)
    assert.equal(actionRefused(trigger, actions[trigger].action), undefined, trigger);
  for (const trigger of TRIGGERS) {
    for (const action of ACTIONS) {
      const refused = actionRefused(trigger, action);
      if (refused !== undefined)
        assert.match(refused, new RegExp(`^${action} does not fit ${trigger}: [^;]+; expected `));
    }
  }
});

test("an action is completed by its trigger", () => {
  assert.deepEqual(resolveAction("rateLimited", "respond"), { action: "respond", status: 429, delayMs: 0 });
  assert.deepEqual(resolveAction("rateLimited", "tarpit", 403, 500), {
    action: "tarpit",
    status: 403,
    delayMs: 500,
  });
  assert.deepEqual(resolveAction("rateLimited", "abort", 403, 500), {
    action: "abort",
    status: 0,
    delayMs: 0,
  });
});
