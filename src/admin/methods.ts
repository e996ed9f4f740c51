// SPDX-License-Identifier: Apache-2.0
// 405 with an Allow field instead of Fastify's 404 when the path exists and the method does not fit.
import type { FastifyInstance } from "fastify";

export interface MethodTable {
  allowed(path: string): readonly string[]; // empty: no such path
}

// Must be created before the routes are registered.
export function collectMethods(app: FastifyInstance): MethodTable {
  const routes = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();
  app.addHook("onRoute", ({ url, method }) => {
    const known = routes.get(url) ?? { pattern: toPattern(url), methods: new Set<string>() };
    for (const each of [method].flat()) known.methods.add(each);
    routes.set(url, known);
  });
  return {
    allowed(path) {
      const matching = [...routes.values()].filter(({ pattern }) => pattern.test(path));
      return [...new Set(matching.flatMap(({ methods }) => [...methods]))].sort();
    },
  };
}

function toPattern(url: string): RegExp {
  const segments = url
    .split("/")
    .map((part) => (part.startsWith(":") ? "[^/]+" : part.replaceAll(".", "\\.")));
  return new RegExp(`^${segments.join("/")}$`);
}
