// SPDX-License-Identifier: Apache-2.0
// HTTP/2 (RFC 9113) on both sides: how much a peer may have open at once, and how much trouble a client may make
// before its session ends. Both budgets are token buckets of one session.
import { Count, Flag, Section, Size } from "./scalars.ts";

const Budget = (burst: number, perSecond: number, description: string) =>
  Section(
    {
      burst: Count(1, 1_000_000, { default: burst, description: "How many may come at once." }),
      perSecond: Count(1, 1_000_000, {
        default: perSecond,
        description: "How many are given back per second.",
      }),
    },
    { default: {}, description },
  );

const streams = (description: string) => Count(1, 1000, { default: 100, description });
const StreamWindow = Size({
  default: "64KiB",
  description: "What may be sent ahead on one stream (65535B to 2147483647B).",
});
const ConnectionWindow = Size({
  default: "1MiB",
  description: "What may be sent ahead on all streams together (65535B to 2147483647B).",
});

export const ListenerHttp2 = Section(
  {
    enabled: Flag({
      default: true,
      description:
        "HTTP/2 by ALPN where there is TLS, with prior knowledge where there is none. Without it, what tls.alpn says.",
    }),
    maxConcurrentStreams: streams("Requests of one session at once."),
    initialStreamWindowSize: StreamWindow,
    initialConnectionWindowSize: ConnectionWindow,
    resetBudget: Budget(
      200,
      20,
      "Streams that may end by a reset, the client's or one that its mistakes made us send; above it: protocolError.",
    ),
    controlFrameBudget: Budget(
      1000,
      100,
      "Frames that move neither requests nor content (SETTINGS, PING, empty DATA, ...); above it: protocolError.",
    ),
  },
  { default: {}, description: "HTTP/2 of an https or http listener." },
);

export const UpstreamHttp2 = Section(
  {
    maxConcurrentStreams: streams(
      "Requests on one connection at once; a server that allows fewer gets fewer.",
    ),
    initialStreamWindowSize: StreamWindow,
    initialConnectionWindowSize: ConnectionWindow,
  },
  { default: {}, description: "HTTP/2 towards the servers." },
);
