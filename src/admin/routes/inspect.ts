// SPDX-License-Identifier: Apache-2.0
// Read-only views of what runs. Taken from the snapshot, so that they show what the data plane really has.
import Type from "typebox";
import { MASK } from "../../config/public.ts";
import type { Controller } from "../../proxy/control.ts";
import { MangoError, NotRunningError } from "../../proxy/errors.ts";
import type { Snapshot, SnapshotModifier, SnapshotUpstream } from "../../proxy/snapshot.ts";
import type { AdminApp } from "../server.ts";

const kSecretField = /authorization|cookie|token|secret|password|api-?key/i;

const ExplainQuery = Type.Object({
  url: Type.String({ minLength: 1, maxLength: 8192, description: "Absolute URL" }),
  method: Type.Optional(Type.String({ pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$" })),
  listener: Type.Optional(Type.String({ maxLength: 256 })),
  header: Type.Optional(
    Type.Union([Type.Array(Type.String({ maxLength: 8192 }), { maxItems: 100 }), Type.String()]),
  ),
});

interface ExplainInput {
  readonly url: string;
  readonly method?: string;
  readonly listener?: string;
  readonly header?: readonly string[] | string;
}

export function inspectRoutes(app: AdminApp, controller: Controller): void {
  const get = (path: string, summary: string, answer: () => unknown): void => {
    app.get(path, { schema: { summary, tags: ["inspect"] } }, async () => answer());
  };
  get("/v1/listeners", "Listeners with the addresses they are really bound to", () =>
    listenersOf(controller),
  );
  get("/v1/routes", "Routes as compiled, most settings resolved", () => routesOf(running(controller)));
  get("/v1/upstreams", "Upstream servers with health and endpoints", () => ({
    upstreams: upstreamsOf(controller),
    names: controller.names(),
  }));
  get("/v1/certificates", "Certificates in use, never their keys", () => ({
    certificates: controller.certificates(),
  }));
  get("/v1/policies", "Session policies, escalation rules and bans", () => ({
    policies: running(controller).policies,
    escalation: controller.escalationRules(),
    bans: controller.bans().length,
  }));
  app.get<{ Querystring: ExplainInput }>(
    "/v1/explain",
    {
      schema: {
        summary: "Which route and upstream would this URL take, and why",
        tags: ["inspect"],
        querystring: ExplainQuery,
      },
    },
    async ({ query }) =>
      controller.explain({
        url: query.url,
        method: query.method ?? "GET",
        headers: [query.header ?? []].flat().map(parseHeader),
        ...(query.listener === undefined ? {} : { listener: query.listener }),
      }),
  );
}

function running(controller: Controller): Snapshot {
  const snapshot = controller.snapshot();
  if (snapshot === null) throw new NotRunningError(`state: ${controller.state}`);
  return snapshot;
}

// `address` and `port` are what a client can connect to; `host` and the configured port may say less.
function listenersOf(controller: Controller): unknown {
  const snapshot = running(controller);
  const bound = new Map(controller.listeners().map((listener) => [listener.name, listener]));
  const listeners = snapshot.listeners.map(({ tls, policy, name, host, port, ...listener }) => ({
    name,
    address: bound.get(name)?.address ?? host,
    port: bound.get(name)?.port ?? port,
    configured: { host, port },
    ...listener,
    policy: snapshot.policies[policy]?.name ?? null,
    tls: tls && {
      ...tls,
      certificates: tls.certificates.map((index) => snapshot.certificates[index]?.name),
      clientAuth: { mode: tls.clientAuth.mode },
    },
  }));
  return { listeners };
}

// How servers are spoken to comes from the snapshot, how they are from the data plane.
function upstreamsOf(controller: Controller): unknown {
  const settings = new Map(
    running(controller).upstreams.map((upstream) => [upstream.name, spoken(upstream)]),
  );
  return controller.upstreams().map((state) => ({ ...state, ...settings.get(state.name) }));
}

function spoken({ protocol, tls, http2, proxyProtocol }: SnapshotUpstream): object {
  if (tls === null) return { protocol, http2, proxyProtocol, tls };
  const { caPem: _authorities, certPem, keyPem: _key, ...rest } = tls;
  return { protocol, http2, proxyProtocol, tls: { ...rest, clientCertificate: certPem !== "" } };
}

function routesOf(snapshot: Snapshot): unknown {
  const routes = snapshot.routes.map((route) => ({
    ...route,
    listeners: route.listeners.map((index) => snapshot.listeners[index]?.name),
    backends: route.backends.map(({ upstream, weight }) => ({
      upstream: snapshot.upstreams[upstream]?.name,
      weight,
    })),
    policy: snapshot.policies[route.policy]?.name ?? null,
    requestModifier: masked(route.requestModifier),
    responseModifier: masked(route.responseModifier),
  }));
  return { routes };
}

// A credential that a route adds for the upstream is nobody else's business.
function masked(modifier: SnapshotModifier | null): SnapshotModifier | null {
  if (modifier === null) return null;
  const mask = ([name, value]: readonly [string, string]) =>
    [name, kSecretField.test(name) ? MASK : value] as const;
  return { set: modifier.set.map(mask), add: modifier.add.map(mask), remove: modifier.remove };
}

function parseHeader(text: string): readonly [string, string] {
  const colon = text.indexOf(":");
  if (colon < 1)
    throw new MangoError(
      "BAD_REQUEST",
      `header ${JSON.stringify(text.slice(0, 100))}: expected "name: value"`,
    );
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
}
