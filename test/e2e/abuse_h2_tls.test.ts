// SPDX-License-Identifier: Apache-2.0
// HTTP/2 over TLS where trust ends: names under other certificates, tickets of other hosts, early data.
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { CertificateAuthority } from "../support/certificates.ts";
import { secureProxyTo } from "../support/configs.ts";
import { startEdge } from "../support/edge.ts";
import { headers, preface, settings } from "../support/h2_frames.ts";
import { H2Peer } from "../support/h2_peer.ts";
import { encode } from "../support/hpack.ts";
import { type Lines, linesOfStream } from "../support/lines.ts";
import { RawClient } from "../support/raw_client.ts";
import { fileScope, type Scope, temporaryFolder } from "../support/scope.ts";
import { refusedHandshake } from "../support/tls_client.ts";
import { httpUpstream } from "../support/upstreams.ts";

const folder = temporaryFolder(fileScope);
const authority = new CertificateAuthority(folder);
const a = authority.issue("a", ["a.example", "also-a.example"]);
const b = authority.issue("b", ["b.example"]);
const upstream = await httpUpstream(fileScope, (request, response) => {
  request.resume().on("end", () => response.end("answered\n"));
});
const guarded = {
  address: "127.0.0.1:0",
  protocol: "https",
  tls: { certificates: ["b", "a"], clientAuth: { mode: "require", ca: authority.certificate.certFile } },
};
const base = secureProxyTo(upstream.url, { a, b });
const edge = await startEdge(fileScope, {
  ...base,
  listeners: { ...(base["listeners"] as Record<string, unknown>), guarded },
});
const port = edge.port("main");

interface Opened {
  readonly peer: H2Peer;
  readonly resumed: boolean;
}

async function open(scope: Scope, tls: Record<string, unknown>, at = port): Promise<Opened> {
  const peer = await H2Peer.open(scope, { port: at, tls });
  const socket = peer.socket as TLSSocket;
  assert.equal(socket.alpnProtocol, "h2");
  return { peer, resumed: socket.isSessionReused() };
}

async function served(peer: H2Peer, name: string, stream = 1): Promise<string> {
  await peer.send(peer.request(stream, { authority: name }));
  return peer.outcome(stream);
}

test("abuse 12: a name under another certificate is answered 421, and the connection goes on", async (t) => {
  const { peer } = await open(t, { servername: "a.example" });
  await peer.send(
    peer.request(1, { authority: "b.example", path: "/misdirected" }),
    peer.request(3, { authority: "a.example" }),
    peer.request(5, { authority: "also-a.example" }),
    peer.request(7, { authority: "b.example:443", path: "/misdirected" }),
    peer.request(9, { authority: "B.EXAMPLE", path: "/misdirected" }),
    peer.request(11, { authority: "b.example.", path: "/misdirected" }),
  );
  const outcomes = await Promise.all([1, 3, 5, 7, 9, 11].map((stream) => peer.outcome(stream)));
  assert.deepEqual(outcomes.slice(0, 5), ["421", "200", "200", "421", "421"]);
  assert.match(outcomes[5] ?? "", /^(421|400|404|PROTOCOL_ERROR)$/);
  assert.ok(!upstream.log.all.some((line) => line.includes("/misdirected")));
});

test("abuse 12: host instead of :authority is looked at in the same way", async (t) => {
  const { peer } = await open(t, { servername: "a.example" });
  const fields = peer.requestFields({ path: "/misdirected", fields: [["host", "b.example"]] });
  await peer.send(headers(1, encode(fields.filter(([name]) => name !== ":authority"))));
  assert.equal(await peer.outcome(1), "421");
});

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  const only = { minVersion: version, maxVersion: version };

  test(`abuse 12, ${version}: a ticket of host a is not resumed for host b, nor where certificates are required`, async (t) => {
    const first = await open(t, { servername: "a.example", ...only });
    assert.equal(await served(first.peer, "a.example"), "200");
    await first.peer.until(() => first.peer.sessions.length > 0, "a ticket");
    const session = first.peer.sessions.at(-1);
    const again = await open(t, { servername: "a.example", session, ...only });
    assert.deepEqual([again.resumed, await served(again.peer, "a.example")], [true, "200"]);
    const other = await open(t, { servername: "b.example", session, ...only });
    assert.deepEqual([other.resumed, await served(other.peer, "b.example")], [false, "200"]);
    const shut = { port: edge.port("guarded"), servername: "b.example", session, ...only };
    assert.doesNotMatch(await refusedHandshake(t, shut), /answered/);
    const { cert, key } = authority.issueClient(`client-${version}`);
    const known = await open(
      t,
      { servername: "b.example", session, cert, key, ...only },
      edge.port("guarded"),
    );
    assert.deepEqual([known.resumed, await served(known.peer, "b.example")], [false, "200"]);
  });
}

// s_client offers early data only with a session that allows some. Ours never do, so one test borrows the session of a
// server under the same name that does.
function openssl(scope: Scope, ...args: string[]): { child: ChildProcess; output: Lines } {
  const child = spawn("openssl", args, { stdio: ["pipe", "pipe", "ignore"] });
  scope.after(() => child.kill("SIGKILL"));
  return { child, output: linesOfStream(child.stdout) };
}

const clientArguments = (at: number): string[] => [
  "s_client",
  "-connect",
  `127.0.0.1:${at}`,
  "-servername",
  "a.example",
  "-tls1_3",
  "-alpn",
  "h2",
];

function asking(path: string, method: string): Buffer {
  const fields = [
    [":method", method],
    [":scheme", "https"],
    [":authority", "a.example"],
    [":path", path],
  ] as const;
  return Buffer.concat([preface, settings({}), headers(1, encode(fields))]);
}

// Leaves the session of a connection in a file; `answer` resolves when the server has spoken on it.
async function keepSession(
  scope: Scope,
  at: number,
  file: string,
  answered: (output: Lines) => Promise<unknown>,
): Promise<string> {
  const { child, output } = openssl(scope, ...clientArguments(at), "-sess_out", file);
  child.stdin?.write(asking("/first", "GET"));
  await answered(output);
  child.stdin?.write("Q\n");
  await once(child, "close");
  return execFileSync("openssl", ["sess_id", "-in", file, "-noout", "-text"], { encoding: "utf8" });
}

async function permissiveSession(scope: Scope, file: string): Promise<string> {
  const server = [
    "s_server",
    "-accept",
    "127.0.0.1:0",
    "-cert",
    a.certFile,
    "-key",
    a.keyFile,
    "-tls1_3",
    "-alpn",
    "h2",
  ];
  const { child, output } = openssl(scope, ...server, "-early_data");
  const line = await output.wait(/^ACCEPT .*:\d+$/);
  const text = await keepSession(
    scope,
    Number(line.slice(line.lastIndexOf(":") + 1)),
    file,
    async (client) => {
      await output.wait("PRI * HTTP/2.0");
      child.stdin?.write("welcome\n");
      await client.wait("welcome");
    },
  );
  assert.match(text, /Max Early Data: [1-9]/);
  return "Early data was rejected";
}

async function ownSession(scope: Scope, file: string): Promise<string> {
  const text = await keepSession(scope, port, file, (client) => client.wait("answered"));
  assert.match(text, /Max Early Data: 0/);
  return "Early data was not sent";
}

for (const [lender, borrow] of [
  ["this server", ownSession],
  ["a server that allows early data", permissiveSession],
] as const) {
  test(`abuse 21: with a session of ${lender}, early data that carries a whole request is not taken`, async (t) => {
    const folder = temporaryFolder(t);
    const [session, early] = [join(folder, "session.pem"), join(folder, "early.bin")];
    const verdict = await borrow(t, session);
    writeFileSync(early, asking("/early", "POST"));
    const from = upstream.log.all.length;
    const { child, output } = openssl(t, ...clientArguments(port), "-sess_in", session, "-early_data", early);
    child.stdin?.write(asking("/behind", "GET"));
    await output.wait(verdict);
    await upstream.log.wait("/behind", from);
    assert.ok(!upstream.log.all.some((line) => line.includes("/early")));
  });
}

const notHttp2 = [
  "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
  "\0\0\0\x04\0\0\0\0\0",
];

for (const bytes of notHttp2) {
  test(`${JSON.stringify(bytes.slice(0, 20))} where HTTP/2 was agreed ends the connection`, async (t) => {
    const requests = upstream.requests();
    const client = await RawClient.open(t, { port, tls: { servername: "a.example", ALPNProtocols: ["h2"] } });
    await client.send(bytes);
    await client.ended();
    assert.doesNotMatch(client.text, /HTTP\/1/);
    assert.equal(upstream.requests(), requests);
  });
}
