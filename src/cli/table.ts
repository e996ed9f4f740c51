// SPDX-License-Identifier: Apache-2.0
// Columns for people. Cells may hold what a peer sent: control characters never reach the terminal.

export function formatTable(rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(printable));
  const widths = (clean[0] ?? []).map((_, column) =>
    Math.max(...clean.map((row) => row[column]?.length ?? 0)),
  );
  const lines = clean.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  "));
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

export function printable(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}
