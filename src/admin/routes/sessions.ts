// SPDX-License-Identifier: Apache-2.0
// Live sessions: list them, and close, reset or abort one of them or all that match a selector. An empty selector
// is refused when acting: "everything" must be said by other means than a forgotten field.
import Type from "typebox";
import { type Controller, type SessionAction, sessionActions } from "../../proxy/control.ts";
import { BadRequestError, MangoError } from "../../proxy/errors.ts";
import { checkSelector } from "../../proxy/selector.ts";
import type { SessionSelector } from "../../proxy/sessions.ts";
import type { AdminApp } from "../server.ts";

const kDefaultLimit = 1000;

const selectorFields = {
  client: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: "Address or CIDR" })),
  sni: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  route: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  upstream: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  listener: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  olderThanMs: Type.Optional(Type.Integer({ minimum: 0 })),
  id: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
};

const Selector = Type.Object(selectorFields, { additionalProperties: false });
const ListQuery = Type.Object(
  { ...selectorFields, limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })) },
  { additionalProperties: false },
);
const Action = Type.Enum([...sessionActions]);
const OneParams = Type.Object({
  id: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  action: Action,
});
const AllParams = Type.Object({ action: Action });

export function sessionRoutes(app: AdminApp, controller: Controller): void {
  const tags = ["sessions"];
  app.get<{ Querystring: SessionSelector }>(
    "/v1/sessions",
    { schema: { summary: "Live sessions that match", tags, querystring: ListQuery } },
    async ({ query }) => {
      const sessions = await controller.sessions({ limit: kDefaultLimit, ...checkSelector(query) });
      return { sessions };
    },
  );

  app.post<{ Params: { id: number; action: SessionAction } }>(
    "/v1/sessions/:id/:action",
    { schema: { summary: "Ends one session", tags, params: OneParams } },
    async ({ params }) => {
      const affected = await controller.act({ id: params.id }, params.action);
      if (affected === 0) throw new MangoError("NOT_FOUND", `no session ${params.id}`);
      return { affected };
    },
  );

  app.post<{ Params: { action: SessionAction }; Body: SessionSelector }>(
    "/v1/sessions/:action",
    { schema: { summary: "Ends all sessions that match", tags, params: AllParams, body: Selector } },
    async ({ params, body }) => {
      if (Object.keys(body).length === 0) throw new BadRequestError("an empty selector matches nothing");
      return { affected: await controller.act(checkSelector(body), params.action) };
    },
  );
}
