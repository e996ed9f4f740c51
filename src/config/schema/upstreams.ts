// SPDX-License-Identifier: Apache-2.0
// upstreams.<name>: the servers behind a route, how they are chosen, and when one is left alone for a while.
import Type from "typebox";
import { UpstreamHttp2 } from "./http2.ts";
import { Count, Duration, Flag, Named, Section, Text } from "./scalars.ts";

const Server = Section({
  url: Text({
    description:
      "http://host:port, https://host:port, unix:/path/to.sock or builtin:demo (a small demo service); tcp://host:port, tls://host:port or unix: for bytes.",
  }),
  weight: Count(0, 1_000_000, {
    default: 1,
    description: "The share of requests relative to the other servers; 0 sends none.",
  }),
  drain: Flag({ default: false, description: "Finish what is running there, send nothing new." }),
});

export const LoadBalancer = Section(
  {
    type: Type.Enum(["RoundRobin", "LeastRequest"], {
      default: "RoundRobin",
      notYet: ["Random", "ConsistentHash"],
      errorMessage: "expected RoundRobin or LeastRequest",
    }),
  },
  { default: {}, description: "How a server is chosen." },
);

export const UpstreamTimeouts = Section(
  {
    connect: Duration({ default: "5s", description: "Until a connection to a server stands." }),
    response: Duration({
      default: "60s",
      description: "From the end of the request to the head of the response.",
    }),
    idle: Duration({
      default: "60s",
      description: "How long an unused connection is kept; also the longest pause in a response.",
    }),
  },
  { default: {}, description: "How long a server may take for each step." },
);

export const ConnectionPool = Section(
  {
    maxIdle: Count(0, 65_535, {
      default: 64,
      description: "Unused connections kept, per worker and server.",
    }),
    maxConnections: Count(0, 1_000_000, {
      default: 1024,
      description: "Connections at once, per worker and server; 0 sets no limit.",
    }),
  },
  { default: {}, description: "Kept connections." },
);

export const HealthCheck = Section(
  {
    passive: Section(
      {
        consecutiveFailures: Count(0, 1000, {
          default: 5,
          description: "Failures in a row that eject a server; 0 never does.",
        }),
        baseEjectionTime: Duration({
          default: "10s",
          description: "The first ejection; every further one is longer.",
        }),
        maxEjectionTime: Duration({ default: "5m", description: "The longest ejection." }),
      },
      { default: {}, description: "Learns from the traffic itself." },
    ),
  },
  { default: {}, notYet: ["active"], description: "Whether a server is well." },
);

const UpstreamTls = Section(
  {
    ca: Type.Optional(
      Text({ description: "PEM file of the authorities to believe; without it, those of the system." }),
    ),
    serverName: Type.Optional(
      Text({ description: "For SNI and verification; without it, the host in the server's URL." }),
    ),
    subjectAltNames: Type.Array(Text(), {
      default: [],
      maxItems: 256,
      errorMessage: "expected a list of host names and addresses",
      description: "One of these must be in the server's certificate, too.",
    }),
    certFile: Type.Optional(Text({ description: "PEM file: our own certificate for these servers (mTLS)." })),
    keyFile: Type.Optional(Text({ description: "PEM file of its unencrypted private key." })),
    insecureSkipVerify: Flag({
      default: false,
      description: "Believe any certificate: whoever is in between can read and change everything.",
    }),
    minVersion: Type.Enum(["1.2", "1.3"], {
      default: "1.2",
      errorMessage: 'expected "1.2" or "1.3"',
      description: "The oldest TLS version accepted.",
    }),
  },
  { description: "TLS towards https:// and tls:// servers; verified without it, too." },
);

export const Upstream = Section(
  {
    servers: Type.Array(Server, {
      minItems: 1,
      maxItems: 10_000,
      errorMessage: "expected a list of at least one {url}",
    }),
    protocol: Type.Optional(
      Type.Enum(["http1", "h2c", "h2", "auto"], {
        errorMessage: "expected http1, h2c, h2 or auto",
        description:
          "HTTP/1.1; HTTP/2 without TLS; HTTP/2 over TLS; or what ALPN settles on. Without it, http1, and auto for https:// servers.",
      }),
    ),
    tls: Type.Optional(UpstreamTls),
    http2: UpstreamHttp2,
    proxyProtocol: Type.Optional(
      Type.Enum(["v1", "v2"], {
        errorMessage: "expected v1 or v2",
        description: "Begin every connection with a PROXY header of this version, naming the client.",
      }),
    ),
    loadBalancer: LoadBalancer,
    timeouts: UpstreamTimeouts,
    connectionPool: ConnectionPool,
    healthCheck: HealthCheck,
  },
  { notYet: ["circuitBreaker"], description: "A group of servers that do the same." },
);

export const Upstreams = Named(Upstream, { default: {}, description: "Groups of servers, by name." });
