// SPDX-License-Identifier: Apache-2.0
// The whole configuration file. Types, validation, defaults and the published JSON Schema all come from here.
import Type, { type Static } from "typebox";
import { Certificates } from "./certificates.ts";
import { inheritable } from "./derive.ts";
import { ListenerHttp2, UpstreamHttp2 } from "./http2.ts";
import { Tickets } from "./listener_tls.ts";
import { ForwardedHeaders, HeadLimits, Listeners, Timeouts } from "./listeners.ts";
import { Policies } from "./policies.ts";
import { Retry, Routes, RouteTimeouts } from "./routes.ts";
import { Count, Duration, Flag, Section, Size, Text } from "./scalars.ts";
import { ConnectionPool, HealthCheck, LoadBalancer, Upstreams, UpstreamTimeouts } from "./upstreams.ts";

const Offload = Section(
  {
    engine: Type.Enum(["kernel", "device", "vendor"], {
      default: "kernel",
      errorMessage: "expected kernel, device or vendor",
      description:
        "kernel: Linux TCP in this process; device: mango-toed; vendor: a DPU through its libmango.so.",
    }),
    library: Type.Optional(
      Text({ description: "Path of a libmango.so to load instead of the built-in one." }),
    ),
    ipc: Type.Optional(
      Section(
        {
          address: Text({
            default: "localhost:32847",
            description: "host:port (gRPC) or iceoryx:NAME of the device's process.",
          }),
          index: Count(0, 255, { default: 0, description: "Which device, where there are several." }),
        },
        { description: "How the device's process is reached; only with engine device." },
      ),
    ),
  },
  { default: {}, description: "The TCP engine below everything." },
);

const Admin = Section(
  {
    enabled: Flag({ default: true }),
    address: Text({
      default: "127.0.0.1:9901",
      description: "IP:port; any but a loopback address requires a token.",
    }),
    token: Type.Optional(
      Type.String({
        minLength: 16,
        maxLength: 4096,
        errorMessage: "expected a token of at least 16 characters",
        description: "Better: ${MANGO_ADMIN_TOKEN}.",
      }),
    ),
    tokenFile: Type.Optional(Text({ description: "A file that holds the token." })),
  },
  { default: {}, description: "The admin API." },
);

const AccessLog = Section(
  {
    enabled: Flag({ default: true }),
    path: Text({ default: "-", description: "A file, or - for standard output." }),
  },
  { default: {}, description: "One JSON line per exchange." },
);

const Limits = Section(
  {
    maxSessions: Count(1, 10_000_000, {
      default: 100_000,
      description: "Sessions at once; above it new ones meet `overload`.",
    }),
    maxBufferBytes: Size({ default: "1GiB", description: "All buffers that peers can make us hold." }),
    maxTarpits: Count(0, 1_000_000, {
      default: 1000,
      description: "Sessions held in tarpits at once; above it they are closed.",
    }),
    drain: Duration({
      default: "30s",
      description: "How long sessions may live on when a listener goes or the proxy stops.",
    }),
  },
  { default: {}, description: "Limits of the whole process." },
);

const State = Section(
  { dir: Text({ default: "state", description: "Where generated certificates are kept." }) },
  { default: {}, description: "What mango-edge itself writes." },
);

const Defaults = Section(
  {
    listener: Type.Optional(
      inheritable(
        {
          http2: ListenerHttp2,
          timeouts: Timeouts,
          limits: HeadLimits,
          forwardedHeaders: ForwardedHeaders,
        },
        "For listeners.",
      ),
    ),
    tls: Type.Optional(inheritable({ tickets: Tickets }, "For the tls of listeners.")),
    route: Type.Optional(inheritable({ timeouts: RouteTimeouts, retry: Retry }, "For routes.")),
    upstream: Type.Optional(
      inheritable(
        {
          http2: UpstreamHttp2,
          loadBalancer: LoadBalancer,
          timeouts: UpstreamTimeouts,
          connectionPool: ConnectionPool,
          healthCheck: HealthCheck,
        },
        "For upstreams.",
      ),
    ),
  },
  { default: {}, description: "Said once here instead of in every listener, route and upstream." },
);

export const Root = Section(
  {
    offload: Offload,
    workers: Type.Union([Type.Enum(["auto"]), Type.Integer({ minimum: 1, maximum: 256 })], {
      default: "auto",
      errorMessage: "expected auto or a whole number from 1 to 256",
      description: "Worker threads; auto is one per core.",
    }),
    admin: Admin,
    accessLog: AccessLog,
    limits: Limits,
    state: State,
    defaults: Defaults,
    listeners: Listeners,
    certificates: Certificates,
    routes: Routes,
    upstreams: Upstreams,
    policies: Policies,
  },
  { description: "Configuration of mango-edge. Paths are relative to the file's folder." },
);

export type ConfigDocument = Static<typeof Root>;
export type ListenerConfig = ConfigDocument["listeners"][string];
export type CertificateConfig = ConfigDocument["certificates"][string];
export type RouteConfig = ConfigDocument["routes"][number];
export type FilterConfig = RouteConfig["filters"][number];
export type UpstreamConfig = ConfigDocument["upstreams"][string];
export type PolicyConfig = ConfigDocument["policies"][string];
