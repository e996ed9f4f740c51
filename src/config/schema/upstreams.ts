// SPDX-License-Identifier: Apache-2.0
// upstreams.<name>: the servers behind a route, how they are chosen, and when one is left alone for a while.
import Type from "typebox";
import { Count, Duration, Flag, Named, Section, Text } from "./scalars.ts";

const Server = Section({
  url: Text({ description: "http://host:port, unix:/path/to.sock, or builtin:demo (a small demo service)." }),
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

export const Upstream = Section(
  {
    servers: Type.Array(Server, {
      minItems: 1,
      maxItems: 10_000,
      errorMessage: "expected a list of at least one {url}",
    }),
    loadBalancer: LoadBalancer,
    timeouts: UpstreamTimeouts,
    connectionPool: ConnectionPool,
    healthCheck: HealthCheck,
  },
  { notYet: ["tls", "circuitBreaker"], description: "A group of servers that do the same." },
);

export const Upstreams = Named(Upstream, { default: {}, description: "Groups of servers, by name." });
