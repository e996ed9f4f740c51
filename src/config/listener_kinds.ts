// SPDX-License-Identifier: Apache-2.0
// What a listener takes in: requests, or bytes that are forwarded unread.
import type { ListenerConfig } from "./schema/root.ts";

export function speaksHttp(listener: Pick<ListenerConfig, "protocol"> | undefined): boolean {
  return listener?.protocol === "http" || listener?.protocol === "https";
}

/** TLS ends here: there are certificates, tickets and ALPN. */
export function terminatesTls(listener: Pick<ListenerConfig, "tls">): boolean {
  return listener.tls?.mode === "Terminate";
}
