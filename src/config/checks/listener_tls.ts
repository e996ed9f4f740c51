// SPDX-License-Identifier: Apache-2.0
// listeners.<name>.tls: there where it belongs, complete, and of one mind with the listener's protocol.
import type { Path } from "../errors.ts";
import { terminatesTls } from "../listener_kinds.ts";
import { ABOUT_ENDED_TLS } from "../no_effect.ts";
import type { ListenerConfig } from "../schema/root.ts";
import { nearest } from "../suggest.ts";
import { milliseconds } from "../units.ts";
import { type CheckContext, checkReference, checkUnique, entriesOf } from "./context.ts";
import { refuseWritten } from "./no_effect.ts";

type Tls = NonNullable<ListenerConfig["tls"]>;

const HTTP_PROTOCOLS = ["h2", "http/1.1"];

export function checkTls(context: CheckContext, path: Path, listener: ListenerConfig): void {
  const { protocol, tls } = listener;
  const at = [...path, "tls"];
  if (protocol === "http" || protocol === "tcp") {
    const instead = protocol === "http" ? "https" : "tls";
    if (tls !== undefined)
      context.reporter.error(at, `${article(protocol)} listener has no tls; expected protocol: ${instead}`, {
        at: "key",
      });
  } else if (tls === undefined) {
    const orElse = protocol === "tls" ? ", or tls.mode: Passthrough" : "";
    context.reporter.error(
      path,
      `missing key "tls": ${article(protocol)} listener needs tls.certificates${orElse}`,
      { at: "key" },
    );
  } else if (tls.mode === "Passthrough") {
    checkPassthrough(context, at, protocol);
  } else {
    checkTerminate(context, at, tls);
    if (protocol === "https") checkAlpn(context, path, listener, tls);
  }
}

function article(protocol: string): string {
  return protocol.startsWith("http") ? `an ${protocol}` : `a ${protocol}`;
}

function checkPassthrough(context: CheckContext, path: Path, protocol: string): void {
  if (protocol === "https")
    context.reporter.error(
      [...path, "mode"],
      "an https listener has to end TLS to read requests; expected mode: Terminate or protocol: tls",
    );
  refuseWritten(
    context,
    path,
    ABOUT_ENDED_TLS,
    "where TLS is passed through: the server behind ends it; expected mode: Terminate",
  );
}

function checkTerminate(context: CheckContext, path: Path, tls: Tls): void {
  if (tls.certificates.length === 0)
    context.reporter.error(
      [...path, "certificates"],
      'missing key "certificates": expected a list of at least one certificate name',
      { at: "key" },
    );
  for (const [index, name] of tls.certificates.entries())
    checkReference(context, [...path, "certificates", index], name, "certificates");
  checkUnique(context, [...path, "certificates"], tls.certificates, "certificate");
  checkUnique(context, [...path, "groups"], tls.groups, "group");
  checkUnique(context, [...path, "alpn"], tls.alpn, "protocol");
  checkClientAuth(context, [...path, "clientAuth"], tls.clientAuth);
}

function checkClientAuth(context: CheckContext, path: Path, { mode, ca }: Tls["clientAuth"]): void {
  if (mode !== "none" && ca === undefined) {
    context.reporter.error(path, `missing key "ca": clientAuth ${mode} needs a file of authorities`, {
      at: "key",
    });
  }
  if (mode === "none" && ca !== undefined) {
    context.reporter.error(
      [...path, "ca"],
      "ca has no effect without a mode; expected mode: require or mode: optional",
      { at: "key" },
    );
  }
}

// What is offered must be spoken, and what is spoken over TLS must be offered.
function checkAlpn(context: CheckContext, path: Path, { http2 }: ListenerConfig, { alpn }: Tls): void {
  const { reporter } = context;
  const at = [...path, "tls", "alpn"];
  if (alpn.length === 0) reporter.error(at, "expected at least one of h2 and http/1.1");
  for (const [index, name] of alpn.entries()) {
    if (HTTP_PROTOCOLS.includes(name)) continue;
    const suggestion = nearest(name, HTTP_PROTOCOLS);
    reporter.error([...at, index], `an https listener speaks h2 and http/1.1, not ${name}`, { suggestion });
  }
  if (alpn.includes("h2") === http2.enabled) return;
  const enabled = [...path, "http2", "enabled"];
  reporter.error(
    reporter.written(at) && !reporter.written(enabled) ? at : enabled,
    http2.enabled
      ? "http2.enabled is true, but tls.alpn does not offer h2; add h2 there or leave one of the two out"
      : "http2.enabled is false, but tls.alpn offers h2; leave one of the two out",
  );
}

// A ticket made on one listener must be readable on every other, so there is one ring of keys for all.
export function checkTickets(context: CheckContext): void {
  let first: { name: string; text: string } | undefined;
  for (const [path, listener, name] of entriesOf(context, "listeners", context.document.listeners)) {
    if (listener.tls === undefined || !terminatesTls(listener)) continue;
    const { tickets } = listener.tls;
    const text = JSON.stringify([tickets.enabled, tickets.rotation, tickets.keyFile]);
    first ??= { name, text };
    if (first.text !== text) {
      context.reporter.error(
        [...path, "tls", "tickets"],
        `differs from listener ${JSON.stringify(first.name)}; all listeners share one ring of ticket keys (see defaults.tls.tickets)`,
        { at: "key" },
      );
    }
    if (milliseconds(tickets.rotation) < 60_000)
      context.reporter.error([...path, "tls", "tickets", "rotation"], "expected a duration of at least 1m");
  }
}
