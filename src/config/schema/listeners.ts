// SPDX-License-Identifier: Apache-2.0
// listeners.<name>: where sessions come in, their TLS, and the time and room a stranger is given.
// The defaults are the safe ones for an edge; src/config/limits is deliberately not a second place for them.
import Type from "typebox";
import { ListenerHttp2 } from "./http2.ts";
import { Tls } from "./listener_tls.ts";
import { Count, Duration, Flag, Named, Reference, Section, Size, Text } from "./scalars.ts";

export const Timeouts = Section(
  {
    handshake: Duration({
      default: "5s",
      description:
        "From accept to the end of the TLS handshake, with the PROXY header before it; to the end of the ClientHello where TLS is passed through.",
    }),
    requestHeaders: Duration({
      default: "10s",
      description: "From the first byte of a request to the end of its head.",
    }),
    requestBody: Duration({
      default: "30s",
      description: "The longest pause while a request's content is read.",
    }),
    idle: Duration({ default: "60s", description: "Between requests." }),
    tunnelIdle: Duration({
      default: "1h",
      description: "Without a byte in either direction: WebSocket, and everything on tcp and tls listeners.",
    }),
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

const ProxyProtocol = Section(
  {
    trustedCIDRs: Type.Array(Text(), {
      minItems: 1,
      errorMessage: "expected a list of at least one network such as [10.0.0.0/8]",
      description:
        "Connections from here must begin with a PROXY header (version 1 or 2), and it says who the client is. All others begin without one.",
    }),
  },
  { description: "The PROXY protocol of a load balancer in front." },
);

export const Listener = Section(
  {
    address: Text({
      description:
        "IP:port such as 0.0.0.0:443, [::]:443 (both families) or :443 (the same); port 0 takes any free one.",
    }),
    protocol: Type.Enum(["https", "http", "tls", "tcp"], {
      errorMessage: "expected https, http, tls or tcp",
      description:
        "https and http: requests of any version; tls: bytes after TLS, or TLS passed through by its SNI; tcp: bytes.",
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
    http2: ListenerHttp2,
    proxyProtocol: Type.Optional(ProxyProtocol),
    timeouts: Timeouts,
    limits: HeadLimits,
    forwardedHeaders: ForwardedHeaders,
  },
  { description: "One address that sessions come in on." },
);

export const Listeners = Named(Listener, { description: "Where sessions come in, by name." });
