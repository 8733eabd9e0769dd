// Writes a comparison into a folder, in every form: each file is whole, or is what it was before.
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { InvalidInputError } from '../../src/errors.js';
import { html } from './html.js';
import type { CompareReport } from './report.js';
import { csv, markdown } from './text-forms.js';

const FORMS: Readonly<Record<string, (report: CompareReport) => string>> = {
  'compare.json': (report) => `${JSON.stringify(report, undefined, 2)}\n`,
  'compare.csv': csv,
  'compare.md': markdown,
  'compare.html': html,
};

/** Tries whether the folder can be made and written, and leaves no trace of it. Throws `INHOUSE_INVALID_OPTION`. */
export async function requireWritable(folder: string): Promise<void> {
  await refused(folder, async () =>
    rm(await mkdtemp(join(await existing(folder), '.inhouse-')), { recursive: true }),
  );
}

/** The folder, or else the nearest parent that there is. */
async function existing(folder: string): Promise<string> {
  const absent = await stat(folder).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
  return absent ? existing(dirname(resolve(folder))) : folder;
}

/** Returns the paths. Throws `INHOUSE_INVALID_OPTION` when the folder refuses. */
export async function writeReport(folder: string, report: CompareReport): Promise<readonly string[]> {
  const files = Object.entries(FORMS).map(([name, form]) => [join(folder, name), form(report)] as const);
  await refused(folder, async () => {
    await mkdir(folder, { recursive: true });
    for (const [path, text] of files) await replace(path, text);
  });
  return files.map(([path]) => path);
}

async function replace(path: string, text: string): Promise<void> {
  const unfinished = `${path}.${process.pid}`;
  try {
    await writeFile(unfinished, text);
    await rename(unfinished, path);
  } finally {
    await rm(unfinished, { force: true });
  }
}

async function refused(folder: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const message = `The report cannot be written to ${folder}: ${(cause as Error).message}. Name another with --out.`;
    throw new InvalidInputError('INHOUSE_INVALID_OPTION', message, { cause, details: { folder } });
  }
}
