// SPDX-License-Identifier: Apache-2.0
// The offload engine and its device: what it tells of itself, and its reset. A reset ends every session; it is
// answered when it has begun, and /readyz says when it is over.
import Type from "typebox";
import type { Controller } from "../../proxy/control.ts";
import type { DeviceReport } from "../../proxy/device.ts";
import { NotRunningError } from "../../proxy/errors.ts";
import type { AdminApp } from "../server.ts";

const ResetBody = Type.Object(
  {
    preserve: Type.Optional(
      Type.Boolean({ description: "Keep the device's own state, such as its addresses" }),
    ),
  },
  { additionalProperties: false },
);

export function deviceRoutes(app: AdminApp, controller: Controller): void {
  const tags = ["device"];
  app.get(
    "/v1/device",
    { schema: { summary: "The offload engine, its device's state, figures and addresses", tags } },
    async () => {
      const report = await controller.askDevice();
      if (report === null) throw new NotRunningError(`state: ${controller.state}`);
      return describe(report);
    },
  );

  app.post<{ Body: { preserve?: boolean } }>(
    "/v1/device/reset",
    {
      schema: { summary: "Resets the device: all sessions end, listeners come back", tags, body: ResetBody },
      preValidation: async (request) => {
        request.body ??= {};
      },
    },
    async ({ body }, reply) => {
      const { state, resets } = await controller.resetDevice(body.preserve ?? false);
      reply.code(202);
      return { state, resets };
    },
  );
}

// Numbers where the device's texts are numbers, and its dotted names as parts.
function describe({ fields, ...facts }: DeviceReport): object {
  const parts: Record<string, Record<string, string | number>> = {};
  for (const [name, text] of Object.entries(fields)) {
    const dot = name.indexOf(".");
    const [part, field] = [name.slice(0, dot), name.slice(dot + 1)];
    parts[part] ??= {};
    parts[part][field] = /^[0-9]{1,15}$/.test(text) ? Number(text) : text;
  }
  const { device = {}, ...others } = parts;
  const { state: _state, reset: _reset, index: _index, ...own } = device;
  return { ...facts, ...own, ...others };
}
