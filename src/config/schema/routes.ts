// SPDX-License-Identifier: Apache-2.0
// routes[]: which request goes where. Nouns and precedence are those of the Gateway API: the most specific match
// wins, never the order in the file.
import Type from "typebox";
import { Count, Duration, Reference, Section, Text } from "./scalars.ts";

const HeaderValue = Section({
  name: Text({ description: "Field name." }),
  value: Type.String({ maxLength: 8192, errorMessage: "expected a text", description: "Field value." }),
});

const HeaderModifier = (description: string) =>
  Section(
    {
      set: Type.Array(HeaderValue, {
        default: [],
        errorMessage: "expected a list of {name, value}",
        description: "Replaces the field.",
      }),
      add: Type.Array(HeaderValue, {
        default: [],
        errorMessage: "expected a list of {name, value}",
        description: "Adds a field beside those there.",
      }),
      remove: Type.Array(Text(), {
        default: [],
        errorMessage: "expected a list of field names",
        description: "Takes fields away.",
      }),
    },
    { description },
  );

const PathModifier = Section(
  {
    type: Type.Enum(["ReplaceFullPath", "ReplacePrefixMatch"], {
      errorMessage: "expected ReplaceFullPath or ReplacePrefixMatch",
    }),
    replaceFullPath: Type.Optional(Type.String({ maxLength: 4096, errorMessage: "expected a path" })),
    replacePrefixMatch: Type.Optional(Type.String({ maxLength: 4096, errorMessage: "expected a path" })),
  },
  { description: "A new path: the whole of it, or the part that a PathPrefix matched." },
);

const Redirect = Section(
  {
    scheme: Type.Optional(Type.Enum(["http", "https"], { errorMessage: "expected http or https" })),
    hostname: Type.Optional(Text({ description: "Without it, the host that was asked for." })),
    port: Type.Optional(Count(1, 65_535, { description: "Without it, the well-known one of the scheme." })),
    path: Type.Optional(PathModifier),
    statusCode: Type.Integer({
      enum: [301, 302, 303, 307, 308],
      default: 302,
      errorMessage: "expected 301, 302, 303, 307 or 308",
    }),
  },
  { description: "Answers with a redirect; the route then has no backendRefs." },
);

const Rewrite = Section(
  {
    hostname: Type.Optional(Text({ description: "The Host sent to the upstream." })),
    path: Type.Optional(PathModifier),
  },
  { description: "Changes what is sent to the upstream." },
);

const FILTER_TYPES = [
  "RequestHeaderModifier",
  "ResponseHeaderModifier",
  "RequestRedirect",
  "URLRewrite",
] as const;

const Filter = Section(
  {
    type: Type.Optional(
      Type.Enum([...FILTER_TYPES], {
        notYet: ["RequestMirror", "ExtensionRef", "CORS"],
        errorMessage: `expected ${FILTER_TYPES.join(", ")}`,
      }),
    ),
    requestHeaderModifier: Type.Optional(HeaderModifier("Changes fields on the way to the upstream.")),
    responseHeaderModifier: Type.Optional(HeaderModifier("Changes fields on the way to the client.")),
    requestRedirect: Type.Optional(Redirect),
    urlRewrite: Type.Optional(Rewrite),
  },
  {
    notYet: ["requestMirror", "extensionRef", "cors"],
    description: "Exactly one of the four; `type` may name it, as in the Gateway API.",
  },
);

const PathMatch = Section(
  {
    type: Type.Enum(["Exact", "PathPrefix", "RegularExpression"], {
      default: "PathPrefix",
      errorMessage: "expected Exact, PathPrefix or RegularExpression",
      description: "PathPrefix matches whole segments; RegularExpression is RE2 and matches the whole path.",
    }),
    value: Type.String({ default: "/", maxLength: 4096, errorMessage: "expected a path such as /api" }),
  },
  { default: {}, description: "What the path must be like." },
);

const NameMatch = Section({
  type: Type.Enum(["Exact", "RegularExpression"], {
    default: "Exact",
    errorMessage: "expected Exact or RegularExpression",
  }),
  name: Text(),
  value: Type.String({ maxLength: 4096, errorMessage: "expected a text" }),
});

const Match = Section(
  {
    path: PathMatch,
    method: Type.Optional(
      Type.String({
        pattern: "^[A-Z][A-Z0-9_-]{0,31}$",
        errorMessage: "expected a method in capitals such as GET",
        description: "Without it, any.",
      }),
    ),
    headers: Type.Array(NameMatch, {
      default: [],
      maxItems: 16,
      errorMessage: "expected a list of {type, name, value}",
    }),
    queryParams: Type.Array(NameMatch, {
      default: [],
      maxItems: 16,
      errorMessage: "expected a list of {type, name, value}",
    }),
  },
  { description: "All conditions of one match must hold; one match of the list is enough." },
);

const BackendRef = Section({
  name: Reference("an upstream"),
  weight: Count(0, 1_000_000, {
    default: 1,
    description: "The share of requests relative to the other refs; 0 sends none.",
  }),
});

export const RouteTimeouts = Section(
  {
    request: Duration({
      default: "0s",
      description: "The whole exchange, retries included; 0s sets no limit.",
    }),
    backendRequest: Duration({
      default: "0s",
      description: "One attempt at an upstream, to the end of its response; 0s sets no limit.",
    }),
  },
  { default: {}, description: "Limits of an exchange. The upstream's own timeouts hold besides." },
);

export const Retry = Section(
  {
    attempts: Count(0, 10, {
      default: 1,
      description:
        "Further attempts on other servers, where nothing was answered and the request can be replayed.",
    }),
  },
  { default: {}, notYet: ["codes", "backoff"], description: "Retries." },
);

export const Route = Section(
  {
    name: Type.String({
      minLength: 1,
      maxLength: 253,
      pattern: "^[A-Za-z0-9][A-Za-z0-9_./*-]*$",
      errorMessage: "expected a name of letters, digits and . _ / * -",
    }),
    listeners: Type.Optional(
      Type.Array(Reference("a listener"), {
        minItems: 1,
        errorMessage: "expected a list of listener names",
        description: "Without them, every http and https listener.",
      }),
    ),
    hostnames: Type.Array(Text(), {
      default: [],
      maxItems: 100_000,
      errorMessage: "expected a list of host names",
      description:
        "Exact names or *.example.org; without them, any host. Names of SNI where listeners are tls.",
    }),
    matches: Type.Array(Match, { default: [{}], maxItems: 128, errorMessage: "expected a list of matches" }),
    filters: Type.Array(Filter, { default: [], maxItems: 16, errorMessage: "expected a list of filters" }),
    backendRefs: Type.Array(BackendRef, {
      default: [],
      maxItems: 64,
      errorMessage: "expected a list of {name, weight}",
    }),
    timeouts: RouteTimeouts,
    retry: Retry,
    policy: Type.Optional(Reference("a policy", { description: "Without it, the listener's." })),
  },
  { description: "Requests that match go to the upstreams of backendRefs, or are redirected." },
);

export const Routes = Type.Array(Route, {
  errorMessage: "expected a list of routes, each starting with '- name:'",
  description: "Which request goes where.",
});
