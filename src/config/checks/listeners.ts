// SPDX-License-Identifier: Apache-2.0
// listeners: addresses that exist once, settings that mean something for their protocol, references that lead
// somewhere.
import { parseListenAddress, parseNetwork } from "../addresses.ts";
import type { Path } from "../errors.ts";
import { speaksHttp } from "../listener_kinds.ts";
import { ABOUT_REQUESTS } from "../no_effect.ts";
import type { ListenerConfig } from "../schema/root.ts";
import { bytes, milliseconds } from "../units.ts";
import { type CheckContext, checkReference, entriesOf } from "./context.ts";
import { checkWindows } from "./http2.ts";
import { checkTickets, checkTls } from "./listener_tls.ts";
import { refuseWritten } from "./no_effect.ts";

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
    checkWindows(context, [...path, "http2"], listener.http2);
    checkNetworks(
      context,
      [...path, "proxyProtocol", "trustedCIDRs"],
      listener.proxyProtocol?.trustedCIDRs ?? [],
    );
    if (!speaksHttp(listener))
      refuseWritten(
        context,
        path,
        ABOUT_REQUESTS,
        `on a ${listener.protocol} listener: it forwards bytes, not requests`,
      );
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

export function checkNetworks(context: CheckContext, path: Path, networks: readonly string[]): void {
  for (const [index, text] of networks.entries()) {
    if (parseNetwork(text) === undefined)
      context.reporter.error([...path, index], "expected a network such as 10.0.0.0/8 or 2001:db8::/32");
  }
}
