// `inhouse models`: which models there are, which of them are on this machine and in which precisions, and getting,
// preparing and removing them.
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { EMBEDDED_MODEL } from '../checkpoint/embedded.js';
import { CheckpointError, HubError } from '../errors.js';
import { PRECISIONS, parsePrecision, precisionLabel, weightSchemes } from '../graph/precision.js';
import { inhouseHome } from '../home.js';
import { toWords } from './counts.js';
import { usageError } from './failure.js';
import { pick } from './flags.js';
import { folderSizeBytes } from './folders.js';
import type { BuiltModel } from './models-built.js';
import type { ListedModel, Snapshot } from './models-list.js';
import { findModelFolder } from './open-model.js';
import { formatBytes, formatCount, table, writeLine } from './output.js';
import { progressDisplay } from './progress.js';
import { stopSignal } from './stop-signal.js';

interface RevisionFlags {
  readonly revision?: string;
}

interface QuantizeFlags extends RevisionFlags {
  readonly precision: readonly string[];
  readonly offline?: boolean;
}

const MIX = 'int4+lm_head:int8';

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
    .description(
      'Remove a model, all its revisions, from the Hugging Face cache, and what was prepared from it.',
    )
    .argument('<name>', 'model name or hub id')
    .option('-y, --yes', 'do not ask')
    .action(remove);
  models
    .command('quantize')
    .description(
      'Write the weights of a model in other precisions ahead of the first load; print their folders.',
    )
    .argument('<name>', 'model name, hub id or folder')
    .requiredOption(
      '--precision <names>',
      `list of ${PRECISIONS.join(', ')} and mixes such as ${MIX}`,
      toWords,
    )
    .option('--revision <revision>', 'branch, tag or commit (default: main)')
    .option('--offline', 'use no network, only what is on this machine')
    .action(quantize);
  models
    .command('clean')
    .description('Remove what was prepared from a model (see list), and keep the model.')
    .argument('<name>', 'model name, hub id or folder')
    .option('--precision <names>', 'only these (default: all)', toWords)
    .action(clean);
}

async function list({ json }: { readonly json?: boolean }): Promise<void> {
  const { listModels } = await import('./models-list.js');
  const { cacheFolder, models, builtElsewhere } = await listModels();
  if (json) return writeLine(JSON.stringify({ cacheFolder, models, builtElsewhere }));
  const header = ['NAME', 'PARAMETERS', 'CONTEXT', 'LICENCE', 'ON THIS MACHINE'];
  await writeLine(table([header, ...models.map(row)]));
  const builtHere = models.flatMap(({ id, snapshots }) =>
    snapshots.flatMap(({ built }) => built.map((one) => builtRow(id, one))),
  );
  const built = [...builtHere, ...builtElsewhere.map((one) => builtRow(one.checkpoint, one))];
  if (built.length > 0) await writeLine(`\n${table([['PREPARED', 'PRECISION', 'SIZE', 'FOR'], ...built])}`);
  await writeLine(`\nDownloads are in ${cacheFolder}.`);
}

function builtRow(name: string, { precision, sizeBytes, runtimeVersion, graphVersion, current }: BuiltModel) {
  const outdated = current ? '' : ', outdated: no longer used';
  const versions = `ONNX Runtime ${runtimeVersion}, graph ${graphVersion}${outdated}`;
  return [name, precision, formatBytes(sizeBytes), versions];
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
  const { builtFrom, removeBuilt } = await import('./models-built.js');
  await removeBuilt(await builtFrom(folders));
  await removeCachedModel(name);
  await writeLine(`Removed ${folders.join(' and ')}; ${size} are free again.`);
}

async function quantize(name: string, { precision, ...flags }: QuantizeFlags): Promise<void> {
  const precisions = precision.map(parsePrecision);
  const signal = stopSignal();
  const { folder } = await findModelFolder({ model: name, ...flags }, signal);
  const { openCheckpoint } = await import('../checkpoint/checkpoint.js');
  const { prepareModel } = await import('../graph/prepare.js');
  const checkpoint = await openCheckpoint(folder);
  for (const spec of precisions) weightSchemes(spec, checkpoint.config); // complains before any work
  for (const spec of precisions) {
    const progress = progressDisplay();
    const options = { precision: spec, signal, onProgress: progress.onProgress };
    const prepared = await prepareModel(checkpoint, inhouseHome(), options).finally(progress.end);
    await writeLine(`${prepared.precision}  ${formatBytes(prepared.weightBytes)}  ${prepared.weightsFolder}`);
  }
}

async function clean(name: string, flags: { readonly precision?: readonly string[] }): Promise<void> {
  const wanted = flags.precision?.map((label) => precisionLabel(parsePrecision(label)));
  const { resolveModel } = await import('../checkpoint/resolve.js');
  const { builtFrom, removeBuilt } = await import('./models-built.js');
  const { folder } = await resolveModel(name, { offline: true });
  const built = (await builtFrom([folder])).filter(({ precision }) => wanted?.includes(precision) ?? true);
  if (built.length === 0) return writeLine(`Nothing was prepared from ${name}.`);
  await removeBuilt(built);
  const sizeBytes = built.reduce((sum, one) => sum + one.sizeBytes, 0);
  const names = [...new Set(built.map(({ precision }) => precision))].join(', ');
  await writeLine(`Removed ${names} of ${name}; ${formatBytes(sizeBytes)} are free again.`);
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
