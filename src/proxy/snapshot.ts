// SPDX-License-Identifier: Apache-2.0
// The snapshot: all the data plane knows, as one JSON document. src/config compiles it from the YAML file with
// every default filled in; native/config checks each type again and builds its tables from it.
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

// HTTP/2 of a listener (RFC 9113). The budgets are token buckets of one session: streams that end by a reset cost
// one of the first, frames that move neither requests nor content one of the second.
export interface SnapshotListenerHttp2 {
  readonly enabled: boolean; // by ALPN where there is TLS, else with prior knowledge
  readonly maxConcurrentStreams: number;
  readonly streamWindowBytes: number; // what a client may send ahead of us, per stream
  readonly connectionWindowBytes: number; // and in all
  readonly resetBurst: number;
  readonly resetsPerSecond: number;
  readonly controlBurst: number;
  readonly controlsPerSecond: number;
}

export interface SnapshotListener {
  readonly name: string;
  // What becomes of a connection: HTTP of any version; bytes (after TLS, if there is any); or bytes routed by the
  // name in a ClientHello that is passed on untouched.
  readonly mode: "http" | "tcp" | "tlsPassthrough";
  readonly host: string; // textual IPv4 or IPv6 address, "::" is dual stack
  readonly port: number; // 0 = any free one
  readonly backlog: number;
  readonly tls: {
    readonly certificates: readonly number[]; // the first is the default one
    readonly minVersion: "1.2" | "1.3";
    readonly groups: string; // OpenSSL list, e.g. "X25519MLKEM768:X25519:P-256"
    readonly alpn: readonly string[]; // in order of preference; empty = none is negotiated
    readonly clientAuth: { readonly mode: "none" | "optional" | "require"; readonly caPem: string };
  } | null; // null: no TLS is ended here
  readonly policy: number;
  readonly trustedCidrs: readonly string[]; // whose forwarding fields are believed
  readonly proxyProtocolCidrs: readonly string[]; // who must send a PROXY header first; empty = nobody
  readonly http2: SnapshotListenerHttp2;
  readonly timeouts: {
    readonly handshakeMs: number;
    readonly requestHeadersMs: number;
    readonly bodyMs: number; // the longest pause while reading a request's content
    readonly idleMs: number; // between requests
    readonly minRateBytesPerSecond: number;
    readonly minRateGraceMs: number; // before minRate counts
    readonly writeMs: number; // the longest pause while a client does not take what we send
    readonly tunnelIdleMs: number; // WebSocket, tcp and tls: no byte in either direction
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
  readonly listeners: readonly number[]; // already expanded: never empty; all of mode http, or none
  readonly hostnames: readonly string[]; // lower case; exact, "*.suffix", or empty = any; SNI where bytes are routed
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
  // "https://name:port" or "unix:/path": identity across reloads, by scheme, host and port alone. Connections made
  // under other settings of the upstream (protocol, tls, proxyProtocol) are not for reuse.
  readonly key: string;
  readonly host: string; // Host field if the client sent none; also what is resolved
  readonly endpoints: readonly string[]; // "10.0.0.1:80", "[::1]:80" or "unix:/path"; empty while unresolved
  readonly weight: number;
  readonly drain: boolean;
}

// TLS towards servers: verified, unless `verify` says otherwise.
export interface SnapshotUpstreamTls {
  readonly verify: boolean;
  readonly caPem: string; // the authorities that are believed
  readonly serverName: string; // for SNI and verification; "" = the server's own host, without its port
  readonly altNames: readonly string[]; // pinned: the certificate must have one of them
  readonly certPem: string; // of the client; "" = none
  readonly keyPem: string;
  readonly minVersion: "1.2" | "1.3";
}

export interface SnapshotUpstream {
  readonly name: string;
  readonly protocol: "http1" | "http2" | "auto"; // auto: by ALPN; of no meaning to routes of bytes
  readonly tls: SnapshotUpstreamTls | null;
  readonly http2: {
    readonly maxConcurrentStreams: number; // of ours on one connection; the server's own limit counts, too
    readonly streamWindowBytes: number;
    readonly connectionWindowBytes: number;
  };
  readonly proxyProtocol: "none" | "v1" | "v2"; // sent first on every connection
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
