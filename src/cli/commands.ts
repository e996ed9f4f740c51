// SPDX-License-Identifier: Apache-2.0
// The vocabulary of the command line in one table: each command, its options, its examples. Parsing and --help both
// come from here, so neither can lag behind the other.
import type { ParseArgsOptionDescriptor } from "node:util";

export interface OptionFacts extends ParseArgsOptionDescriptor {
  readonly value?: string; // placeholder in --help
  readonly help: string;
}

export interface CommandFacts {
  readonly usage: string;
  readonly summary: string;
  readonly details?: string;
  readonly options: Readonly<Record<string, OptionFacts>>;
  readonly examples: readonly string[];
}

const config: OptionFacts = { type: "string", short: "c", value: "FILE", help: "configuration file" };
const json: OptionFacts = { type: "boolean", help: "print JSON instead of text" };
const remote = {
  admin: {
    type: "string",
    value: "URL",
    help: "admin API; default $MANGO_EDGE_ADMIN or http://127.0.0.1:9901",
  },
  token: { type: "string", value: "TOKEN", help: "its token; better in $MANGO_EDGE_ADMIN_TOKEN" },
  json,
} as const satisfies Record<string, OptionFacts>;

export const commands = {
  run: {
    usage: "run [--config FILE] [--ready-file FILE] [--watch]",
    summary: "run the proxy in the foreground",
    details:
      "SIGINT or SIGTERM drains and ends with 0, a second one ends at once. SIGHUP reloads the file, SIGUSR1 reopens\nthe access log. The log goes to standard error as JSON lines.",
    options: {
      config: { ...config, help: "configuration file; default: the quickstart" },
      "ready-file": {
        type: "string",
        value: "FILE",
        help: "write pid and addresses there as JSON once listeners accept",
      },
      watch: { type: "boolean", help: "reload whenever the configuration file changes" },
      "log-level": {
        type: "string",
        value: "LEVEL",
        help: "trace, debug, info, warn, error or fatal; default info",
      },
    },
    examples: ["mango-edge run --config /etc/mango-edge/edge.yaml", "mango-edge run --watch -c edge.yaml"],
  },
  validate: {
    usage: "validate FILE...",
    summary: "check configuration files, and the certificates they name",
    details: "Every mistake is one line: file:line:column: what was expected.",
    options: { json },
    examples: ["mango-edge validate edge.yaml", "mango-edge validate --json config/*.yaml"],
  },
  diff: {
    usage: "diff FILE",
    summary: "compare a file with the running configuration",
    details:
      "Ends with 0 when nothing would change, with 9 when something would. Secrets are masked and not compared.",
    options: remote,
    examples: ["mango-edge diff edge.yaml", "mango-edge diff --admin http://10.0.0.5:9901 edge.yaml"],
  },
  reload: {
    usage: "reload",
    summary: "let the running proxy read its file again",
    details: "A file with a mistake is refused and changes nothing.",
    options: remote,
    examples: ["mango-edge reload"],
  },
  sessions: {
    usage: "sessions [list|close|reset|abort] [selector]",
    summary: "show live sessions, or end some of them",
    details:
      "close ends a session after what is queued, reset tears it down and frees it for reuse, abort drops unsent bytes.\nAll parts of the selector must match; to end sessions at least one is needed.",
    options: {
      id: { type: "string", value: "N", help: "one session" },
      client: { type: "string", value: "CIDR", help: "client address or network" },
      sni: { type: "string", value: "NAME", help: "server name the client asked for" },
      route: { type: "string", value: "NAME", help: "route of the last exchange" },
      upstream: { type: "string", value: "NAME", help: "upstream of the last exchange" },
      listener: { type: "string", value: "NAME", help: "listener it came in on" },
      "older-than": { type: "string", value: "TIME", help: "minimum age, such as 30s or 2h" },
      limit: { type: "string", value: "N", help: "how many to list; default 1000" },
      ...remote,
    },
    examples: [
      "mango-edge sessions list --client 203.0.113.0/24",
      "mango-edge sessions close --id 42",
      "mango-edge sessions abort --sni shop.example --older-than 2h",
    ],
  },
  routes: {
    usage: "routes URL [--config FILE | --admin URL]",
    summary: "say which route and upstream a URL would take, and why",
    options: {
      config: { ...config, help: "ask about this file instead of the running proxy" },
      method: { type: "string", short: "X", value: "METHOD", help: "default GET" },
      header: {
        type: "string",
        short: "H",
        multiple: true,
        value: "'NAME: VALUE'",
        help: "request field; may be repeated",
      },
      listener: {
        type: "string",
        value: "NAME",
        help: "default: the one on the URL's port, else the first of its scheme",
      },
      ...remote,
    },
    examples: [
      "mango-edge routes https://shop.example/cart",
      "mango-edge routes --config edge.yaml -X POST -H 'X-Env: canary' https://shop.example/cart",
    ],
  },
  version: {
    usage: "version",
    summary: "print the versions of mango-edge, Node, OpenSSL and the engine",
    options: { json },
    examples: ["mango-edge version --json"],
  },
} as const satisfies Record<string, CommandFacts>;

export type CommandName = keyof typeof commands;

export function isCommand(name: string): name is CommandName {
  return Object.hasOwn(commands, name);
}
