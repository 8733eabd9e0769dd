// `inhouse models`: which models there are, which of them are on this machine, and getting and removing them.
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { EMBEDDED_MODEL } from '../checkpoint/embedded.js';
import { CheckpointError, HubError } from '../errors.js';
import { usageError } from './failure.js';
import { pick } from './flags.js';
import { folderSizeBytes } from './folders.js';
import type { ListedModel, Snapshot } from './models-list.js';
import { findModelFolder } from './open-model.js';
import { formatBytes, formatCount, table, writeLine } from './output.js';
import { stopSignal } from './stop-signal.js';

interface RevisionFlags {
  readonly revision?: string;
}

export function addModels(program: Command): void {
  const models = program.command('models').description('List, download, locate and remove models.');
  models
    .command('list')
    .description('List the models known by name and those on this machine.')
    .option('--json', 'print one JSON object')
    .action(list);
  models
    .command('pull')
    .description('Download a model into the Hugging Face cache, or bring it up to date; print its folder.')
    .argument('<name>', 'model name or hub id')
    .option('--revision <revision>', 'branch, tag or commit (default: main)')
    .action(pull);
  models
    .command('path')
    .description('Print the folder of a model on this machine; downloads nothing.')
    .argument('<name>', 'model name or hub id')
    .option('--revision <revision>', 'branch, tag or commit (default: main)')
    .action(path);
  models
    .command('rm')
    .description('Remove a model, all its revisions, from the Hugging Face cache.')
    .argument('<name>', 'model name or hub id')
    .option('-y, --yes', 'do not ask')
    .action(remove);
}

async function list({ json }: { readonly json?: boolean }): Promise<void> {
  const { listModels } = await import('./models-list.js');
  const { cacheFolder, models } = await listModels();
  if (json) return writeLine(JSON.stringify({ cacheFolder, models }));
  const header = ['NAME', 'PARAMETERS', 'CONTEXT', 'LICENCE', 'ON THIS MACHINE'];
  await writeLine(table([header, ...models.map(row)]));
  await writeLine(`\nDownloads are in ${cacheFolder}.`);
}

function row({ id, parameters, contextLength, license, snapshots }: ListedModel): string[] {
  return [
    id,
    parameters === null ? '-' : formatCount(parameters),
    contextLength === null ? '-' : String(contextLength),
    license ?? '-',
    snapshots.map(describe).join(', ') || 'no',
  ];
}

function describe({ sizeBytes, revisions, commit, complete }: Snapshot): string {
  const name = revisions.length > 0 ? revisions.join(' ') : commit?.slice(0, 8);
  const size = `${formatBytes(sizeBytes)}${complete ? '' : ', incomplete'}`;
  return name === undefined ? size : `${size} (${name})`;
}

async function pull(name: string, flags: RevisionFlags): Promise<void> {
  const { folder } = await findModelFolder({ model: name, ...flags }, stopSignal());
  await writeLine(folder);
}

async function path(name: string, flags: RevisionFlags): Promise<void> {
  const { resolveModel } = await import('../checkpoint/resolve.js');
  try {
    const { folder } = await resolveModel(name, { ...pick(flags, 'revision'), offline: true });
    await writeLine(folder);
  } catch (error) {
    throw error instanceof HubError && error.code === 'INHOUSE_HUB_OFFLINE' ? notHere(name, flags) : error;
  }
}

async function remove(name: string, { yes = false }: { readonly yes?: boolean }): Promise<void> {
  if (name === EMBEDDED_MODEL)
    throw usageError('The embedded model is part of the package; it cannot be removed.');
  const { cachedRepositories, removeCachedModel } = await import('../checkpoint/hub-cache.js');
  const folders = await cachedRepositories(name);
  if (folders.length === 0) throw notHere(name, {});
  const sizes = await Promise.all(folders.map(folderSizeBytes));
  const size = formatBytes(sizes.reduce((sum, sizeBytes) => sum + sizeBytes, 0));
  if (!yes && !(await confirmed(`Remove ${name}, ${size} in ${folders.join(' and ')}? [y/N] `))) {
    return writeLine('Nothing was removed.');
  }
  await removeCachedModel(name);
  await writeLine(`Removed ${folders.join(' and ')}; ${size} are free again.`);
}

async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw usageError('models rm asks before it removes, and there is no terminal to ask on; pass --yes.');
  }
  const lines = createInterface({ input: process.stdin });
  process.stderr.write(question);
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim());
    return false; // the input ended
  } finally {
    lines.close();
  }
}

function notHere(name: string, { revision }: RevisionFlags): CheckpointError {
  const which = revision === undefined ? name : `${name} (revision ${revision})`;
  return new CheckpointError(
    'INHOUSE_MODEL_UNKNOWN',
    `${which} is not on this machine. \`inhouse models list\` shows what is; \`inhouse models pull ${name}\` downloads it.`,
    { details: { name, revision } },
  );
}
