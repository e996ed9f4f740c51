// SPDX-License-Identifier: Apache-2.0
// policies.<name>: what becomes of a session when something happens to it, who may come in, and how often.
// The table of default actions, and which action fits which trigger, is src/config/actions.ts.
import Type from "typebox";
import { ACTIONS, TRIGGERS } from "../actions.ts";
import { Count, Duration, Named, Section, Text } from "./scalars.ts";

const ActionName = (description: string) =>
  Type.Enum([...ACTIONS], {
    errorMessage: `expected one of ${ACTIONS.join(", ")}`,
    description,
  });

const Action = Type.Union(
  [
    ActionName("What to do with the session."),
    Section({
      action: ActionName("What to do with the session."),
      status: Type.Optional(Count(400, 599, { description: "What respond and tarpit answer." })),
      delay: Type.Optional(Duration({ description: "How long a tarpit holds the session (100ms to 5m)." })),
    }),
  ],
  { errorMessage: `expected an action (${ACTIONS.join(", ")}) or {action, status, delay}` },
);
type TriggerProperties = {
  [K in (typeof TRIGGERS)[number]]: ReturnType<typeof Type.Optional<typeof Action>>;
};

const SessionActions = Section(
  Object.fromEntries(
    TRIGGERS.map((trigger) => [trigger, Type.Optional(Action)]),
  ) as unknown as TriggerProperties,
  {
    default: {},
    description:
      "What to do with a session, by what happened to it. What is not named does the safe default.",
  },
);

const Escalation = Section(
  {
    trigger: Type.Optional(
      Type.Enum([...TRIGGERS], {
        errorMessage: "expected a trigger such as protocolError",
        description: "Without it, any.",
      }),
    ),
    after: Count(1, 1_000_000, { description: "How many times." }),
    within: Duration({ description: "In how long." }),
    by: Type.Enum(["client", "sni", "route"], {
      default: "client",
      errorMessage: "expected client, sni or route",
      description: "Whose occurrences are counted together.",
    }),
    action: ActionName("What further sessions get."),
    status: Type.Optional(Count(400, 599)),
    ban: Duration({ description: "For how long." }),
  },
  { description: "Repeated trouble gets a ban." },
);

const RateLimit = Section(
  {
    requests: Count(1, 1_000_000_000, { description: "Requests per client address." }),
    per: Duration({ default: "1s", description: "In this time." }),
    burst: Type.Optional(
      Count(1, 1_000_000_000, { description: "How many may come at once; without it, `requests`." }),
    ),
  },
  { description: "A token bucket per client address." },
);

const Networks = (description: string) =>
  Type.Array(Text(), {
    default: [],
    maxItems: 100_000,
    errorMessage: "expected a list of networks such as [10.0.0.0/8]",
    description,
  });

export const Policy = Section(
  {
    session: SessionActions,
    escalation: Type.Array(Escalation, {
      default: [],
      maxItems: 64,
      errorMessage: "expected a list of {after, within, by, action, ban}",
    }),
    rateLimit: Type.Optional(RateLimit),
    ipAllow: Networks("Only these clients; without any, everybody."),
    ipDeny: Networks("Never these clients, even where ipAllow has them."),
    maxAge: Duration({ default: "0s", description: "The longest life of a session; 0s sets no limit." }),
    maxRequests: Count(0, 1_000_000_000, {
      default: 0,
      description: "Requests a session may carry; 0 sets no limit.",
    }),
  },
  { description: "What becomes of sessions." },
);

export const Policies = Named(Policy, {
  default: {},
  description: "Session policies, by name. `default` is for whoever names none.",
});
