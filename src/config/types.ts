// SPDX-License-Identifier: Apache-2.0
// A loaded configuration: the document with every default filled in, and the contents of the files it names.
import type { ConfigError } from "./errors.ts";
import type { ConfigDocument } from "./schema/root.ts";

export interface CertificateMaterial {
  readonly certPem: string; // leaf first
  readonly keyPem: string;
  readonly hostnames: readonly string[]; // ASCII, lower case
  readonly notAfterMs: number;
  readonly selfSigned: boolean;
}

/** Whom to believe about servers, and what to show them. */
export interface UpstreamMaterial {
  readonly caPem: string; // "" where nothing is verified
  readonly certPem: string; // "" = none
  readonly keyPem: string;
}

/** What was read from outside the file. Holds secrets: never logged, never served (see public.ts). */
export interface Materials {
  readonly certificates: ReadonlyMap<string, CertificateMaterial>;
  readonly clientAuthorities: ReadonlyMap<string, string>; // PEM, by listener
  readonly upstreams: ReadonlyMap<string, UpstreamMaterial>; // those that speak TLS
  readonly adminToken: string | undefined;
}

export interface EdgeConfig extends ConfigDocument {
  readonly file: string; // absolute
  readonly stateDir: string; // absolute
  readonly materials: Materials;
}

export interface LoadedConfig {
  readonly config: EdgeConfig;
  readonly text: string; // what was read
  readonly warnings: readonly ConfigError[];
  readonly files: readonly string[]; // absolute; everything that must be watched, the file itself first
}
