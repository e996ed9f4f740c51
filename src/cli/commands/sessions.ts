// SPDX-License-Identifier: Apache-2.0
// sessions: list live sessions, or end those that match.
import { parseDuration } from "../../config/units.ts";
import { type SessionAction, sessionActions } from "../../proxy/control.ts";
import { UsageError } from "../../proxy/errors.ts";
import type { SessionInfo, SessionSelector } from "../../proxy/sessions.ts";
import { createAdminClient } from "../admin_client.ts";
import { type Arguments, count, flag, text } from "../arguments.ts";
import { formatTable } from "../table.ts";

export async function sessions(args: Arguments): Promise<number> {
  const [action = "list", ...more] = args.positionals;
  if (more.length > 0) throw new UsageError(`unexpected argument: ${more[0]}`);
  if (action === "list") return list(args);
  const known = sessionActions.find((each) => each === action);
  if (known === undefined)
    throw new UsageError(`no such action: ${action}; expected list, close, reset or abort`);
  return act(args, known);
}

async function list(args: Arguments): Promise<number> {
  const query = { ...selectorOf(args), limit: count(args, "limit") };
  const answer = await createAdminClient(args)<{ readonly sessions: readonly SessionInfo[] }>(
    "/v1/sessions",
    { query },
  );
  process.stdout.write(
    flag(args, "json") ? `${JSON.stringify(answer.sessions, null, 2)}\n` : table(answer.sessions),
  );
  return 0;
}

async function act(args: Arguments, action: SessionAction): Promise<number> {
  const body = selectorOf(args);
  if (Object.keys(body).length === 0) throw new UsageError(`say which sessions to ${action}; see --help`);
  const path = `/v1/sessions/${action}`;
  const { affected } = await createAdminClient(args)<{ readonly affected: number }>(path, {
    method: "POST",
    body,
  });
  const line = `${affected} ${affected === 1 ? "session" : "sessions"}: ${action}`;
  process.stdout.write(flag(args, "json") ? `${JSON.stringify({ affected })}\n` : `${line}\n`);
  return 0;
}

function selectorOf(args: Arguments): SessionSelector {
  const id = count(args, "id");
  const olderThanMs = age(text(args, "older-than"));
  const names = ["client", "sni", "route", "upstream", "listener"] as const;
  const given = names.flatMap((name) => {
    const value = text(args, name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(given),
    ...(id === undefined ? {} : { id }),
    ...(olderThanMs === undefined ? {} : { olderThanMs }),
  };
}

function age(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const parsed = parseDuration(value);
  if (parsed === undefined)
    throw new UsageError(`--older-than ${value}: expected a duration such as 30s or 2h`);
  return parsed;
}

function table(rows: readonly SessionInfo[]): string {
  const head = ["ID", "LISTENER", "CLIENT", "STATE", "AGE", "REQUESTS", "TLS", "SNI", "ROUTE", "UPSTREAM"];
  const cells = rows.map((row) => [
    String(row.id),
    row.listener,
    row.client,
    row.state,
    `${(row.ageMs / 1000).toFixed(1)}s`,
    String(row.requests),
    row.tlsVersion || "-",
    row.sni || "-",
    row.route || "-",
    row.upstream || "-",
  ]);
  return formatTable([head, ...cells]);
}
