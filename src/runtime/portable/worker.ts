// The worker thread of one portable runner (piscina): takes one call at a time and answers with a value or an error.
import type { Gpt2Config } from '../../checkpoint/config.js';
import { type ErrorCode, InhouseError } from '../../errors.js';
import type { RowOptions, ScoreOptions } from '../runner.js';
import { GraphSession, runtimeVersion, type SessionOptions } from './graph-session.js';
import { PortableRows } from './rows.js';
import { SequencePass } from './sequence-pass.js';

export interface LoadOptions extends SessionOptions {
  readonly config: Gpt2Config;
  readonly maxRows: number;
}

/** What survives the way between threads: structured clone drops the class and fields of an error. */
export type Answer =
  | { readonly value: unknown }
  | { readonly error: { code: ErrorCode; message: string; details: Readonly<Record<string, unknown>> } }
  | { readonly crash: unknown };

interface Loaded {
  readonly session: GraphSession;
  readonly rows: PortableRows;
  readonly pass: SequencePass;
}

let loaded: Loaded | undefined;

const current = (): Loaded => {
  if (!loaded) throw new Error('the worker was called before load');
  return loaded;
};

/** The calls a runner makes, by name. */
const calls = {
  async load(options: LoadOptions) {
    const session = await GraphSession.open(options, options.config.layers);
    loaded = {
      session,
      rows: new PortableRows(session, options.config, options.maxRows),
      pass: new SequencePass(session, options.config),
    };
    return runtimeVersion;
  },
  openRow: (row: number, options: RowOptions) => current().rows.openRow(row, options),
  prefill: (row: number, tokens: readonly number[], sample: boolean) =>
    current().rows.prefill(row, tokens, sample),
  decode: (rows: number, steps: number) => current().rows.decode(rows, steps),
  moveRow: (from: number, to: number) => current().rows.moveRow(from, to),
  copyPrefix: (from: number, to: number, length: number) => current().rows.copyPrefix(from, to, length),
  truncateRow: (row: number, length: number) => current().rows.truncateRow(row, length),
  closeRow: (row: number) => current().rows.closeRow(row),
  score: (tokens: readonly number[], options: ScoreOptions) => current().pass.score(tokens, options),
  embed: (tokens: readonly number[], pooling: 'mean' | 'last') => current().pass.embed(tokens, pooling),
  statistics: () => current().rows.statistics(),
  async release() {
    await loaded?.session.release();
    loaded = undefined;
  },
};

export type Calls = typeof calls;

export interface Call {
  readonly name: keyof Calls;
  readonly arguments: readonly unknown[];
}

export default async function answer(call: Call): Promise<Answer> {
  try {
    const value: unknown = await (calls[call.name] as (...args: readonly unknown[]) => unknown)(
      ...call.arguments,
    );
    return { value };
  } catch (error) {
    if (!(error instanceof InhouseError)) return { crash: error };
    return { error: { code: error.code, message: error.message, details: error.details } };
  }
}
