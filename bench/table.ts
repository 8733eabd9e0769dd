// Figures as text for people: a table from rows and what to show of them.

/** By heading: the text of a row's cell. */
export type Columns<Row> = Readonly<Record<string, (row: Row) => string>>;

/** Columns aligned to the right, two spaces apart. */
export function table<Row>(columns: Columns<Row>, rows: readonly Row[]): string {
  const lines = [Object.keys(columns), ...rows.map((row) => Object.values(columns).map((cell) => cell(row)))];
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map((line) => line.map((cell, column) => cell.padStart(widths[column]!)).join('  '))
    .join('\n');
}

export function fixed(value: number | null, digits = 2): string {
  return value === null ? '-' : value.toFixed(digits);
}
