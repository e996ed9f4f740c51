// SPDX-License-Identifier: Apache-2.0
// The admin API: one Fastify instance on its own address. Wires guard, problem documents and routes; every limit a
// client could exhaust is set here. It runs in the control plane: whatever happens to it, no request notices.
import type { AddressInfo, Socket } from "node:net";
import swagger from "@fastify/swagger";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from "fastify";
import type { Metrics } from "../metrics/registry.ts";
import type { Controller } from "../proxy/control.ts";
import { ListenFailedError, MangoError } from "../proxy/errors.ts";
import type { Logger } from "../proxy/logger.ts";
import { createGuard, isLoopback } from "./guard.ts";
import { collectMethods, type MethodTable } from "./methods.ts";
import { kProblemType, makeProblem, problemOf } from "./problem.ts";
import { banRoutes } from "./routes/bans.ts";
import { configRoutes } from "./routes/config.ts";
import { deviceRoutes } from "./routes/device.ts";
import { eventRoutes } from "./routes/events.ts";
import { healthRoutes } from "./routes/health.ts";
import { inspectRoutes } from "./routes/inspect.ts";
import { sessionRoutes } from "./routes/sessions.ts";

const kMiB = 1024 * 1024;

export const adminLimits = {
  bodyBytes: kMiB,
  configBytes: 16 * kMiB,
  requestMs: 30_000, // to receive a whole request
  headersMs: 10_000,
  inactivityMs: 60_000,
  keepAliveMs: 10_000,
  connections: 256,
  eventStreams: 16,
} as const;

export interface AdminOptions {
  readonly host: string;
  readonly port: number; // 0 = any free one
  readonly token: string | null;
  readonly version: string;
  readonly controller: Controller;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

export interface AdminServer {
  readonly address: string;
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

export type AdminApp = FastifyInstance;

export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  if (options.token === null && !isLoopback(options.host)) {
    throw new MangoError(
      "CONFIG_INVALID",
      `admin.address ${options.host} is not a loopback address: set admin.token`,
    );
  }
  const app = await createAdminApp(options);
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    await app.close();
    const reason = error instanceof Error ? error.message : String(error);
    throw new ListenFailedError(`admin API on ${options.host}:${options.port}: ${reason}`);
  }
  const { address, port, family } = app.server.address() as AddressInfo;
  const url = `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
  return { address, port, url, close: () => app.close() };
}

async function createAdminApp(options: AdminOptions): Promise<AdminApp> {
  const app = Fastify({
    loggerInstance: options.logger.child({ part: "admin" }, { level: "warn" }),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: adminLimits.bodyBytes,
    requestTimeout: adminLimits.requestMs,
    connectionTimeout: adminLimits.inactivityMs,
    keepAliveTimeout: adminLimits.keepAliveMs,
    http: {
      headersTimeout: adminLimits.headersMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16 * 1024,
    },
    forceCloseConnections: true, // event streams would hold close() for ever
    exposeHeadRoutes: true,
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, _request, reply) => void sendProblem(reply, error),
    ajv: { customOptions: { allErrors: false, coerceTypes: true, removeAdditional: false } },
  }).withTypeProvider<TypeBoxTypeProvider>() as unknown as AdminApp;
  app.server.maxConnections = adminLimits.connections;
  app.removeContentTypeParser("text/plain"); // what a form of another site could send
  const methods = collectMethods(app);
  app.addHook("onRequest", guardHook(options));
  app.addHook("onSend", async (_request, reply) => {
    reply.headers({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
  });
  app.setErrorHandler((error, request, reply) => {
    logFailure(options.logger, error, request);
    return sendProblem(reply, error);
  });
  app.setNotFoundHandler((request, reply) => answerNotFound(methods, request, reply));
  await registerRoutes(app, options);
  await app.ready();
  return app;
}

async function registerRoutes(app: AdminApp, options: AdminOptions): Promise<void> {
  const { controller, metrics, version } = options;
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "mango-edge admin API", version, description: "Errors are RFC 9457 problem documents." },
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
      ...(options.token === null ? {} : { security: [{ token: [] }] }),
    },
  });
  healthRoutes(app, controller, metrics);
  inspectRoutes(app, controller);
  sessionRoutes(app, controller);
  banRoutes(app, controller);
  deviceRoutes(app, controller);
  eventRoutes(app, controller, adminLimits.eventStreams);
  await app.register(async (scope) => configRoutes(scope, controller, adminLimits.configBytes));
  app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger());
}

function guardHook(options: AdminOptions): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  const guard = createGuard({ address: options.host, token: options.token });
  return async (request, reply) => {
    try {
      guard(request);
    } catch (error) {
      if (error instanceof MangoError && error.code === "UNAUTHORIZED")
        reply.header("www-authenticate", "Bearer");
      throw error;
    }
  };
}

function sendProblem(reply: FastifyReply, error: unknown): FastifyReply {
  const problem = problemOf(error);
  return reply.code(problem.status).type(kProblemType).send(JSON.stringify(problem));
}

function logFailure(logger: Logger, error: unknown, request: FastifyRequest): void {
  if (problemOf(error).code !== "INTERNAL") return; // the answer says it all
  logger.error({ err: error, method: request.method, url: request.url }, "admin request failed");
}

function answerNotFound(methods: MethodTable, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const path = request.url.split("?", 1)[0] ?? "";
  const allowed = methods.allowed(path);
  if (allowed.length === 0)
    throw new MangoError("NOT_FOUND", `${path.slice(0, 200)} does not exist; see /openapi.json`);
  reply.header("allow", allowed.join(", "));
  throw new MangoError("METHOD_NOT_ALLOWED", `use ${allowed.join(" or ")}`);
}

// What Node's parser refuses never reaches Fastify's routes.
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy();
  const status =
    error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? 408 : error.code === "HPE_HEADER_OVERFLOW" ? 431 : 400;
  const problem = JSON.stringify(makeProblem("BAD_REQUEST", status));
  const head = [
    `HTTP/1.1 ${status} ${makeProblem("BAD_REQUEST", status).title}`,
    `Content-Type: ${kProblemType}`,
    `Content-Length: ${Buffer.byteLength(problem)}`,
    "Connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${problem}`);
}
