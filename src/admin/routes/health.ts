// SPDX-License-Identifier: Apache-2.0
// For probes and Prometheus: is the process alive, may it get traffic, what has it counted.
import Type from "typebox";
import type { Metrics } from "../../metrics/registry.ts";
import type { Controller } from "../../proxy/control.ts";
import type { DeviceFacts } from "../../proxy/device.ts";
import { kProblemType, makeProblem } from "../problem.ts";
import type { AdminApp } from "../server.ts";

const Health = Type.Object({ status: Type.String() });

export function healthRoutes(app: AdminApp, controller: Controller, metrics: Metrics): void {
  app.get(
    "/healthz",
    { schema: { summary: "200 while the process is alive", tags: ["health"], response: { 200: Health } } },
    () => ({ status: "ok" }),
  );

  app.get(
    "/readyz",
    {
      schema: {
        summary: "200 while the listeners accept; 503 before, while draining, and while the device is away",
        tags: ["health"],
      },
    },
    (_request, reply) => {
      const problem = unreadiness(controller);
      if (problem === null) return { status: "ready", generation: controller.generation };
      return reply.code(503).type(kProblemType).send(JSON.stringify(problem));
    },
  );

  app.get(
    "/metrics",
    { schema: { summary: "Prometheus text exposition", tags: ["health"], produces: ["text/plain"] } },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.scrape()),
  );
}

// Why no traffic should come, or null.
function unreadiness(controller: Controller): object | null {
  const { state } = controller;
  if (state !== "ready") return { ...makeProblem("NOT_RUNNING", 503, `state: ${state}`), state };
  const device = controller.device();
  if (device === null || device.state === "ready") return null;
  return { ...makeProblem("DEVICE_UNAVAILABLE", 503, inWords(device)), state, device: about(device) };
}

function about({ state, error, lostListeners }: DeviceFacts): object {
  return { state, ...(error === "" ? {} : { error }), listeners: lostListeners };
}

function inWords({ engine, state, error, lostListeners }: DeviceFacts): string {
  const why = error === "" ? "" : `: ${error}`;
  const deaf = lostListeners.length === 0 ? "" : `; not listening: ${lostListeners.join(", ")}`;
  return `${engine} is ${state}${why}${deaf}`;
}
