// SPDX-License-Identifier: Apache-2.0
// RFC 9457 problem documents: the only form in which the admin API reports a failure. Made from the error table;
// what we did not expect is reported as "internal error" and nothing more, the log has the rest.
import { STATUS_CODES } from "node:http";
import type { FastifyError } from "fastify";
import { type ErrorCode, type ErrorDetail, errorTable, MangoError } from "../proxy/errors.ts";

export const kProblemType = "application/problem+json";

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly code: string; // stable, as in src/proxy/errors.ts
  readonly errors?: readonly ErrorDetail[];
}

export function problemOf(error: unknown): Problem {
  if (error instanceof MangoError) {
    const detail = error.code === "INTERNAL" ? undefined : error.message;
    return makeProblem(error.code, error.status, detail, error.details);
  }
  const { statusCode, validation, message } = error as Partial<FastifyError>;
  if (validation !== undefined) {
    const errors = validation.map((each) => ({
      message: `${each.instancePath} ${each.message ?? "is not valid"}`.trim(),
    }));
    return makeProblem("BAD_REQUEST", 400, message, errors);
  }
  if (statusCode === undefined || statusCode < 400 || statusCode > 499) return makeProblem("INTERNAL", 500);
  return makeProblem(codeByStatus[statusCode] ?? "BAD_REQUEST", statusCode, message);
}

const codeByStatus: Readonly<Record<number, ErrorCode>> = {
  401: "UNAUTHORIZED",
  404: "NOT_FOUND",
  405: "METHOD_NOT_ALLOWED",
  413: "PAYLOAD_TOO_LARGE",
  415: "MEDIA_TYPE",
};

export function makeProblem(
  code: ErrorCode,
  status: number,
  detail?: string,
  errors: readonly ErrorDetail[] = [],
): Problem {
  const known = errorTable[code];
  return {
    type: `urn:mango-edge:problem:${code.toLowerCase().replaceAll("_", "-")}`,
    title: known.status === status ? known.title : (STATUS_CODES[status] ?? known.title),
    status,
    ...(detail === undefined ? {} : { detail }),
    code,
    ...(errors.length === 0 ? {} : { errors }),
  };
}
