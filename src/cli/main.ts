// SPDX-License-Identifier: Apache-2.0
// The entry point: finds the command, runs it, turns its failure into one line and an exit code. Commands are
// imported when they are wanted, so that --help and version answer at once.
import { fromNative, type MangoError } from "../proxy/errors.ts";
import { type Arguments, parseCommandLine } from "./arguments.ts";
import type { CommandName } from "./commands.ts";
import { commandHelp, generalHelp } from "./help.ts";

type Command = (args: Arguments) => Promise<number>; // answers the exit code

const loaders: Readonly<Record<CommandName, () => Promise<Command>>> = {
  run: async () => (await import("./commands/run.ts")).run,
  validate: async () => (await import("./commands/validate.ts")).validate,
  diff: async () => (await import("./commands/diff.ts")).diff,
  reload: async () => (await import("./commands/reload.ts")).reload,
  sessions: async () => (await import("./commands/sessions.ts")).sessions,
  routes: async () => (await import("./commands/routes.ts")).routes,
  version: async () => (await import("./commands/version.ts")).version,
};

async function main(argv: readonly string[]): Promise<number> {
  const parsed = parseCommandLine(argv);
  if (parsed.kind === "help") {
    process.stdout.write(parsed.command === null ? generalHelp() : commandHelp(parsed.command));
    return 0;
  }
  const command = await loaders[parsed.command]();
  return command(parsed.args);
}

// One line for each failure; configuration mistakes are lines that an editor can jump to.
function report(error: MangoError): void {
  const lines = error.details.length > 0 ? error.message.split("\n") : [`mango-edge: ${describe(error)}`];
  process.stderr.write(`${lines.join("\n")}\n`);
  if (error.code === "INTERNAL" && process.env["MANGO_EDGE_DEBUG"] === "1")
    console.error(error.cause ?? error);
}

function describe(error: MangoError): string {
  return error.code === "INTERNAL"
    ? `internal error: ${error.message} (MANGO_EDGE_DEBUG=1 says more)`
    : error.message;
}

// Readers like `head` close the pipe early: not a failure of ours.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (thrown) {
  const error = fromNative(thrown);
  report(error);
  process.exitCode = error.exit;
}
