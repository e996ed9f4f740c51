// SPDX-License-Identifier: Apache-2.0
// The one error vocabulary: every failure an operator can meet has a stable code here, and this table alone says
// which HTTP status the admin API gives it and with which code the command exits. Native failures cross as
// Error + code (native/binding/addon.d.ts) and become one of the classes below in fromNative().
import { type ConfigError, ConfigErrors } from "../config/errors.ts";

interface CodeFacts {
  readonly status: number; // of the admin API's problem document
  readonly exit: number; // of the mango-edge command
  readonly title: string;
}

export const errorTable = {
  INTERNAL: { status: 500, exit: 1, title: "Internal error" },
  USAGE: { status: 400, exit: 2, title: "Wrong usage" },
  CONFIG_INVALID: { status: 422, exit: 3, title: "The configuration is not valid" },
  SNAPSHOT_INVALID: { status: 422, exit: 3, title: "The data plane refused the configuration" },
  LISTEN_FAILED: { status: 409, exit: 4, title: "A listener could not be opened" },
  CERTIFICATE_INVALID: { status: 422, exit: 5, title: "A certificate or key cannot be used" },
  ACCESS_LOG: { status: 500, exit: 10, title: "The access log cannot be opened" },
  ADMIN_UNREACHABLE: { status: 502, exit: 6, title: "The admin API cannot be reached" },
  ENGINE_LOAD: { status: 500, exit: 7, title: "The offload engine cannot be loaded" },
  DEVICE_UNAVAILABLE: { status: 503, exit: 7, title: "The offload device is not ready" },
  ADDON_MISSING: { status: 500, exit: 7, title: "The native part is not built" },
  ADMIN_REFUSED: { status: 502, exit: 8, title: "The admin API refused the request" },
  BAD_REQUEST: { status: 400, exit: 8, title: "The request cannot be understood" },
  UNAUTHORIZED: { status: 401, exit: 8, title: "A valid token is required" },
  FORBIDDEN_HOST: { status: 403, exit: 8, title: "The Host field names another site" },
  FORBIDDEN_ORIGIN: { status: 403, exit: 8, title: "Requests from other origins are refused" },
  NOT_FOUND: { status: 404, exit: 8, title: "There is nothing here" },
  METHOD_NOT_ALLOWED: { status: 405, exit: 8, title: "This resource does not take that method" },
  GENERATION_CHANGED: { status: 412, exit: 8, title: "The configuration has changed in the meantime" },
  PAYLOAD_TOO_LARGE: { status: 413, exit: 8, title: "The request content is too large" },
  MEDIA_TYPE: { status: 415, exit: 8, title: "The content type is not supported" },
  NOT_IMPLEMENTED: { status: 501, exit: 8, title: "The engine has no such feature" },
  NOT_RUNNING: { status: 503, exit: 8, title: "The data plane is not running" },
  BUSY: { status: 503, exit: 8, title: "Too many clients" },
} as const satisfies Record<string, CodeFacts>;

export type ErrorCode = keyof typeof errorTable;

export const exitCodes: readonly (readonly [code: number, meaning: string])[] = [
  [0, "success"],
  [1, "internal error"],
  [2, "wrong usage, or a system package is missing"],
  [3, "the configuration is not valid"],
  [4, "a listener could not be opened (port in use, no permission)"],
  [5, "a certificate or key cannot be used"],
  [6, "the admin API cannot be reached"],
  [7, "the native part is not built, the offload engine cannot be loaded, or its device does not answer"],
  [8, "the admin API refused the request"],
  [9, "diff: the file differs from the running configuration"],
  [10, "the access log cannot be opened"],
];

// One mistake in a file, where an editor would show it.
export interface ErrorDetail {
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly path?: string; // "listeners.https.tls"
  readonly message: string;
  readonly suggestion?: string;
}

export class MangoError extends Error {
  readonly code: ErrorCode;
  readonly details: readonly ErrorDetail[];

  constructor(code: ErrorCode, message: string, details: readonly ErrorDetail[] = []) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return errorTable[this.code].status;
  }

  get exit(): number {
    return errorTable[this.code].exit;
  }

  get title(): string {
    return errorTable[this.code].title;
  }
}

export class UsageError extends MangoError {
  constructor(message: string) {
    super("USAGE", message);
  }
}

export class ConfigInvalidError extends MangoError {
  constructor(message: string, details: readonly ErrorDetail[] = []) {
    super("CONFIG_INVALID", message, details);
  }
}

export class SnapshotInvalidError extends MangoError {
  constructor(message: string) {
    super("SNAPSHOT_INVALID", message);
  }
}

export class ListenFailedError extends MangoError {
  constructor(message: string) {
    super("LISTEN_FAILED", message);
  }
}

export class CertificateInvalidError extends MangoError {
  constructor(message: string, details: readonly ErrorDetail[] = []) {
    super("CERTIFICATE_INVALID", message, details);
  }
}

export class EngineLoadError extends MangoError {
  constructor(message: string) {
    super("ENGINE_LOAD", message);
  }
}

export class DeviceUnavailableError extends MangoError {
  constructor(message: string) {
    super("DEVICE_UNAVAILABLE", message);
  }
}

export class NotImplementedError extends MangoError {
  constructor(message: string) {
    super("NOT_IMPLEMENTED", message);
  }
}

export class AddonMissingError extends MangoError {
  constructor(message: string) {
    super("ADDON_MISSING", message);
  }
}

export class AccessLogError extends MangoError {
  constructor(message: string) {
    super("ACCESS_LOG", message);
  }
}

export class BadRequestError extends MangoError {
  constructor(message: string) {
    super("BAD_REQUEST", message);
  }
}

export class NotRunningError extends MangoError {
  constructor(message: string) {
    super("NOT_RUNNING", message);
  }
}

export class AdminUnreachableError extends MangoError {
  constructor(message: string) {
    super("ADMIN_UNREACHABLE", message);
  }
}

// What a remote admin API answered, kept with its own status.
export class AdminRefusedError extends MangoError {
  readonly remoteStatus: number;
  readonly remoteCode: string;

  constructor(
    message: string,
    remoteStatus: number,
    remoteCode: string,
    details: readonly ErrorDetail[] = [],
  ) {
    super(isErrorCode(remoteCode) ? remoteCode : "ADMIN_REFUSED", message, details);
    this.remoteStatus = remoteStatus;
    this.remoteCode = remoteCode;
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(errorTable, value);
}

const nativeClasses: Readonly<Record<string, new (message: string) => MangoError>> = {
  ENGINE_LOAD: EngineLoadError,
  DEVICE_UNAVAILABLE: DeviceUnavailableError,
  NOT_IMPLEMENTED: NotImplementedError,
  SNAPSHOT_INVALID: SnapshotInvalidError,
  CERTIFICATE_INVALID: CertificateInvalidError,
  LISTEN_FAILED: ListenFailedError,
  ACCESS_LOG: AccessLogError,
  SELECTOR_INVALID: BadRequestError,
  ACTION_INVALID: BadRequestError,
  EXPLAIN_INVALID: BadRequestError,
  STOPPED: NotRunningError,
};

// Anything thrown becomes a MangoError; what we do not know is our own mistake: INTERNAL.
export function fromNative(thrown: unknown): MangoError {
  if (thrown instanceof MangoError) return thrown;
  if (thrown instanceof ConfigErrors) return fromConfigErrors(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const NativeClass = nativeClasses[codeOf(thrown)];
  if (NativeClass !== undefined) return new NativeClass(message);
  const wrapped = new MangoError("INTERNAL", message);
  wrapped.cause = thrown;
  return wrapped;
}

const filePath = /^certificates\.[^.]+\.(certFile|keyFile)$|\.tls\.clientAuth\.ca$/;

// A file that is well written and names a certificate that does not do is a failure of its own kind.
function fromConfigErrors({ message, errors }: ConfigErrors): MangoError {
  const details = errors.map(toDetail);
  const onlyFiles = errors.every(({ path }) => filePath.test(path));
  return onlyFiles ? new CertificateInvalidError(message, details) : new ConfigInvalidError(message, details);
}

export function toDetail({ file, line, column, path, message, suggestion }: ConfigError): ErrorDetail {
  return { file, line, column, path, message, ...(suggestion === undefined ? {} : { suggestion }) };
}

export function codeOf(thrown: unknown): string {
  if (typeof thrown !== "object" || thrown === null || !("code" in thrown)) return "";
  return typeof thrown.code === "string" ? thrown.code : "";
}
