// SPDX-License-Identifier: Apache-2.0
// Counters of the data plane as Prometheus metrics. One line a metric: what it is called, what it means, where its
// values come from. Labels are bounded by cardinality.ts; there is deliberately none for SNI, path or client.
import type { Metric } from "prom-client";
import { addHistograms, grpcStatusLabel, labelLimiter, mergeBy, statusLabel } from "./cardinality.ts";
import type { Counters, NativeHistogram } from "./counters.ts";
import {
  type HistogramSample,
  histogramMetric,
  type Labels,
  type Sample,
  sampledMetric,
} from "./native_metric.ts";

export interface DataPlaneMetricsOptions {
  readonly read: () => Counters | null; // null: not running, no samples
  readonly maxRoutes: number;
  readonly maxServers: number;
}

type Keep = (name: string) => string;

interface View {
  readonly counters: Counters;
  readonly route: Keep;
  readonly server: Keep; // keyed by upstream and server together
  readonly policy: Keep;
}

export function createDataPlaneMetrics(options: DataPlaneMetricsOptions): Metric[] {
  const view = (): View | null => {
    const counters = options.read();
    return counters === null ? null : limited(counters, options);
  };
  const sampled =
    (type: "counter" | "gauge") => (name: string, help: string, pick: (view: View) => readonly Sample[]) =>
      sampledMetric(type, { name, help }, () => {
        const now = view();
        return now === null ? [] : summed(pick(now));
      });
  const histogram = (name: string, help: string, pick: (view: View) => readonly HistogramSample[]) =>
    histogramMetric({ name, help }, () => {
      const now = view();
      return now === null ? [] : summedHistograms(pick(now));
    });
  const counter = sampled("counter");
  const gauge = sampled("gauge");
  return [
    ...listenerMetrics(counter, gauge, histogram),
    ...routeMetrics(counter, gauge, histogram),
    ...serverMetrics(counter, gauge, histogram),
    ...processMetrics(counter, gauge),
  ];
}

type Define = (name: string, help: string, pick: (view: View) => readonly Sample[]) => Metric;
type DefineHistogram = (
  name: string,
  help: string,
  pick: (view: View) => readonly HistogramSample[],
) => Metric;

function listenerMetrics(counter: Define, gauge: Define, histogram: DefineHistogram): Metric[] {
  return [
    counter("mango_listener_sessions_total", "Sessions accepted.", ({ counters }) =>
      counters.listeners.map((l) => ({ labels: { listener: l.name }, value: l.accepted })),
    ),
    gauge("mango_listener_sessions_active", "Sessions open now.", ({ counters }) =>
      counters.listeners.map((l) => ({ labels: { listener: l.name }, value: l.active })),
    ),
    counter("mango_listener_received_bytes_total", "Bytes received from clients.", ({ counters }) =>
      counters.listeners.map((l) => ({ labels: { listener: l.name }, value: l.bytesIn })),
    ),
    counter("mango_listener_sent_bytes_total", "Bytes sent to clients.", ({ counters }) =>
      counters.listeners.map((l) => ({ labels: { listener: l.name }, value: l.bytesOut })),
    ),
    histogram(
      "mango_tls_handshake_duration_seconds",
      "From accept to the end of the handshake.",
      ({ counters }) =>
        counters.listeners.map((l) => ({ labels: { listener: l.name }, histogram: l.handshakeSeconds })),
    ),
    counter(
      "mango_tls_handshakes_total",
      "TLS handshakes by what was agreed and how they ended.",
      ({ counters }) =>
        counters.handshakes.map(({ count, resumed, ...labels }) => ({
          labels: { ...labels, resumed: String(resumed) },
          value: count,
        })),
    ),
  ];
}

function routeMetrics(counter: Define, gauge: Define, histogram: DefineHistogram): Metric[] {
  return [
    counter("mango_requests_total", "Requests answered, by route and status code.", ({ counters, route }) =>
      counters.routes.flatMap((r) =>
        r.requests.map(({ status, count }) => ({
          labels: { route: route(r.name), code: statusLabel(status) },
          value: count,
        })),
      ),
    ),
    counter(
      "mango_grpc_responses_total",
      "gRPC calls ended, by route and grpc-status.",
      ({ counters, route }) =>
        counters.routes.flatMap((r) =>
          r.grpc.map(({ status, count }) => ({
            labels: { route: route(r.name), grpc_status: grpcStatusLabel(status) },
            value: count,
          })),
        ),
    ),
    counter(
      "mango_route_connections_total",
      "Connections of tcp and tls listeners that ended, by route.",
      ({ counters, route }) =>
        counters.routes.map((r) => ({ labels: { route: route(r.name) }, value: r.connections })),
    ),
    gauge("mango_requests_active", "Requests and forwarded connections in progress.", ({ counters, route }) =>
      counters.routes.map((r) => ({ labels: { route: route(r.name) }, value: r.active })),
    ),
    histogram(
      "mango_request_duration_seconds",
      "First byte of the request to last byte of the response.",
      ({ counters, route }) =>
        counters.routes.map((r) => ({ labels: { route: route(r.name) }, histogram: r.seconds })),
    ),
    counter("mango_request_body_bytes_total", "Request content received.", ({ counters, route }) =>
      counters.routes.map((r) => ({ labels: { route: route(r.name) }, value: r.requestBytes })),
    ),
    counter("mango_response_body_bytes_total", "Response content sent.", ({ counters, route }) =>
      counters.routes.map((r) => ({ labels: { route: route(r.name) }, value: r.responseBytes })),
    ),
    counter(
      "mango_exchange_failures_total",
      "Exchanges that failed, by the reason in the access log.",
      ({ counters }) => counters.reasons.map(({ reason, count }) => ({ labels: { reason }, value: count })),
    ),
  ];
}

function serverMetrics(counter: Define, gauge: Define, histogram: DefineHistogram): Metric[] {
  type ServerNumber =
    | "requests"
    | "connects"
    | "connectErrors"
    | "reused"
    | "retries"
    | "failures"
    | "ejections"
    | "open"
    | "idle"
    | "active";
  const each =
    (field: ServerNumber) =>
    (view: View): readonly Sample[] =>
      view.counters.servers.map((s) => ({
        labels: serverLabels(view, s.upstream, s.server),
        value: s[field],
      }));
  return [
    counter("mango_upstream_requests_total", "Requests sent to a server.", each("requests")),
    counter("mango_upstream_connects_total", "Connections opened.", each("connects")),
    counter(
      "mango_upstream_connect_errors_total",
      "Connections that could not be opened.",
      each("connectErrors"),
    ),
    counter(
      "mango_upstream_reuses_total",
      "Requests sent on a connection that was already open.",
      each("reused"),
    ),
    counter("mango_upstream_retries_total", "Requests tried again on another server.", each("retries")),
    counter("mango_upstream_failures_total", "Requests that failed at a server.", each("failures")),
    counter("mango_upstream_ejections_total", "Times a server was taken out for failing.", each("ejections")),
    gauge("mango_upstream_connections_open", "Connections open now.", each("open")),
    gauge("mango_upstream_connections_idle", "Connections kept for reuse now.", each("idle")),
    gauge("mango_upstream_requests_active", "Requests in progress at a server.", each("active")),
    gauge(
      "mango_upstream_servers_healthy",
      "Servers that take requests (1 or 0; a sum under `other`).",
      (view) =>
        view.counters.servers.map((s) => ({
          labels: serverLabels(view, s.upstream, s.server),
          value: s.healthy ? 1 : 0,
        })),
    ),
    histogram("mango_upstream_response_duration_seconds", "Request sent to response head received.", (view) =>
      view.counters.servers.map((s) => ({
        labels: serverLabels(view, s.upstream, s.server),
        histogram: s.responseSeconds,
      })),
    ),
  ];
}

function processMetrics(counter: Define, gauge: Define): Metric[] {
  const single =
    (pick: (counters: Counters) => number) =>
    ({ counters }: View): readonly Sample[] => [{ labels: {}, value: pick(counters) }];
  return [
    counter("mango_policy_actions_total", "Session policy actions applied.", ({ counters, policy }) =>
      counters.actions.map((a) => ({
        labels: { policy: policy(a.policy), trigger: a.trigger, action: a.action },
        value: a.count,
      })),
    ),
    counter(
      "mango_sessions_total",
      "Sessions since the start.",
      single((c) => c.sessions.total),
    ),
    gauge(
      "mango_sessions_active",
      "Sessions open now.",
      single((c) => c.sessions.active),
    ),
    gauge(
      "mango_buffer_held_bytes",
      "Memory held in buffers.",
      single((c) => c.buffers.bytesHeld),
    ),
    counter(
      "mango_buffer_allocations_total",
      "Buffers that had to be allocated.",
      single((c) => c.buffers.allocations),
    ),
    counter(
      "mango_access_log_lines_total",
      "Access log lines written.",
      single((c) => c.accessLog.written),
    ),
    counter(
      "mango_access_log_dropped_total",
      "Access log lines dropped.",
      single((c) => c.accessLog.dropped),
    ),
    counter(
      "mango_events_total",
      "Events emitted by the data plane.",
      single((c) => c.events.emitted),
    ),
    counter(
      "mango_events_dropped_total",
      "Events dropped by the data plane.",
      single((c) => c.events.dropped),
    ),
    counter("mango_engine_calls_total", "Calls into the offload engine.", ({ counters }) =>
      Object.entries(counters.engine).map(([call, value]) => ({ labels: { call }, value })),
    ),
    counter("mango_worker_loops_total", "Event loop turns of a worker.", ({ counters }) =>
      counters.workers.map(({ loops }, worker) => ({ labels: { worker }, value: loops })),
    ),
    counter("mango_worker_sessions_total", "Sessions a worker accepted.", ({ counters }) =>
      counters.workers.map(({ accepted }, worker) => ({ labels: { worker }, value: accepted })),
    ),
  ];
}

function limited(counters: Counters, { maxRoutes, maxServers }: DataPlaneMetricsOptions): View {
  const policies = [...new Set(counters.actions.map(({ policy }) => policy))];
  return {
    counters,
    route: labelLimiter(
      counters.routes.map(({ name }) => name),
      maxRoutes,
    ),
    server: labelLimiter(
      counters.servers.map((s) => serverKey(s.upstream, s.server)),
      maxServers,
    ),
    policy: labelLimiter(policies, maxRoutes),
  };
}

function serverKey(upstream: string, server: string): string {
  return `${upstream}\n${server}`;
}

function serverLabels(view: View, upstream: string, server: string): Labels {
  const kept = view.server(serverKey(upstream, server));
  return kept === serverKey(upstream, server) ? { upstream, server } : { upstream: kept, server: kept };
}

function summed(samples: readonly Sample[]): readonly Sample[] {
  return mergeBy<Sample, Sample>(samples, labelKey, (sum, { labels, value }) => ({
    labels,
    value: value + (sum?.value ?? 0),
  }));
}

function summedHistograms(samples: readonly HistogramSample[]): readonly HistogramSample[] {
  return mergeBy<HistogramSample, { labels: Labels; histogram: NativeHistogram }>(
    samples,
    labelKey,
    (sum, sample) => ({
      labels: sample.labels,
      histogram: addHistograms(sum?.histogram, sample.histogram),
    }),
  );
}

function labelKey({ labels }: { readonly labels: Labels }): string {
  return Object.values(labels).join("\n");
}
