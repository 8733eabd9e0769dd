// The models known by name: `models/registry.json`, read once, checked, and searched by id, alias or hub id.
// It says what a model is called and how large it is, never where its files are on this machine.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../errors.js';
import { packageRoot } from '../package-root.js';
import { EMBEDDED_MODEL } from './embedded.js';

export interface RegistryModel {
  /** Short name; also the name the hub gave the repository before it had organisations. */
  readonly id: string;
  readonly aliases: readonly string[];
  /** Repository on the Hugging Face hub, `organisation/name`. */
  readonly hubId: string;
  /** Exact count, the tied output head counted once. */
  readonly parameters: number;
  /** SPDX identifier of the weights' licence. */
  readonly license: string;
  /** In tokens. */
  readonly contextLength: number;
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
}

let loaded: readonly RegistryModel[] | undefined;

/** All models of the registry, in the order of the file: smallest first. */
export function registryModels(): readonly RegistryModel[] {
  loaded ??= parseRegistry(
    JSON.parse(readFileSync(join(packageRoot(), 'models', 'registry.json'), 'utf8')) as unknown,
  );
  return loaded;
}

/** The model with this id, alias or hub id, letter case ignored. */
export function findModel(name: string): RegistryModel | undefined {
  const wanted = name.toLowerCase();
  return registryModels().find((model) => namesOf(model).includes(wanted));
}

/** The error for a name that means nothing: `INHOUSE_MODEL_UNKNOWN`, with the nearest name and the whole list. */
export function unknownModel(name: string): CheckpointError {
  const known = [EMBEDDED_MODEL, ...registryModels().map((model) => model.id)];
  const suggestion = nearestName(name, [...known, ...registryModels().flatMap(namesOf)]);
  return new CheckpointError(
    'INHOUSE_MODEL_UNKNOWN',
    `There is no model "${name}".${suggestion === undefined ? '' : ` Did you mean "${suggestion}"?`} ` +
      `Known models: ${known.join(', ')}. ` +
      'Also accepted: "organisation/name" on the Hugging Face hub, and a folder such as ./my-model.',
    { details: { name, suggestion, known } },
  );
}

/**
 * Checks the content of `registry.json`: every field present and of its type, no name used twice.
 * @throws CheckpointError `INHOUSE_CONFIG_INVALID` naming the entry and the field.
 */
export function parseRegistry(content: unknown): readonly RegistryModel[] {
  const entries = isRecord(content) ? content.models : undefined;
  if (!Array.isArray(entries)) throw invalid('must be an object with an array "models"');
  const models = entries.map(parseModel);
  const seen = new Set<string>();
  for (const name of models.flatMap(namesOf)) {
    if (seen.has(name)) throw invalid(`uses the name "${name}" twice`);
    seen.add(name);
  }
  return models;
}

function parseModel(entry: unknown, index: number): RegistryModel {
  if (!isRecord(entry)) throw invalid(`has an entry that is not an object: models[${index}]`);
  const text = (field: string): string => {
    const value = entry[field];
    if (typeof value === 'string' && value.trim() !== '') return value;
    throw invalid(`needs a non-empty string in models[${index}].${field}, not ${JSON.stringify(value)}`);
  };
  const count = (field: string): number => {
    const value = entry[field];
    if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
    throw invalid(`needs a positive integer in models[${index}].${field}, not ${JSON.stringify(value)}`);
  };
  const { aliases } = entry;
  if (!Array.isArray(aliases) || !aliases.every((alias) => typeof alias === 'string')) {
    throw invalid(`needs an array of strings in models[${index}].aliases, not ${JSON.stringify(aliases)}`);
  }
  return {
    id: text('id'),
    aliases,
    hubId: text('hubId'),
    parameters: count('parameters'),
    license: text('license'),
    contextLength: count('contextLength'),
    layers: count('layers'),
    heads: count('heads'),
    width: count('width'),
  };
}

/** Lower case. */
function namesOf(model: RegistryModel): string[] {
  return [model.id, model.hubId, ...model.aliases].map((name) => name.toLowerCase());
}

/** The candidate that takes the fewest single-letter edits, if that is at most a third of the letters. */
function nearestName(name: string, candidates: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  let nearest: string | undefined;
  let fewest = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of candidates) {
    const edits = editDistance(wanted, candidate);
    if (edits < fewest) {
      nearest = candidate;
      fewest = edits;
    }
  }
  return nearest;
}

/** Levenshtein distance, one row at a time. */
function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [row, letter] of [...from].entries()) {
    const current = [row + 1];
    for (let column = 0; column < to.length; column++) {
      const replace = previous[column]! + (letter === to[column] ? 0 : 1);
      current.push(Math.min(replace, previous[column + 1]! + 1, current[column]! + 1));
    }
    previous = current;
  }
  return previous[to.length]!;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(problem: string): CheckpointError {
  return new CheckpointError('INHOUSE_CONFIG_INVALID', `models/registry.json ${problem}.`);
}
