// SPDX-License-Identifier: Apache-2.0
// The scalar vocabulary: durations, sizes, names. Patterns only say what a value looks like, so that an editor
// can check it too; src/config/units.ts turns it into numbers and src/config/checks/ judges what it means.
//
// Two annotations of ours travel in the schemas: `errorMessage` is what a wrong value was expected to be, and
// `notYet` lists the vocabulary that is reserved but not served by this version. The latter is not published.
import Type, { type TObject, type TProperties, type TSchema } from "typebox";

type Options = { readonly description?: string; readonly default?: unknown };

export const DURATION_PATTERN = "^[0-9]{1,12}(ms|s|m|h|d)$";
export const SIZE_PATTERN = "^[0-9]{1,12}(B|KiB|MiB|GiB)$";

export const Duration = (options: Options = {}) =>
  Type.String({
    pattern: DURATION_PATTERN,
    errorMessage: "expected a duration such as 500ms, 10s, 1m, 2h or 1d",
    ...options,
  });

export const Size = (options: Options = {}) =>
  Type.String({
    pattern: SIZE_PATTERN,
    errorMessage: "expected a size such as 512B, 16KiB, 1MiB or 2GiB",
    ...options,
  });

export const Text = (options: Options = {}) =>
  Type.String({
    minLength: 1,
    maxLength: 4096,
    errorMessage: "expected a text of 1 to 4096 characters",
    ...options,
  });

export const Reference = (noun: string, options: Options = {}) =>
  Type.String({ minLength: 1, errorMessage: `expected the name of ${noun}`, ...options });

export const Count = (minimum: number, maximum: number, options: Options = {}) =>
  Type.Integer({
    minimum,
    maximum,
    errorMessage: `expected a whole number from ${minimum} to ${maximum}`,
    ...options,
  });

export const Flag = (options: Options = {}) =>
  Type.Boolean({ errorMessage: "expected true or false", ...options });

export const NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$";

/** A flat named map: `listeners`, `certificates`, `upstreams`, `policies`. */
export const Named = <T extends TSchema>(item: T, options: Options = {}) =>
  Type.Record(Type.String({ pattern: NAME_PATTERN }), item, { additionalProperties: false, ...options });

/** An object whose unknown keys are errors; keys of `notYet` are known vocabulary of a later version. */
export const Section = <T extends TProperties>(
  properties: T,
  options: Options & { readonly notYet?: readonly string[] } = {},
): TObject<T> => Type.Object(properties, { additionalProperties: false, ...options });
