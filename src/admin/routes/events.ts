// SPDX-License-Identifier: Apache-2.0
// Events: the recent ones as JSON, or a live stream (server-sent events) for whoever asks for text/event-stream.
// A reader that does not keep up is cut off: it may come back with Last-Event-ID and sees what it missed.
import type { ServerResponse } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import Type from "typebox";
import type { Controller } from "../../proxy/control.ts";
import { MangoError } from "../../proxy/errors.ts";
import type { NumberedEvent } from "../../proxy/event_log.ts";
import type { AdminApp } from "../server.ts";

const kMaxUnsentBytes = 1024 * 1024;
const kHeartbeatMs = 15_000; // less than any proxy's or our own idle limit
const kDefaultLimit = 200;

const Query = Type.Object(
  {
    limit: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
    after: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  { additionalProperties: false },
);

interface EventQuery {
  readonly limit?: number;
  readonly after?: number;
}

export function eventRoutes(app: AdminApp, controller: Controller, maxStreams: number): void {
  let streams = 0;
  app.get<{ Querystring: EventQuery }>(
    "/v1/events",
    {
      schema: {
        summary: "Recent events; with Accept: text/event-stream a live stream",
        tags: ["events"],
        querystring: Query,
        produces: ["application/json", "text/event-stream"],
      },
    },
    async (request, reply) => {
      const { limit = kDefaultLimit, after = 0 } = request.query;
      if (!wantsStream(request)) return { events: controller.events.recent(limit, after).map(flatten) };
      if (streams >= maxStreams) throw new MangoError("BUSY", `${maxStreams} event streams are open already`);
      streams += 1;
      stream(controller, request, reply, () => {
        streams -= 1;
      });
      return reply;
    },
  );
}

function wantsStream(request: FastifyRequest): boolean {
  return request.method === "GET" && (request.headers.accept ?? "").includes("text/event-stream");
}

function stream(
  controller: Controller,
  request: FastifyRequest,
  reply: FastifyReply,
  ended: () => void,
): void {
  reply.hijack();
  const out = reply.raw;
  out.writeHead(200, {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  });
  out.write(": connected\n\n");
  const since = Number(request.headers["last-event-id"] ?? Number.NaN);
  if (Number.isSafeInteger(since))
    for (const entry of controller.events.recent(10_000, since)) send(out, entry);
  const unsubscribe = controller.events.subscribe((entry) => send(out, entry));
  const heartbeat = setInterval(() => out.write(": still here\n\n"), kHeartbeatMs).unref();
  out.once("close", () => {
    clearInterval(heartbeat);
    unsubscribe();
    ended();
  });
}

function send(out: ServerResponse, entry: NumberedEvent): void {
  if (out.writableLength > kMaxUnsentBytes) return void out.destroy();
  out.write(`id: ${entry.id}\nevent: ${entry.event.type}\ndata: ${JSON.stringify(flatten(entry))}\n\n`);
}

function flatten({ id, event }: NumberedEvent): unknown {
  return { id, ...event };
}
