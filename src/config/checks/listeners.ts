// SPDX-License-Identifier: Apache-2.0
// listeners: addresses that exist once, TLS where it belongs, and references that lead somewhere.
import { parseListenAddress, parseNetwork } from "../addresses.ts";
import type { Path } from "../errors.ts";
import type { ListenerConfig } from "../schema/root.ts";
import { bytes, milliseconds } from "../units.ts";
import { type CheckContext, checkReference, checkUnique, entriesOf } from "./context.ts";

const HEAD_MIN = 1024;
const HEAD_MAX = 256 * 1024;

export function checkListeners(context: CheckContext): void {
  const { document, reporter } = context;
  if (!context.broken.has("listeners") && Object.keys(document.listeners).length === 0) {
    reporter.error(["listeners"], "expected at least one listener");
  }
  const taken = new Map<string, string>();
  for (const [path, listener, name] of entriesOf(context, "listeners", document.listeners)) {
    checkAddress(context, path, listener, name, taken);
    checkTls(context, path, listener);
    checkReference(context, [...path, "policy"], listener.policy, "policies");
    checkNetworks(
      context,
      [...path, "forwardedHeaders", "trustedCIDRs"],
      listener.forwardedHeaders.trustedCIDRs,
    );
    const head = bytes(listener.limits.headBytes);
    if (head < HEAD_MIN || head > HEAD_MAX)
      reporter.error([...path, "limits", "headBytes"], "expected a size from 1KiB to 256KiB");
    checkNonZero(context, [...path, "timeouts"], listener);
  }
  checkTickets(context);
}

// Without a deadline here a stranger could hold a session without ever having said anything.
function checkNonZero(context: CheckContext, path: Path, listener: ListenerConfig): void {
  for (const key of ["handshake", "requestHeaders"] as const) {
    if (milliseconds(listener.timeouts[key]) === 0)
      context.reporter.error(
        [...path, key],
        "expected more than 0s: strangers must not hold a session for ever",
      );
  }
}

function checkAddress(
  context: CheckContext,
  path: Path,
  listener: ListenerConfig,
  name: string,
  taken: Map<string, string>,
): void {
  const at = [...path, "address"];
  const address = parseListenAddress(listener.address);
  if (address === undefined) {
    const port = /^[0-9]{1,5}$/.test(listener.address) ? `":${listener.address}"` : undefined;
    const host = /^localhost:([0-9]{1,5})$/.exec(listener.address);
    const suggestion = port ?? (host === null ? undefined : `127.0.0.1:${host[1]}`);
    return context.reporter.error(at, "expected IP:port such as 0.0.0.0:443, [::]:443 or :443", {
      suggestion,
    });
  }
  if (address.port === 0) return;
  // The wildcard of either family covers the other: "::" listens on both.
  const host = address.host === "0.0.0.0" ? "::" : address.host;
  const key = `${host} ${address.port}`;
  const other = taken.get(key);
  if (other !== undefined)
    context.reporter.error(at, `listener ${JSON.stringify(other)} has this address already`);
  else taken.set(key, name);
}

function checkTls(context: CheckContext, path: Path, listener: ListenerConfig): void {
  const { tls } = listener;
  if (listener.protocol === "http") {
    if (tls !== undefined)
      context.reporter.error([...path, "tls"], "an http listener has no tls; expected protocol: https", {
        at: "key",
      });
    return;
  }
  if (tls === undefined)
    return context.reporter.error(path, 'missing key "tls": an https listener needs tls.certificates', {
      at: "key",
    });
  for (const [index, name] of tls.certificates.entries())
    checkReference(context, [...path, "tls", "certificates", index], name, "certificates");
  checkUnique(context, [...path, "tls", "certificates"], tls.certificates, "certificate");
  checkUnique(context, [...path, "tls", "groups"], tls.groups, "group");
  const { mode, ca } = tls.clientAuth;
  if (mode !== "none" && ca === undefined) {
    context.reporter.error(
      [...path, "tls", "clientAuth"],
      `missing key "ca": clientAuth ${mode} needs a file of authorities`,
      { at: "key" },
    );
  }
  if (mode === "none" && ca !== undefined) {
    context.reporter.error(
      [...path, "tls", "clientAuth", "ca"],
      "ca has no effect without a mode; expected mode: require or mode: optional",
      { at: "key" },
    );
  }
}

export function checkNetworks(context: CheckContext, path: Path, networks: readonly string[]): void {
  for (const [index, text] of networks.entries()) {
    if (parseNetwork(text) === undefined)
      context.reporter.error([...path, index], "expected a network such as 10.0.0.0/8 or 2001:db8::/32");
  }
}

// A ticket made on one listener must be readable on every other, so there is one ring of keys for all.
function checkTickets(context: CheckContext): void {
  let first: { name: string; text: string } | undefined;
  for (const [path, listener, name] of entriesOf(context, "listeners", context.document.listeners)) {
    if (listener.tls === undefined) continue;
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
