// SPDX-License-Identifier: Apache-2.0
// Who is banned, and lifting a ban by hand.
import Type from "typebox";
import type { Controller } from "../../proxy/control.ts";
import { BadRequestError, MangoError } from "../../proxy/errors.ts";
import type { Ban } from "../../proxy/snapshot.ts";
import type { AdminApp } from "../server.ts";

const Query = Type.Object(
  {
    by: Type.Optional(Type.Enum(["client", "sni", "route"])),
    value: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    all: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

interface BanQuery {
  readonly by?: Ban["by"];
  readonly value?: string;
  readonly all?: boolean;
}

export function banRoutes(app: AdminApp, controller: Controller): void {
  const tags = ["bans"];
  app.get("/v1/bans", { schema: { summary: "Bans in force", tags } }, async () => ({
    bans: controller.bans(),
  }));

  app.delete<{ Querystring: BanQuery }>(
    "/v1/bans",
    { schema: { summary: "Lifts one ban (by and value), or all=true", tags, querystring: Query } },
    async ({ query: { by, value, all } }) => {
      if (all === true) return { lifted: controller.unbanAll() };
      if (by === undefined || value === undefined)
        throw new BadRequestError("name by and value, or all=true");
      if (!controller.unban(by, value)) throw new MangoError("NOT_FOUND", `no ban of ${by} ${value}`);
      return { lifted: 1 };
    },
  );
}
