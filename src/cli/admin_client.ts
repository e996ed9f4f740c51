// SPDX-License-Identifier: Apache-2.0
// Talks to a running proxy's admin API. Its problem documents become our errors again, with their own codes.
import { AdminRefusedError, AdminUnreachableError, type ErrorDetail, UsageError } from "../proxy/errors.ts";
import { type Arguments, text } from "./arguments.ts";

const kDefaultUrl = "http://127.0.0.1:9901";
const kTimeoutMs = 30_000;

export interface AdminRequest {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  readonly body?: unknown; // sent as JSON
}

export type AdminClient = <T>(path: string, request?: AdminRequest) => Promise<T>;

export function createAdminClient(args: Arguments): AdminClient {
  const base = text(args, "admin") ?? process.env["MANGO_EDGE_ADMIN"] ?? kDefaultUrl;
  const token = text(args, "token") ?? process.env["MANGO_EDGE_ADMIN_TOKEN"];
  if (!URL.canParse(base) || !/^https?:/.test(base))
    throw new UsageError(`--admin ${base}: expected http://host:port`);
  return async <T>(path: string, request: AdminRequest = {}) => {
    const response = await send(urlOf(base, path, request.query), token, request);
    const content = await response.text();
    if (!response.ok) throw refusal(response.status, content);
    return JSON.parse(content) as T;
  };
}

function urlOf(base: string, path: string, query: AdminRequest["query"] = {}): URL {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) {
    for (const each of [value ?? []].flat()) url.searchParams.append(name, String(each));
  }
  return url;
}

async function send(
  url: URL,
  token: string | undefined,
  { method = "GET", body }: AdminRequest,
): Promise<Response> {
  const headers = {
    accept: "application/json",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { "content-type": "application/json" }),
  };
  const content = body === undefined ? {} : { body: JSON.stringify(body) };
  try {
    return await fetch(url, {
      method,
      headers,
      redirect: "error",
      signal: AbortSignal.timeout(kTimeoutMs),
      ...content,
    });
  } catch (error) {
    throw new AdminUnreachableError(
      `${url.origin} cannot be reached (${reasonOf(error)}); is mango-edge running there?`,
    );
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof AggregateError) return reasonOf(cause.errors[0]);
  return cause instanceof Error ? cause.message : error.message;
}

interface RemoteProblem {
  readonly title?: string;
  readonly detail?: string;
  readonly code?: string;
  readonly errors?: readonly ErrorDetail[];
}

function refusal(status: number, content: string): AdminRefusedError {
  const problem = parseProblem(content);
  const message = problem.detail ?? problem.title ?? `status ${status}`;
  return new AdminRefusedError(message, status, problem.code ?? "", problem.errors ?? []);
}

function parseProblem(content: string): RemoteProblem {
  try {
    return JSON.parse(content) as RemoteProblem;
  } catch {
    return {}; // not ours; the status has to do
  }
}
