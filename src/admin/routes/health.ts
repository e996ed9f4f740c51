// SPDX-License-Identifier: Apache-2.0
// For probes and Prometheus: is the process alive, may it get traffic, what has it counted.
import Type from "typebox";
import type { Metrics } from "../../metrics/registry.ts";
import type { Controller } from "../../proxy/control.ts";
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
      schema: { summary: "200 while the listeners accept; 503 before and while draining", tags: ["health"] },
    },
    (_request, reply) => {
      if (controller.state === "ready") return { status: "ready", generation: controller.generation };
      const problem = {
        ...makeProblem("NOT_RUNNING", 503, `state: ${controller.state}`),
        state: controller.state,
      };
      return reply.code(503).type(kProblemType).send(JSON.stringify(problem));
    },
  );

  app.get(
    "/metrics",
    { schema: { summary: "Prometheus text exposition", tags: ["health"], produces: ["text/plain"] } },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.scrape()),
  );
}
