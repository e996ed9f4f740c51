// SPDX-License-Identifier: Apache-2.0
// The built-in demo service (`builtin:demo`): something to see behind the proxy before one's own service is there.
// It listens on a loopback port of its own and shows what arrives; it is not meant for anything else.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const kMaxEchoBytes = 64 * 1024;

export interface DemoService {
  readonly address: string; // "127.0.0.1:port"
  close(): Promise<void>;
}

export async function startDemo(): Promise<DemoService> {
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 75_000; // longer than the pool keeps a connection: the proxy closes first
  await listen(server);
  server.unref();
  const { address, port } = server.address() as AddressInfo;
  return { address: `${address}:${port}`, close: () => close(server) };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://demo.invalid");
  if (url.pathname === "/echo") return sendJson(response, await describe(request));
  request.resume();
  if (url.pathname === "/") return sendPage(request, response);
  response.writeHead(404, { "content-type": "text/plain; charset=utf-8" });
  response.end(`The demo service has / and /echo, not ${url.pathname}\n`);
}

async function describe(request: IncomingMessage): Promise<unknown> {
  let bytes = 0;
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= kMaxEchoBytes) chunks.push(chunk);
  }
  return {
    method: request.method,
    url: request.url,
    httpVersion: request.httpVersion,
    headers: request.headers,
    trailers: request.trailers,
    bodyBytes: bytes,
    ...(bytes > 0 && bytes <= kMaxEchoBytes ? { body: Buffer.concat(chunks).toString("utf8") } : {}),
  };
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json; charset=utf-8" });
  response.end(`${JSON.stringify(value, null, 2)}\n`);
}

function sendPage(request: IncomingMessage, response: ServerResponse): void {
  const rows = Object.entries(request.headers).map(
    ([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(String(value))}</td></tr>`,
  );
  response.writeHead(200, {
    "content-type": "text/html; charset=utf-8",
    "x-content-type-options": "nosniff",
  });
  response.end(page(rows.join("\n      ")));
}

function escapeHtml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "'": "&#39;",
  };
  return text.replace(/[&<>"']/g, (character) => names[character] ?? character);
}

function page(rows: string): string {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>mango-edge works</title>
    <style>
      body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 3rem auto; padding: 0 1rem; }
      table { border-collapse: collapse; width: 100%; }
      th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; overflow-wrap: anywhere; }
      th { white-space: nowrap; font-weight: 600; }
    </style>
  </head>
  <body>
    <h1>mango-edge works</h1>
    <p>Your request came in through the proxy and reached this demo service with these fields:</p>
    <table>
      ${rows}
    </table>
    <p>The same as JSON, with any method and content: <a href="/echo">/echo</a>.
      Put your own service under <code>upstreams</code> in the configuration.</p>
  </body>
</html>
`;
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
