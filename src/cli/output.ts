// Text for people and pipes: writing to standard output, sizes, tables.

/** Resolves when the text has been handed over, also if nobody reads it any more. */
export function write(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, () => resolve());
  });
}

export function writeLine(line: string): Promise<void> {
  return write(`${line}\n`);
}

/** A number and its unit, in powers of 1000: 548 MB. */
export function formatBytes(sizeBytes: number): string {
  return scaled(sizeBytes, ['B', 'kB', 'MB', 'GB', 'TB']);
}

/** A count, such as 124 M. */
export function formatCount(count: number): string {
  return scaled(count, ['', 'k', 'M', 'B']);
}

function scaled(value: number, units: readonly string[]): string {
  let unit = 0;
  let left = value;
  while (left >= 999.5 && unit < units.length - 1) {
    left /= 1000;
    unit++;
  }
  const digits = unit > 0 && left < 9.95 ? 1 : 0;
  return `${left.toFixed(digits)} ${units[unit]}`.trimEnd();
}

/** Lines with the columns aligned to the left, two spaces apart. */
export function table(rows: ReadonlyArray<readonly string[]>): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? [];
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
