/**
 * Plain tables for a terminal.
 *
 * @module
 */

/** Rows of cells in right-aligned columns; the first row is the heading. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => `${row.map((cell, column) => cell.padStart(widths[column])).join("  ")}\n`).join("");
}
