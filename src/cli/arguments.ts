// SPDX-License-Identifier: Apache-2.0
// From argv to a command with its options, or a usage error in one sentence.
import { parseArgs } from "node:util";
import { UsageError } from "../proxy/errors.ts";
import { type CommandFacts, type CommandName, commands, isCommand } from "./commands.ts";

export interface Arguments {
  readonly values: Readonly<Record<string, unknown>>;
  readonly positionals: readonly string[];
}

export type Parsed =
  | { readonly kind: "help"; readonly command: CommandName | null }
  | { readonly kind: "command"; readonly command: CommandName; readonly args: Arguments };

export function parseCommandLine(argv: readonly string[]): Parsed {
  const [name = "--help", ...rest] = argv;
  if (name === "--help" || name === "-h" || name === "help") return helpFor(rest[0]);
  if (name === "--version" || name === "-v")
    return { kind: "command", command: "version", args: parse("version", rest) };
  if (!isCommand(name)) throw new UsageError(`no such command: ${name}; try mango-edge --help`);
  if (rest.includes("--help") || rest.includes("-h")) return { kind: "help", command: name };
  return { kind: "command", command: name, args: parse(name, rest) };
}

function helpFor(name: string | undefined): Parsed {
  if (name === undefined || !isCommand(name)) return { kind: "help", command: null };
  return { kind: "help", command: name };
}

function parse(command: CommandName, args: readonly string[]): Arguments {
  const facts: CommandFacts = commands[command];
  const options = Object.fromEntries(
    Object.entries(facts.options).map(([name, { type, short, multiple }]) => [
      name,
      { type, ...(short === undefined ? {} : { short }), ...(multiple === undefined ? {} : { multiple }) },
    ]),
  );
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
      strict: true,
    });
    return { values, positionals };
  } catch (error) {
    const [reason = "wrong arguments"] = error instanceof Error ? error.message.split("\n") : [];
    throw new UsageError(`${reason}; try mango-edge ${command} --help`);
  }
}

export function text(args: Arguments, name: string): string | undefined {
  const value = args.values[name];
  return typeof value === "string" ? value : undefined;
}

export function texts(args: Arguments, name: string): readonly string[] {
  const value = args.values[name];
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

export function flag(args: Arguments, name: string): boolean {
  return args.values[name] === true;
}

export function count(args: Arguments, name: string): number | undefined {
  const value = text(args, name);
  if (value === undefined) return undefined;
  if (!/^\d{1,15}$/.test(value)) throw new UsageError(`--${name} ${value}: expected a whole number`);
  return Number(value);
}

export function onePositional(args: Arguments, what: string): string {
  const [only, ...more] = args.positionals;
  if (only === undefined || more.length > 0) throw new UsageError(`expected one ${what}; see --help`);
  return only;
}

export function noPositionals(args: Arguments): void {
  if (args.positionals.length > 0) throw new UsageError(`unexpected argument: ${args.positionals[0]}`);
}
