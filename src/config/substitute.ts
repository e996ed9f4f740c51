// SPDX-License-Identifier: Apache-2.0
// ${NAME} and ${NAME:-default} inside scalars; $$ is a dollar sign. Values come from the environment and may be
// secrets: no message of ours ever contains one.
import { nearest } from "./suggest.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Substituted {
  readonly text: string;
  readonly fromEnvironment: boolean;
}

export interface SubstitutionFailure {
  readonly offset: number; // inside the text
  readonly message: string;
  readonly suggestion?: string | undefined;
}

const REFERENCE = /\$\$|\$\{([^}]*)(\}?)/g;
const NAME = /^([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/;

export function substitute(
  text: string,
  env: Environment,
  fail: (failure: SubstitutionFailure) => void,
): Substituted {
  let fromEnvironment = false;
  const result = text.replace(
    REFERENCE,
    (whole, inner: string | undefined, end: string | undefined, offset: number) => {
      if (inner === undefined) return "$";
      fromEnvironment = true;
      const name = NAME.exec(inner);
      if (name === null || end === "") {
        fail({
          offset,
          message: "malformed ${...}: expected ${NAME} or ${NAME:-default}; write $${ for a plain ${",
        });
        return whole;
      }
      return lookUp(name[1] ?? "", name[2], env, offset, fail);
    },
  );
  return { text: result, fromEnvironment };
}

// As in a shell, :- takes the default for an empty variable too.
function lookUp(
  name: string,
  fallback: string | undefined,
  env: Environment,
  offset: number,
  fail: (failure: SubstitutionFailure) => void,
): string {
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  if (fallback !== undefined) return value === undefined || value === "" ? fallback : value;
  if (value !== undefined) return value;
  const near = nearest(name, Object.keys(env));
  const suggestion = near === undefined ? `\${${name}:-default}` : `\${${near}}`;
  fail({ offset, message: `environment variable ${name} is not set`, suggestion });
  return "";
}
