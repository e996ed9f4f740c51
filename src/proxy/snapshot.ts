// SPDX-License-Identifier: Apache-2.0
// The snapshot: all the data plane knows, as one JSON document. src/config compiles it from the YAML file with
// every default filled in; native/config/document.cpp checks each type again and builds its tables from it.
//
// Times are milliseconds, sizes bytes, 0 means "no limit" unless a line says otherwise. References between
// parts are by index into the arrays here, so that the data plane never looks up a name.

export type Trigger =
  | "handshakeTimeout"
  | "handshakeError"
  | "headerTimeout"
  | "bodyTimeout"
  | "minRate"
  | "idle"
  | "maxAge"
  | "maxRequests"
  | "protocolError"
  | "upstreamConnectError"
  | "upstreamReset"
  | "upstreamTimeout"
  | "clientAbort"
  | "rateLimited"
  | "denied"
  | "overload"
  | "drain"
  | "deviceReset";

export type ActionKind =
  | "none"
  | "close"
  | "reset"
  | "abort"
  | "respond"
  | "tarpit"
  | "goaway"
  | "refuseStream";

export interface SnapshotAction {
  readonly action: ActionKind;
  readonly status: number; // for respond (and for what a tarpit answers); 0 = the trigger's usual status
  readonly delayMs: number; // for tarpit
}

export interface SnapshotPolicy {
  readonly name: string;
  readonly actions: Readonly<Record<Trigger, SnapshotAction>>;
  readonly maxAgeMs: number;
  readonly maxRequests: number; // requests a session may carry
  readonly rateLimit: { readonly requests: number; readonly perMs: number; readonly burst: number } | null; // by client
  readonly ipAllow: readonly string[]; // CIDRs; empty = everybody
  readonly ipDeny: readonly string[];
}

export interface SnapshotCertificate {
  readonly name: string;
  readonly hostnames: readonly string[]; // exact, or "*.example.org" (one label)
  readonly certPem: string; // leaf first, then the chain
  readonly keyPem: string;
}

export interface SnapshotListener {
  readonly name: string;
  readonly host: string; // textual IPv4 or IPv6 address, "::" is dual stack
  readonly port: number; // 0 = any free one
  readonly backlog: number;
  readonly tls: {
    readonly certificates: readonly number[]; // the first is the default one
    readonly minVersion: "1.2" | "1.3";
    readonly groups: string; // OpenSSL list, e.g. "X25519MLKEM768:X25519:P-256"
    readonly alpn: readonly string[]; // in order of preference
    readonly clientAuth: { readonly mode: "none" | "optional" | "require"; readonly caPem: string };
  } | null; // null: plain HTTP
  readonly policy: number;
  readonly trustedCidrs: readonly string[]; // whose forwarding fields are believed
  readonly timeouts: {
    readonly handshakeMs: number;
    readonly requestHeadersMs: number;
    readonly bodyMs: number; // the longest pause while reading a request's content
    readonly idleMs: number; // between requests, and in tunnels without traffic
    readonly minRateBytesPerSecond: number;
    readonly minRateGraceMs: number; // before minRate counts
    readonly writeMs: number; // the longest pause while a client does not take what we send
  };
  readonly limits: {
    readonly headBytes: number;
    readonly headFields: number;
    readonly allowEscapedSlashes: boolean;
  };
}

export interface SnapshotModifier {
  readonly set: readonly (readonly [name: string, value: string])[];
  readonly add: readonly (readonly [name: string, value: string])[];
  readonly remove: readonly string[];
}

export interface SnapshotPathModifier {
  readonly type: "ReplaceFullPath" | "ReplacePrefixMatch";
  readonly value: string;
}

export interface SnapshotNameMatch {
  readonly type: "Exact" | "RegularExpression";
  readonly name: string;
  readonly value: string;
}

export interface SnapshotMatch {
  readonly path: { readonly type: "Exact" | "PathPrefix" | "RegularExpression"; readonly value: string };
  readonly method: string; // "" = any
  readonly headers: readonly SnapshotNameMatch[];
  readonly queryParams: readonly SnapshotNameMatch[];
}

export interface SnapshotRoute {
  readonly name: string;
  readonly listeners: readonly number[]; // already expanded: never empty
  readonly hostnames: readonly string[]; // lower case; exact, "*.suffix", or empty = any
  readonly matches: readonly SnapshotMatch[]; // never empty: a route without matches gets PathPrefix "/"
  readonly requestModifier: SnapshotModifier | null;
  readonly responseModifier: SnapshotModifier | null;
  readonly redirect: {
    readonly scheme: string; // "" = as the request's
    readonly hostname: string; // "" = as the request's
    readonly port: number; // 0 = the well-known one of the scheme (or the listener's, when the scheme is unchanged)
    readonly path: SnapshotPathModifier | null;
    readonly statusCode: 301 | 302 | 303 | 307 | 308;
  } | null;
  readonly rewrite: { readonly hostname: string; readonly path: SnapshotPathModifier | null } | null;
  readonly backends: readonly { readonly upstream: number; readonly weight: number }[];
  readonly timeouts: { readonly requestMs: number; readonly backendRequestMs: number };
  readonly retry: { readonly attempts: number }; // further attempts after the first
  readonly policy: number; // -1 = the listener's
}

export interface SnapshotServer {
  readonly key: string; // "http://name:port" or "unix:/path": identity across reloads
  readonly host: string; // Host field if the client sent none; also what is resolved
  readonly endpoints: readonly string[]; // "10.0.0.1:80", "[::1]:80" or "unix:/path"; empty while unresolved
  readonly weight: number;
  readonly drain: boolean;
}

export interface SnapshotUpstream {
  readonly name: string;
  readonly servers: readonly SnapshotServer[];
  readonly loadBalancer: "RoundRobin" | "LeastRequest";
  readonly timeouts: { readonly connectMs: number; readonly responseMs: number; readonly idleMs: number };
  readonly ejection: {
    readonly consecutiveFailures: number;
    readonly baseMs: number;
    readonly maxMs: number;
  };
  readonly pool: { readonly maxIdle: number; readonly maxConnections: number }; // per worker and server
}

export interface Snapshot {
  readonly generation: number;
  readonly limits: {
    readonly maxSessions: number;
    readonly maxBufferBytes: number; // all buffers a peer can make us hold
    readonly maxTarpits: number;
    readonly drainMs: number; // how long a removed listener's or a stopping proxy's sessions may live on
  };
  readonly tickets: { readonly keys: readonly string[] }; // base64 of 80 bytes, newest first; empty = no tickets
  readonly accessLog: boolean;
  readonly certificates: readonly SnapshotCertificate[];
  readonly policies: readonly SnapshotPolicy[];
  readonly listeners: readonly SnapshotListener[];
  readonly routes: readonly SnapshotRoute[];
  readonly upstreams: readonly SnapshotUpstream[];
}

// What src/proxy/escalation hands down: matched at accept (client), after the handshake (sni), after routing (route).
export interface Ban {
  readonly by: "client" | "sni" | "route";
  readonly value: string;
  readonly action: ActionKind;
  readonly status: number;
  readonly untilMs: number; // Unix time
}
