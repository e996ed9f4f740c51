// SPDX-License-Identifier: Apache-2.0
// validate: every mistake of every file, one line each. Writes nothing, also no certificate.
import { loadConfig } from "../../config/index.ts";
import { type ErrorDetail, errorTable, fromNative, toDetail, UsageError } from "../../proxy/errors.ts";
import { type Arguments, flag } from "../arguments.ts";

interface Verdict {
  readonly file: string;
  readonly valid: boolean;
  readonly code: string | null;
  readonly errors: readonly ErrorDetail[];
  readonly warnings: readonly ErrorDetail[];
}

export async function validate(args: Arguments): Promise<number> {
  if (args.positionals.length === 0) throw new UsageError("expected at least one file; see --help");
  const verdicts: Verdict[] = [];
  for (const file of args.positionals) verdicts.push(await judge(file));
  if (flag(args, "json")) process.stdout.write(`${JSON.stringify(verdicts, null, 2)}\n`);
  else for (const verdict of verdicts) print(verdict);
  const codes = verdicts.flatMap(({ code }) => (code === null ? [] : [code]));
  if (codes.length === 0) return 0;
  const onlyCertificates = codes.every((code) => code === "CERTIFICATE_INVALID");
  return onlyCertificates ? errorTable.CERTIFICATE_INVALID.exit : errorTable.CONFIG_INVALID.exit;
}

async function judge(file: string): Promise<Verdict> {
  try {
    const { warnings } = await loadConfig(file, process.env, { readOnly: true });
    return { file, valid: true, code: null, errors: [], warnings: warnings.map(toDetail) };
  } catch (thrown) {
    const error = fromNative(thrown);
    if (error.details.length === 0) throw error;
    return { file, valid: false, code: error.code, errors: error.details, warnings: [] };
  }
}

function print({ file, valid, errors, warnings }: Verdict): void {
  for (const warning of warnings) process.stderr.write(`${formatDetail(warning, "warning: ")}\n`);
  for (const error of errors) process.stderr.write(`${formatDetail(error)}\n`);
  process.stdout.write(`${file}: ${valid ? "valid" : "not valid"}\n`);
}

export function formatDetail({ file, line, column, message, suggestion }: ErrorDetail, kind = ""): string {
  const place = file === undefined ? "" : `${file}:${line ?? 1}:${column ?? 1}: `;
  return `${place}${kind}${message}${suggestion === undefined ? "" : ` (did you mean ${suggestion}?)`}`;
}
