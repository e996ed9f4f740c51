// SPDX-License-Identifier: Apache-2.0
// Reading, checking and changing the running configuration. A refused change changes nothing; an accepted one lives
// in memory until the next reload of the file, which stays the place where configuration is kept.
import type { Controller } from "../../proxy/control.ts";
import { BadRequestError, MangoError, NotRunningError } from "../../proxy/errors.ts";
import type { AdminApp } from "../server.ts";

const kYamlTypes = ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"];

export function configRoutes(app: AdminApp, controller: Controller, bodyLimit: number): void {
  // JSON is YAML too: both stay text here, so that a mistake is reported with its line and column.
  app.removeAllContentTypeParsers();
  const parser = (_request: unknown, body: string, done: (error: null, body: string) => void): void =>
    done(null, body);
  app.addContentTypeParser(["application/json", ...kYamlTypes], { parseAs: "string", bodyLimit }, parser);
  const consumes = ["application/yaml", "application/json"];
  const tags = ["config"];

  app.get(
    "/v1/config",
    { schema: { summary: "The running configuration, secrets masked", tags } },
    async (_request, reply) => {
      reply.header("etag", etag(controller));
      return { generation: controller.generation, config: controller.config() };
    },
  );

  app.post<{ Body: string }>(
    "/v1/config/validate",
    { bodyLimit, schema: { summary: "Checks a configuration without applying it", tags, consumes } },
    async ({ body }) => ({ valid: true, ...(await controller.validate(required(body))) }),
  );

  app.put<{ Body: string }>(
    "/v1/config",
    {
      bodyLimit,
      schema: { summary: "Applies a configuration in memory; If-Match guards against races", tags, consumes },
    },
    async ({ body, headers }, reply) => {
      checkPrecondition(controller, headers["if-match"]);
      const result = await controller.apply(required(body));
      reply.header("etag", etag(controller));
      return result;
    },
  );

  app.post("/v1/reload", { schema: { summary: "Reads the configuration file again", tags } }, () =>
    controller.reload(),
  );

  app.post(
    "/v1/drain",
    { schema: { summary: "Stops accepting, lets sessions end; the process stays", tags } },
    async (_request, reply) => {
      if (controller.state !== "ready" && controller.state !== "draining") {
        throw new NotRunningError(`state: ${controller.state}`);
      }
      void controller.drain();
      reply.code(202);
      return { state: controller.state };
    },
  );
}

function required(body: unknown): string {
  if (typeof body === "string" && body !== "") return body;
  throw new BadRequestError("send the configuration as the request content");
}

function etag(controller: Controller): string {
  return `"${controller.generation}"`;
}

function checkPrecondition(controller: Controller, ifMatch: string | undefined): void {
  if (ifMatch === undefined || ifMatch === "*" || ifMatch === etag(controller)) return;
  throw new MangoError("GENERATION_CHANGED", `the running generation is ${controller.generation}`);
}
