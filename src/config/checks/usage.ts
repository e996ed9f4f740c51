// SPDX-License-Identifier: Apache-2.0
// Things that are allowed and probably not meant: parts that nothing refers to, routes no listener can reach.
import { type CheckContext, entriesOf } from "./context.ts";

export function checkUsage(context: CheckContext): void {
  const { document, reporter } = context;
  if (reporter.failed) return; // half a configuration always has loose ends
  if (document.routes.length === 0)
    reporter.warning(["routes"], "no routes: every request will be answered with 404", { at: "key" });
  const upstreams = new Set(document.routes.flatMap((route) => route.backendRefs.map((ref) => ref.name)));
  for (const [path, , name] of entriesOf(context, "upstreams", document.upstreams)) {
    if (!upstreams.has(name))
      reporter.warning(path, `no route uses upstream ${JSON.stringify(name)}`, { at: "key" });
  }
  const certificates = new Set(
    Object.values(document.listeners).flatMap((listener) => listener.tls?.certificates ?? []),
  );
  for (const [path, , name] of entriesOf(context, "certificates", document.certificates)) {
    if (!certificates.has(name))
      reporter.warning(path, `no listener uses certificate ${JSON.stringify(name)}`, { at: "key" });
  }
}
