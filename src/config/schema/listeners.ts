// SPDX-License-Identifier: Apache-2.0
// listeners.<name>: where sessions come in, their TLS, and the time and room a stranger is given.
// The defaults are the safe ones for an edge; src/config/limits is deliberately not a second place for them.
import Type from "typebox";
import { Count, Duration, Flag, Named, Reference, Section, Size, Text } from "./scalars.ts";

const TLS_GROUPS = [
  "X25519MLKEM768",
  "SecP256r1MLKEM768",
  "SecP384r1MLKEM1024",
  "X25519",
  "X448",
  "P-256",
  "P-384",
  "P-521",
] as const;

export const Timeouts = Section(
  {
    handshake: Duration({ default: "5s", description: "From accept to the end of the TLS handshake." }),
    requestHeaders: Duration({
      default: "10s",
      description: "From the first byte of a request to the end of its head.",
    }),
    requestBody: Duration({
      default: "30s",
      description: "The longest pause while a request's content is read.",
    }),
    idle: Duration({ default: "60s", description: "Between requests, and in tunnels without traffic." }),
    write: Duration({
      default: "60s",
      description: "The longest pause while a client does not take what is sent to it.",
    }),
    minRate: Section(
      {
        bytesPerSecond: Count(0, 1_000_000_000, {
          default: 240,
          description: "The slowest content that is tolerated; 0 switches this off.",
        }),
        after: Duration({ default: "5s", description: "How long a body may run before its rate counts." }),
      },
      {
        default: {},
        description: "The minimum rate of request content, instead of a total time that would break uploads.",
      },
    ),
  },
  { default: {}, description: "How long a session may take for each step; 0s switches a limit off." },
);

export const HeadLimits = Section(
  {
    headBytes: Size({
      default: "16KiB",
      description: "The largest request head (1KiB to 256KiB); above it: 431.",
    }),
    headFields: Count(1, 1000, {
      default: 100,
      description: "The most fields of a request head; above it: 431.",
    }),
    allowEscapedSlashes: Flag({
      default: false,
      description: "Let %2f and %5c through in paths instead of answering 400.",
    }),
  },
  { default: {}, description: "The room a request head may take." },
);

export const Tickets = Section(
  {
    enabled: Flag({ default: true, description: "Whether sessions may be resumed with tickets." }),
    rotation: Duration({
      default: "12h",
      description: "How often a new ticket key is made; old ones resume for twice as long.",
    }),
    keyFile: Type.Optional(
      Text({ description: "80-byte keys shared among hosts, newest first (raw, or one base64 line each)." }),
    ),
  },
  {
    default: {},
    description: "TLS session tickets. All listeners share one ring of keys, so give all of them the same.",
  },
);

const ClientAuth = Section(
  {
    mode: Type.Enum(["none", "optional", "require"], {
      default: "none",
      errorMessage: "expected none, optional or require",
      description: "Whether clients are asked for a certificate, and whether they must have one.",
    }),
    ca: Type.Optional(Text({ description: "PEM file of the authorities that sign client certificates." })),
  },
  { default: {}, description: "Client certificates (mTLS)." },
);

export const Tls = Section(
  {
    certificates: Type.Array(Reference("a certificate"), {
      minItems: 1,
      maxItems: 10_000,
      errorMessage: "expected a list of at least one certificate name",
      description: "Names under `certificates`; chosen by SNI, the first one is the default.",
    }),
    minVersion: Type.Enum(["1.2", "1.3"], {
      default: "1.2",
      errorMessage: 'expected "1.2" or "1.3"',
      description: "The oldest TLS version accepted.",
    }),
    groups: Type.Array(Type.Enum([...TLS_GROUPS]), {
      minItems: 1,
      default: ["X25519MLKEM768", "X25519", "P-256", "P-384"],
      errorMessage: "expected a list of key exchange groups",
      description: "Key exchange groups, the preferred one first.",
    }),
    alpn: Type.Array(Type.Enum(["http/1.1"], { notYet: ["h2"], errorMessage: "expected http/1.1" }), {
      minItems: 1,
      default: ["http/1.1"],
      errorMessage: "expected a list of protocols such as [http/1.1]",
      description: "Application protocols offered, the preferred one first.",
    }),
    clientAuth: ClientAuth,
    tickets: Tickets,
  },
  { description: "TLS of an https listener." },
);

export const ForwardedHeaders = Section(
  {
    trustedCIDRs: Type.Array(Text(), {
      default: [],
      errorMessage: "expected a list of networks such as [10.0.0.0/8]",
      description:
        "Clients whose X-Forwarded-*, Forwarded and X-Request-Id fields are believed. Everybody else's are overwritten.",
    }),
  },
  { default: {}, description: "Whom to believe about where a request came from." },
);

export const Listener = Section(
  {
    address: Text({
      description:
        "IP:port such as 0.0.0.0:443, [::]:443 (both families) or :443 (the same); port 0 takes any free one.",
    }),
    protocol: Type.Enum(["https", "http"], {
      notYet: ["tls", "tcp"],
      errorMessage: "expected https or http",
      description: "What is spoken on this listener.",
    }),
    backlog: Count(1, 65_535, {
      default: 1024,
      description: "Connections the kernel may hold before they are accepted.",
    }),
    tls: Type.Optional(Tls),
    policy: Type.Optional(
      Reference("a policy", {
        description: "Session policy; without one, `policies.default` or the built-in.",
      }),
    ),
    timeouts: Timeouts,
    limits: HeadLimits,
    forwardedHeaders: ForwardedHeaders,
  },
  { notYet: ["http2", "proxyProtocol"], description: "One address that sessions come in on." },
);

export const Listeners = Named(Listener, { description: "Where sessions come in, by name." });
