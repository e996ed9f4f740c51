// SPDX-License-Identifier: Apache-2.0
// The real admin server on a free port, over a real controller; only the data plane below is the recording one.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type AdminServer, startAdmin } from "../../src/admin/server.ts";
import { createMetrics } from "../../src/metrics/registry.ts";
import { createConfigSource } from "../../src/proxy/config_source.ts";
import { EdgeController } from "../../src/proxy/controller.ts";
import { createLogger } from "../../src/proxy/logger.ts";
import { createFakeAddon, type FakePlane } from "../proxy/fake_addon.ts";
import { createManualClock, type ManualClock } from "../proxy/manual_clock.ts";

export const validConfig = `
listeners:
  web: {address: "127.0.0.1:0", protocol: http}
admin: {address: "127.0.0.1:0"}
routes:
  - name: all
    backendRefs: [{name: app}]
    filters:
      - requestHeaderModifier: {set: [{name: Authorization, value: Basic-hunter2}]}
upstreams:
  app: {servers: [{url: "http://127.0.0.1:9"}]}
policies:
  default:
    escalation: [{after: 2, within: 60s, by: client, action: abort, ban: 10m}]
`;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: Record<string, unknown>;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface Harness {
  readonly admin: AdminServer;
  readonly controller: EdgeController;
  readonly plane: FakePlane;
  readonly clock: ManualClock;
  readonly configFile: string;
  readonly log: string[];
  ask(path: string, options?: Ask): Promise<Answer>;
}

export interface HarnessOptions {
  readonly token?: string;
  readonly host?: string;
  readonly start?: boolean;
}

export async function startHarness(t: TestContext, options: HarnessOptions = {}): Promise<Harness> {
  const folder = mkdtempSync(join(tmpdir(), "mango-admin-"));
  const configFile = join(folder, "edge.yaml");
  writeFileSync(configFile, validConfig);
  const log: string[] = [];
  const logger = createLogger({ write: (line) => log.push(line) });
  const clock = createManualClock();
  const addon = createFakeAddon();
  const source = createConfigSource(configFile, {});
  const lookup = async () => ({ addresses: [], ttlMs: null });
  const controller = new EdgeController({ source, addon, logger, lookup, version: "0.0.0", clock });
  if (options.start !== false) await controller.start(await source.readFile());
  const admin = await startAdmin({
    host: options.host ?? "127.0.0.1",
    port: 0,
    token: options.token ?? null,
    version: "0.0.0",
    controller,
    metrics: createMetrics({
      source: {
        counters: () => controller.counters(),
        facts: () => controller.facts(),
        device: () => controller.askDevice(),
      },
    }),
    logger,
  });
  t.after(async () => {
    await admin.close();
    await controller.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const plane = addon.planes[0] as FakePlane;
  return {
    admin,
    controller,
    plane,
    clock,
    configFile,
    log,
    ask: (path, ask) => send(admin.port, path, ask),
  };
}

// Not fetch(): it lets nobody choose Host or Origin.
export function send(
  port: number,
  path: string,
  { method = "GET", headers = {}, body }: Ask = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing = request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("error", reject);
    response.on("end", () => {
      const text = Buffer.concat(chunks).toString("utf8");
      const isJson = /json/.test(response.headers["content-type"] ?? "") && text !== "";
      const json = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
    });
  });
  outgoing.on("error", reject);
  outgoing.end(body);
  return promise;
}

export const jsonType = { "content-type": "application/json" };
export const yamlType = { "content-type": "application/yaml" };
