// SPDX-License-Identifier: Apache-2.0
// Progress goes to standard error, so that `mango-edge ... --json` started through a script stays clean.

const colour = process.stderr.isTTY && !process.env.NO_COLOR;

/** One line that says what is being done now. */
export function step(text) {
  process.stderr.write(colour ? `\x1b[1;36m==>\x1b[0m \x1b[1m${text}\x1b[0m\n` : `==> ${text}\n`);
}

export function note(text) {
  process.stderr.write(`    ${text}\n`);
}

/** An error the user can act on: printed without a stack, with its own exit status. */
export class Failure extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Runs the body of a script and turns a Failure into its message and exit status. */
export async function main(body) {
  try {
    process.exitCode = (await body()) ?? 0;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.exitCode;
  }
}
