// SPDX-License-Identifier: Apache-2.0
// TLS clients that report what was agreed, whether it was resumed, and why a handshake failed.
import type { ConnectionOptions, PeerCertificate, TLSSocket } from "node:tls";
import { RawClient } from "./raw_client.ts";
import type { Response } from "./responses.ts";
import type { Scope } from "./scope.ts";

export interface Handshake {
  readonly subject: string; // common name of the server's certificate
  readonly keyKind: "ec" | "rsa";
  readonly version: string;
  readonly alpn: string | false;
  readonly resumed: boolean;
  readonly sessions: readonly Buffer[]; // tickets received until the response was complete
  readonly response: Response;
}

export interface TlsTarget extends ConnectionOptions {
  readonly port: number;
  readonly hostField?: string; // default: the server name
}

// A handshake and one request, so that everything the server sends with either has arrived.
export async function handshake(scope: Scope, target: TlsTarget): Promise<Handshake> {
  const { port, hostField, ...tls } = target;
  const client = RawClient.start(scope, { port, tls });
  const sessions: Buffer[] = [];
  client.tls.on("session", (session: Buffer) => sessions.push(session));
  await client.connected();
  const { subject, keyKind } = describeCertificate(client.tls);
  const host = hostField ?? tls.servername ?? "localhost";
  await client.send(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const response = await client.response();
  const { alpnProtocol: alpn } = client.tls;
  const version = client.tls.getProtocol() ?? "";
  const resumed = client.tls.isSessionReused();
  client.socket.destroy();
  return { subject, keyKind, version, alpn: alpn ?? false, resumed, sessions, response };
}

function describeCertificate(socket: TLSSocket): Pick<Handshake, "subject" | "keyKind"> {
  // A resumed TLS 1.2 session carries no certificate.
  const peer: Partial<PeerCertificate> = socket.getPeerCertificate() ?? {};
  const name = peer.subject?.CN ?? "";
  return {
    subject: Array.isArray(name) ? name.join() : name,
    keyKind: peer.asn1Curve === undefined ? "rsa" : "ec",
  };
}

// What went wrong: the error's code, or how the connection ended. A TLS 1.3 client learns of a refused client
// certificate only after its own handshake, so a request is tried, too.
export async function refusedHandshake(scope: Scope, target: TlsTarget): Promise<string> {
  try {
    const { response } = await handshake(scope, target);
    return `answered ${response.status}`;
  } catch (error) {
    return error instanceof Error
      ? `${(error as NodeJS.ErrnoException).code ?? ""} ${error.message}`
      : String(error);
  }
}
