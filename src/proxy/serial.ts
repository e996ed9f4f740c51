// SPDX-License-Identifier: Apache-2.0
// One at a time, in order: two reloads at once would race for the generation.

export type Serial = <T>(task: () => Promise<T>) => Promise<T>;

export function createSerial(): Serial {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const result = last.then(task);
    last = result.catch(() => undefined); // a failed task does not stop those behind it
    return result;
  };
}
