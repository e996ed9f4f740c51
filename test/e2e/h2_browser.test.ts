// SPDX-License-Identifier: Apache-2.0
// A real browser in front: a page with a hundred images over one HTTP/2 connection, and its WebSocket over the same.
import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { test } from "node:test";
import { type Browser, visit, withoutBrowser } from "../support/browser.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { secureProxyTo } from "../support/configs.ts";
import { type Edge, startEdge } from "../support/edge.ts";
import { type Scope, temporaryFolder } from "../support/scope.ts";
import type { Upstream } from "../support/upstreams.ts";
import { echoSockets, echoSocketsH2 } from "../support/websockets.ts";

const images = 100;
// The smallest PNG there is: one transparent pixel.
const pixel = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);

// Tells the server what it saw once the page is loaded; nothing is drawn, nobody looks.
const report = "const tell = (seen) => fetch('/report', { method: 'POST', body: JSON.stringify(seen) });";

const gallery = `<!doctype html><title>gallery</title><body>
${Array.from({ length: images }, (_, i) => `<img src="/image/${i}.png">`).join("\n")}
<script>
${report}
addEventListener("load", () => tell({
  loaded: [...document.images].filter((image) => image.naturalWidth === 1).length,
  protocols: [...new Set(performance.getEntriesByType("resource").map((each) => each.nextHopProtocol))],
  page: performance.getEntriesByType("navigation")[0].nextHopProtocol,
}));
</script>`;

// Chromium may have opened another connection ahead of need, and uses HTTP/1.1 for a WebSocket while it has not seen
// the server's SETTINGS there. An answer comes behind them.
const chat = `<!doctype html><title>chat</title><script>
${report}
function talk() {
  const socket = new WebSocket("wss://site.example/chat", ["v2.chat"]);
  const said = [];
  socket.onopen = () => { socket.send("hello"); socket.send("x".repeat(200000)); };
  socket.onmessage = ({ data }) => {
    said.push(data.length);
    if (said.length === 2) socket.close(4000, "enough");
  };
  socket.onclose = ({ code, wasClean }) => tell({ said, code, wasClean, protocol: socket.protocol });
  socket.onerror = () => tell({ error: true });
}
fetch("/image/0.png").then(talk);
</script>`;

interface Site {
  readonly edge: Edge;
  readonly browser: Browser;
  readonly reported: Promise<Record<string, unknown>>;
}

// Starts a proxy before the upstream and opens the page; ends with what the page reports.
async function visited(scope: Scope, upstream: Upstream, html: string, more = {}): Promise<Site> {
  const cert = new CertificateAuthority(temporaryFolder(scope)).issue("site", ["site.example"]);
  const edge = await startEdge(scope, secureProxyTo(upstream.url, { site: cert }, more));
  const { promise: reported, resolve } = Promise.withResolvers<Record<string, unknown>>();
  upstream.server.removeAllListeners("request");
  upstream.server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    serve(request, response, html, resolve);
  });
  const browser = visit(scope, { url: "https://site.example/", port: edge.port("main"), cert: cert.cert });
  return { edge, browser, reported };
}

function serve(
  request: IncomingMessage,
  response: ServerResponse,
  html: string,
  reported: (seen: Record<string, unknown>) => void,
): void {
  const { url = "" } = request;
  if (url.startsWith("/image/"))
    return void response.writeHead(200, { "content-type": "image/png" }).end(pixel);
  if (url === "/") return void response.writeHead(200, { "content-type": "text/html" }).end(html);
  if (url !== "/report") return void response.writeHead(404).end();
  request.setEncoding("utf8");
  void request.toArray().then((parts) => {
    response.end();
    reported(JSON.parse(parts.join("")) as Record<string, unknown>);
  });
}

test("Chromium loads a page with 100 images over one connection", { skip: withoutBrowser }, async (t) => {
  const { edge, browser, reported } = await visited(t, await echoSockets(t), gallery);
  assert.deepEqual(await reported, { loaded: images, protocols: ["h2"], page: "h2" });
  await edge.accessRecord(({ path }) => path === "/report");
  const used = new Set<unknown>();
  for (const line of edge.accessLog.all) {
    const record = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual([record["protocol"], record["sni"]], ["HTTP/2.0", "site.example"]);
    used.add(record["client"]);
  }
  assert.equal(used.size, 1, `${[...used].join(", ")} for one page`);
  await browser.close();
});

for (const [version, upstreams] of [
  ["HTTP/1.1", echoSockets],
  ["HTTP/2", echoSocketsH2],
] as const) {
  test(`Chromium's WebSocket runs over HTTP/2 to ${version}`, { skip: withoutBrowser }, async (t) => {
    const upstream = await upstreams(t);
    const more = version === "HTTP/2" ? { upstream: { protocol: "h2c" } } : {};
    const { edge, browser, reported } = await visited(t, upstream, chat, more);
    assert.deepEqual(await reported, { said: [5, 200_000], code: 4000, wasClean: true, protocol: "v2.chat" });
    const record = await edge.accessRecord(({ path }) => path === "/chat");
    assert.equal(record["protocol"], "HTTP/2.0");
    await browser.close();
  });
}
