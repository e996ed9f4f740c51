// SPDX-License-Identifier: Apache-2.0
// --help for all and for each command.
import { exitCodes } from "../proxy/errors.ts";
import { type CommandFacts, type CommandName, commands, type OptionFacts } from "./commands.ts";

export function generalHelp(): string {
  const entries = Object.entries(commands);
  const width = Math.max(...entries.map(([name]) => name.length));
  return [
    "mango-edge: an edge proxy that terminates TLS on a TCP offload engine",
    "",
    "Usage: mango-edge COMMAND [options]",
    "",
    ...entries.map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "Examples:",
    "  mango-edge run --config edge.yaml",
    "  mango-edge validate edge.yaml && mango-edge reload",
    "  mango-edge routes https://shop.example/cart",
    "",
    "`mango-edge COMMAND --help` says more.",
    "",
    "Exit codes:",
    ...exitCodes.map(([code, meaning]) => `  ${code}  ${meaning}`),
    "",
  ].join("\n");
}

export function commandHelp(name: CommandName): string {
  const facts: CommandFacts = commands[name];
  const options: (readonly [string, OptionFacts])[] = [
    ...Object.entries(facts.options),
    ["help", { type: "boolean", short: "h", help: "print this" }],
  ];
  const labels = options.map(([option, { short, value }]) => label(option, short, value));
  const width = Math.max(...labels.map((text) => text.length));
  return [
    `mango-edge ${name}: ${facts.summary}`,
    "",
    `Usage: mango-edge ${facts.usage}`,
    ...(facts.details === undefined ? [] : ["", facts.details]),
    "",
    "Options:",
    ...options.map(([, { help }], index) => `  ${(labels[index] ?? "").padEnd(width)}  ${help}`),
    "",
    "Examples:",
    ...facts.examples.map((example) => `  ${example}`),
    "",
  ].join("\n");
}

function label(option: string, short: string | undefined, value: string | undefined): string {
  return `${short === undefined ? "    " : `-${short}, `}--${option}${value === undefined ? "" : ` ${value}`}`;
}
