// SPDX-License-Identifier: Apache-2.0
// What the rest of the control plane uses of the configuration.
export { type CompileOptions, compileSnapshot, DEFAULT_POLICY } from "./compile.ts";
export { type ConfigChange, diffConfig, diffDocuments, formatChange } from "./diff.ts";
export { type NamedServer, type OpenEndpoints, openEndpoints } from "./endpoints.ts";
export { ConfigError, ConfigErrors, formatErrors } from "./errors.ts";
export { type EscalationRule, escalationRules } from "./escalation.ts";
export { speaksHttp } from "./listener_kinds.ts";
export { type LoadOptions, loadConfig, parseConfig } from "./load.ts";
export { publicConfig } from "./public.ts";
export type {
  ConfigDocument,
  ListenerConfig,
  PolicyConfig,
  RouteConfig,
  UpstreamConfig,
} from "./schema/root.ts";
export { ticketSettings } from "./tickets.ts";
export type { EdgeConfig, LoadedConfig } from "./types.ts";
