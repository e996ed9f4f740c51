// SPDX-License-Identifier: Apache-2.0
// Requests that two parsers could read differently. Whatever is sent: one refusal, then the connection ends, and
// nothing behind the bad request is ever taken for another one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { RawClient } from "../support/raw_client.ts";
import { fileScope } from "../support/scope.ts";
import { httpUpstream } from "../support/upstreams.ts";

const upstream = await httpUpstream(fileScope);
const edge = await startEdge(fileScope, proxyTo(upstream.url));
const port = edge.port("main");

const post = (fields: string, body = ""): string => `POST /x HTTP/1.1\r\nHost: a\r\n${fields}\r\n\r\n${body}`;
const chunked = (body: string): string => post("Transfer-Encoding: chunked", body);
const get = (fields: string): string => `GET /x HTTP/1.1\r\n${fields}\r\n\r\n`;
const withField = (line: string): string => get(`Host: a\r\n${line}`);
const many = (count: number, length: number): string =>
  Array.from({ length: count }, (_, i) => `X-${i}: ${"v".repeat(length)}`).join("\r\n");

type Table = Readonly<Record<string, string>>;

// The status may be one of several where RFC 9110 leaves the choice; the end of the connection may not.
const items: readonly {
  readonly item: number;
  readonly about: string;
  readonly status: RegExp;
  readonly sent: Table;
}[] = [
  {
    item: 1,
    about: "Content-Length",
    status: /400|413/,
    sent: {
      "with Transfer-Encoding": post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
      "after Transfer-Encoding": post("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"),
      duplicate: post("Content-Length: 5\r\nContent-Length: 6", "hello"),
      "duplicate with the same value": post("Content-Length: 5\r\nContent-Length: 5", "hello"),
      "with a plus": post("Content-Length: +5", "hello"),
      "with a minus": post("Content-Length: -5", "hello"),
      empty: post("Content-Length: ", "hello"),
      "listed with commas": post("Content-Length: 5, 5", "hello"),
      "above 64 bits": post("Content-Length: 18446744073709551621", "hello"),
      hexadecimal: post("Content-Length: 0x5", "hello"),
      "with inner space": post("Content-Length: 5 0", "hello"),
      "with a letter": post("Content-Length: 5a", "hello"),
    },
  },
  {
    item: 2,
    about: "Transfer-Encoding",
    status: /400|501/,
    sent: {
      xchunked: post("Transfer-Encoding: xchunked", "0\r\n\r\n"),
      "with a vertical tab": post("Transfer-Encoding: \vchunked", "0\r\n\r\n"),
      duplicate: post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
      "listed twice": post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"),
      "not last": post("Transfer-Encoding: chunked, gzip", "0\r\n\r\n"),
      identity: post("Transfer-Encoding: identity", "hello"),
      "with a parameter": post("Transfer-Encoding: chunked;q=1", "0\r\n\r\n"),
      quoted: post('Transfer-Encoding: "chunked"', "0\r\n\r\n"),
      "with a space before the colon": post("Transfer-Encoding : chunked", "0\r\n\r\n"),
      "on HTTP/1.0": "POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "with an underscore and Content-Length": post("Transfer_Encoding: chunked\r\nContent-Length: x", ""),
      empty: post("Transfer-Encoding:", "0\r\n\r\n"),
    },
  },
  {
    item: 3,
    about: "chunks and line ends",
    status: /400|413|431/,
    sent: {
      "a chunk size with 0x": chunked("0x5\r\nhello\r\n0\r\n\r\n"),
      "a chunk size with an underscore": chunked("0_5\r\nhello\r\n0\r\n\r\n"),
      "a chunk size with a plus": chunked("+5\r\nhello\r\n0\r\n\r\n"),
      "a chunk size that overflows": chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"),
      "an empty chunk size": chunked("\r\nhello\r\n0\r\n\r\n"),
      "a chunk size ended by bare LF": chunked("5\nhello\r\n0\r\n\r\n"),
      "chunk data without its CRLF": chunked("5\r\nhello0\r\n\r\n"),
      "chunk data ended by bare LF": chunked("5\r\nhello\n0\r\n\r\n"),
      "a chunk extension of 64 KB": chunked(`5;${"e".repeat(65_536)}\r\nhello\r\n0\r\n\r\n`),
      "a bare CR in a chunk extension": chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"),
      "a trailer section that is too large": chunked(`0\r\n${many(100, 1000)}\r\n\r\n`),
      "bare LF in the head": "GET /x HTTP/1.1\nHost: a\n\n",
      "bare LF after one field": "GET /x HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n",
      "bare CR in a field": withField("X: a\rb"),
      "bare CR in the request line": "GET /x\r HTTP/1.1\r\nHost: a\r\n\r\n",
      "bare CR before the end": "GET /x HTTP/1.1\r\nHost: a\r\n\r\r\n",
    },
  },
  {
    item: 7,
    about: "fields",
    status: /400|414|431/,
    sent: {
      "an empty name": withField(": value"),
      "a space before the colon": withField("X-A : 1"),
      "a tab before the colon": withField("X-A\t: 1"),
      "a folded value": withField("X-A: 1\r\n folded"),
      "a first line that is folded": "GET /x HTTP/1.1\r\n X: 1\r\nHost: a\r\n\r\n",
      "no colon": withField("X-A"),
      "NUL in a value": withField("X-A: a\0b"),
      "NUL in a name": withField("X\0A: b"),
      "a control character in a value": withField("X-A: a\x01b"),
      "a letter outside ASCII in a name": withField("X-\xe9: 1"),
      "a name that is too large": withField(`${"N".repeat(20_000)}: 1`),
      "a value that is too large": withField(`X: ${"v".repeat(20_000)}`),
      "too many fields": withField(many(150, 1)),
      "too much altogether": withField(many(80, 400)),
      "a request line that is too large": `GET /${"p".repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
      "cookie crumbs beyond the count": withField(
        Array.from({ length: 150 }, () => "Cookie: a=b").join("\r\n"),
      ),
    },
  },
  {
    item: 11,
    about: "Host and the request line",
    status: /400|405|414|501|505/,
    sent: {
      "no Host": get("X: 1"),
      "two Hosts": get("Host: a\r\nHost: a"),
      "two different Hosts": get("Host: a\r\nHost: b"),
      "an empty Host": get("Host:"),
      "a Host with a path": get("Host: a/b"),
      "a Host with a user": get("Host: user@a"),
      "a Host with a space": get("Host: a b"),
      "a Host with a comma": get("Host: a, b"),
      "a Host with a bad port": get("Host: a:8x"),
      "a Host with a port out of range": get("Host: a:65536"),
      "a Host with an open bracket": get("Host: [::1"),
      "absolute-form that disagrees with Host": "GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n",
      "absolute-form with a user": "GET http://user@a/x HTTP/1.1\r\nHost: a\r\n\r\n",
      "absolute-form of another scheme": "GET ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n",
      "a target without a slash": "GET x HTTP/1.1\r\nHost: a\r\n\r\n",
      CONNECT: "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
      "* for GET": "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
      "a lower-case version": "GET /x http/1.1\r\nHost: a\r\n\r\n",
      "version 2.0 in text": "GET /x HTTP/2.0\r\nHost: a\r\n\r\n",
      "version 1.10": "GET /x HTTP/1.10\r\nHost: a\r\n\r\n",
      "no version": "GET /x\r\nHost: a\r\n\r\n",
      "two spaces": "GET  /x HTTP/1.1\r\nHost: a\r\n\r\n",
      "a tab instead of a space": "GET\t/x HTTP/1.1\r\nHost: a\r\n\r\n",
      "a method that is no token": "G@T /x HTTP/1.1\r\nHost: a\r\n\r\n",
      "a fragment": "GET /x#frag HTTP/1.1\r\nHost: a\r\n\r\n",
    },
  },
];

const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

for (const { item, about, status, sent } of items) {
  for (const [what, bytes] of Object.entries(sent)) {
    test(`abuse ${item}, ${about}: ${what} is refused and the connection ends`, async (t) => {
      const client = await RawClient.open(t, { port });
      void client.send(bytes + smuggled);
      const response = await client.response();
      assert.match(String(response.status), status);
      await client.ended();
      assert.equal(client.text, "", "something else was answered");
      assert.ok(!upstream.log.all.includes("request GET /smuggled"), "the smuggled request went through");
    });
  }
}

test("abuse 2: a tab before chunked is white space, so it is either plain chunked or refused", async (t) => {
  const client = await RawClient.open(t, { port });
  await client.send(post("Transfer-Encoding:\tchunked", "5\r\nhello\r\n0\r\n\r\n"));
  const { status, body } = await client.response();
  if (status === 200) assert.match(body.toString(), /"body":"hello"/);
  else assert.equal(status, 400);
});

test("every refusal is in the log with a reason of its own", async () => {
  await edge.accessLog.until(
    () => (edge.accessLog.all.length >= 80 ? true : undefined),
    () => "the refusals' lines",
  );
  const refused = edge.accessLog.all.map((line) => JSON.parse(line)).filter((record) => record.status >= 400);
  assert.ok(refused.every((record) => typeof record.reason === "string" && record.reason !== ""));
  assert.ok(new Set(refused.map((record) => record.reason)).size >= 10, "reasons tell mistakes apart");
});
