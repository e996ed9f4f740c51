// SPDX-License-Identifier: Apache-2.0
// Checks a session selector before it crosses into the data plane, so that a typing error is the caller's fault.
import { isIP } from "node:net";
import { MangoError } from "./errors.ts";
import type { SessionSelector } from "./sessions.ts";

export function checkSelector(selector: SessionSelector): SessionSelector {
  if (selector.client !== undefined && !isNetwork(selector.client)) {
    throw new MangoError(
      "BAD_REQUEST",
      `client ${JSON.stringify(selector.client)}: expected an address or a CIDR`,
    );
  }
  return selector;
}

export function isNetwork(text: string): boolean {
  const [address = "", prefix, ...rest] = text.split("/");
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return false;
  if (prefix === undefined) return true;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128);
}
