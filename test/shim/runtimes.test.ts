// SPDX-License-Identifier: Apache-2.0
// Language runtimes with event loops of their own: Node's (libuv) and Python's asyncio. And curl as a client.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { CertificateAuthority } from "../support/certificates.ts";
import { type Scope, temporaryFolder } from "../support/scope.ts";
import { shims, unlessInstalled } from "./shim.ts";

const nodeProgram = `
import { createServer } from "node:http";
import { createServer as secure, request as secureRequest } from "node:https";
import { readFileSync } from "node:fs";
const [cert, key] = process.argv.slice(2).map((path) => readFileSync(path));
const echo = (request, response) => request.pipe(response);
const plain = createServer(echo).listen(0, "127.0.0.1");
const tls = secure({ cert, key }, echo).listen(0, "127.0.0.1");
await new Promise((resolve) => tls.once("listening", resolve));
const body = Buffer.alloc(3_000_000, "node");
for (let round = 0; round < 20; ++round) {
  const options = { method: "POST", body };
  const answer = await fetch("http://127.0.0.1:" + plain.address().port, options);
  if (Buffer.compare(Buffer.from(await answer.arrayBuffer()), body) !== 0) throw new Error("other octets");
}
const many = Array.from({ length: 50 }, () => fetch("http://127.0.0.1:" + plain.address().port, { method: "POST", body: "x" }));
for (const answer of await Promise.all(many)) if ((await answer.text()) !== "x") throw new Error("not x");
const sum = await new Promise((resolve, reject) => {
  const where = { port: tls.address().port, host: "127.0.0.1", method: "POST", ca: cert, rejectUnauthorized: false };
  const request = secureRequest(where, (response) => {
    let octets = 0;
    response.on("data", (part) => (octets += part.length)).on("end", () => resolve(octets));
  }).on("error", reject);
  request.end(body);
});
if (sum !== body.length) throw new Error("over TLS: " + sum);
plain.close(), tls.close(), plain.closeAllConnections(), tls.closeAllConnections();
console.log("all well");
`;

const pythonProgram = `
import asyncio
async def echo(reader, writer):
    while octets := await reader.read(65536):
        writer.write(octets)
        await writer.drain()
    writer.close()
async def one(port, number):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = bytes([number]) * 400_000
    async def send():
        writer.write(body)
        await writer.drain()
        writer.write_eof()
    _, seen = await asyncio.gather(send(), reader.read())
    assert seen == body, (number, len(seen))
    writer.close()
    await writer.wait_closed()
async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await asyncio.gather(*(one(port, number) for number in range(30)))
    child = await asyncio.create_subprocess_exec("echo", "child", stdout=asyncio.subprocess.PIPE)
    assert (await child.communicate())[0] == b"child\\n"
    await one(port, 99)
    print("all well")
asyncio.run(main())
`;

// What curl uploads comes back.
async function echoServer(scope: Scope): Promise<string> {
  const server = createServer((request, response) => void request.pipe(response)).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  scope.after(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const sumOf = (octets: Buffer): string => createHash("sha256").update(octets).digest("hex");

for (const shim of shims) {
  test(`Node on the ${shim.engine} engine: http and https, server and client`, async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, "program.mjs");
    writeFileSync(file, nodeProgram);
    const site = new CertificateAuthority(folder).issue("site", ["127.0.0.1"]);
    const said = await shim.run(t, process.execPath, [file, site.certFile, site.keyFile]);
    assert.match(said, /all well/);
    assert.ok(shim.sums.accepted >= 2 && shim.sums.received > 60_000_000, shim.log);
  });

  test(`Python on the ${shim.engine} engine: asyncio`, { skip: unlessInstalled("python3") }, async (t) => {
    const { accepted } = shim.sums;
    assert.match(await shim.run(t, "python3", ["-c", pythonProgram]), /all well/);
    assert.ok(shim.sums.accepted - accepted >= 31, shim.log);
  });

  test(`curl on the ${shim.engine} engine`, { skip: unlessInstalled("curl") }, async (t) => {
    const url = await echoServer(t);
    const folder = temporaryFolder(t);
    const [from, to] = [join(folder, "from"), join(folder, "to")];
    writeFileSync(from, randomBytes(5_000_000));
    const common = ["--silent", "--show-error", "--fail"];
    await shim.run(t, "curl", [...common, "--data-binary", `@${from}`, "--output", to, url]);
    assert.equal(sumOf(readFileSync(to)), sumOf(readFileSync(from)));
    const several = await shim.run(t, "curl", [
      ...common,
      "--parallel",
      "--data-binary",
      "x\n",
      url,
      url,
      url,
      url,
    ]);
    assert.equal(several, "x\nx\nx\nx");
  });
}
