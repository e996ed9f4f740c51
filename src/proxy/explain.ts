// SPDX-License-Identifier: Apache-2.0
// Turns "which route would this URL take" into the data plane's question, and its answer into ours.
import type { Addon } from "./addon.ts";
import type { ExplainRequest, ListenerAddress } from "./control.ts";
import { BadRequestError, fromNative, MangoError } from "./errors.ts";
import type { Snapshot } from "./snapshot.ts";

export function explainRequest(
  addon: Addon,
  snapshot: Snapshot,
  bound: readonly ListenerAddress[],
  request: ExplainRequest,
): unknown {
  const url = parseUrl(request.url);
  const question = {
    listener: request.listener ?? listenerFor(url, snapshot, bound),
    method: request.method,
    url: url.href,
    headers: request.headers,
  };
  try {
    const answer: unknown = JSON.parse(addon.explain(JSON.stringify(snapshot), JSON.stringify(question)));
    if (isMistake(answer)) throw new BadRequestError(answer.error);
    return answer;
  } catch (error) {
    throw fromNative(error);
  }
}

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new MangoError(
      "BAD_REQUEST",
      `${JSON.stringify(text.slice(0, 200))}: expected http://... or https://...`,
    );
  }
  url.hash = "";
  return url;
}

// The listener on the URL's port; "" leaves it to the data plane: the first one of the scheme.
function listenerFor(url: URL, snapshot: Snapshot, bound: readonly ListenerAddress[]): string {
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  const byPort =
    bound.find((listener) => listener.port === port) ?? snapshot.listeners.find((l) => l.port === port);
  return byPort?.name ?? "";
}

function isMistake(answer: unknown): answer is { readonly error: string } {
  return (
    typeof answer === "object" && answer !== null && "error" in answer && typeof answer.error === "string"
  );
}
