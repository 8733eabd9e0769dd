// The rows of the portable runner: what each holds, who may use it, and the steps over them. Runs in the worker.
import type { Gpt2Config } from '../../checkpoint/config.js';
import { RunnerError } from '../../errors.js';
import type { RowOptions, RunnerStatistics, TokenChoice } from '../runner.js';
import { Sampler } from '../sampling/sampler.js';
import { checkTokens, rowError } from './checks.js';
import type { GraphSession } from './graph-session.js';
import { KvBuffers, type KvShape } from './kv-buffers.js';

/** Prompt tokens per run: long enough to fill the matrix units, short enough to bound the activations' memory. */
export const CHUNK_TOKENS = 256;

interface Row {
  readonly capacity: number;
  readonly sampler: Sampler;
  /** KV positions held. */
  length: number;
  /** Sampled, not yet in the KV cache. */
  pending: number | undefined;
}

export class PortableRows {
  readonly #session: GraphSession;
  readonly #config: Gpt2Config;
  readonly #shape: KvShape;
  readonly #rows: Array<Row | undefined>;
  readonly #kv: KvBuffers;
  #rowsOpenPeak = 0;
  #tokensHeldPeak = 0;
  #committedBytesPeak = 0;
  #prefillTokens = 0;
  #decodeSteps = 0;
  #decodeTokens = 0;

  constructor(session: GraphSession, config: Gpt2Config, maxRows: number) {
    this.#session = session;
    this.#config = config;
    this.#shape = {
      layers: config.layers,
      heads: config.heads,
      headSize: config.headSize,
      maxSlots: maxRows,
      maxCapacity: config.contextLength,
    };
    this.#rows = new Array(maxRows).fill(undefined);
    this.#kv = new KvBuffers(this.#shape);
  }

  openRow(index: number, options: RowOptions): void {
    this.#free(index);
    const { contextLength, vocabularySize } = this.#config;
    if (!Number.isInteger(options.capacity) || options.capacity < 1 || options.capacity > contextLength) {
      throw rowError(
        `Row capacity ${options.capacity} is not an integer from 1 to the context, ${contextLength}.`,
      );
    }
    checkTokens(this.#config, options.prompt);
    checkTokens(this.#config, options.output);
    checkTokens(this.#config, options.sampling.stopTokenIds);
    checkTokens(this.#config, options.sampling.logitBias.ids);
    const sampler = new Sampler(options.sampling, options.prompt, options.output, vocabularySize);
    this.#rows[index] = { capacity: options.capacity, sampler, length: 0, pending: undefined };
    this.#rowsOpenPeak = Math.max(this.#rowsOpenPeak, this.#open().length);
  }

  async prefill(index: number, tokens: readonly number[], sample: boolean): Promise<TokenChoice | undefined> {
    const row = this.#opened(index);
    if (tokens.length === 0) throw rowError('prefill needs at least one token.');
    checkTokens(this.#config, tokens);
    this.#checkRoom(index, row, tokens.length);
    this.#fit(row.length + tokens.length);

    let past = row.length;
    let logits: Float32Array | undefined;
    for (let begin = 0; begin < tokens.length; begin += CHUNK_TOKENS) {
      const chunk = tokens.slice(begin, begin + CHUNK_TOKENS);
      const last = begin + chunk.length === tokens.length;
      const logitsAt = last && sample ? [chunk.length - 1] : [];
      const input = { kv: this.#kv, firstSlot: index, tokens: [chunk], past: [past], logitsAt };
      logits = (await this.#session.step(input)).logits;
      past += chunk.length;
    }
    const choice = sample ? row.sampler.choose(logits!) : undefined;

    row.length = past;
    row.pending = choice?.token;
    if (choice) row.sampler.accept(choice.token);
    this.#prefillTokens += tokens.length;
    this.#notePeaks();
    return choice;
  }

  async decode(count: number, steps: number): Promise<TokenChoice[][]> {
    if (!Number.isInteger(count) || count < 1 || count > this.#rows.length) {
      throw rowError(`decode needs 1 to ${this.#rows.length} rows, not ${count}.`);
    }
    if (!Number.isInteger(steps) || steps < 1)
      throw rowError(`decode needs at least one step, not ${steps}.`);
    const rows = Array.from({ length: count }, (_, index) => this.#opened(index));
    rows.forEach((row, index) => {
      if (row.pending === undefined) throw rowError(`Row ${index} has no sampled token to go on from.`);
      this.#checkRoom(index, row, 1);
    });

    const before = rows.map(({ length, pending, sampler }) => ({
      length,
      pending,
      output: sampler.outputLength,
    }));
    const choices: TokenChoice[][] = rows.map(() => []);
    try {
      for (let step = 0; step < steps; step++) {
        const latest = await this.#decodeOnce(rows);
        latest.forEach((choice, index) => {
          choices[index]!.push(choice);
        });
        const ended = rows.some(
          (row) => row.sampler.isStopToken(row.pending!) || row.length === row.capacity,
        );
        if (ended) break;
      }
    } catch (error) {
      rows.forEach((row, index) => {
        const { length, pending, output } = before[index]!;
        Object.assign(row, { length, pending });
        row.sampler.rewind(output);
      });
      throw error;
    }
    const stepsDone = choices[0]!.length;
    this.#decodeSteps += stepsDone;
    this.#decodeTokens += stepsDone * count;
    this.#notePeaks();
    return choices;
  }

  moveRow(from: number, to: number): void {
    const row = this.#opened(from);
    this.#free(to);
    this.#fit(0, to);
    this.#kv.copy(from, to, row.length);
    this.#rows[to] = row;
    this.#rows[from] = undefined;
    this.#fit(0);
  }

  copyPrefix(from: number, to: number, length: number): void {
    const source = this.#opened(from);
    const target = this.#opened(to);
    if (!Number.isInteger(length) || length < 0 || length > source.length) {
      throw rowError(`Cannot copy ${length} positions of row ${from}, which holds ${source.length}.`);
    }
    if (target.length > 0) throw rowError(`Row ${to} already holds ${target.length} positions.`);
    this.#checkRoom(to, target, length);
    this.#fit(length);
    this.#kv.copy(from, to, length);
    target.length = length;
    this.#notePeaks();
  }

  truncateRow(index: number, length: number): void {
    const row = this.#opened(index);
    if (!Number.isInteger(length) || length < 0 || length > row.length) {
      throw rowError(`Cannot truncate row ${index}, which holds ${row.length} positions, to ${length}.`);
    }
    row.length = length;
    row.pending = undefined;
    this.#fit(0);
  }

  closeRow(index: number): void {
    this.#opened(index);
    this.#rows[index] = undefined;
    this.#fit(0);
  }

  statistics(): RunnerStatistics {
    const bytesPerToken = this.#bytesPerToken();
    const tokensHeld = this.#tokensHeld();
    return {
      rowsOpen: this.#open().length,
      rowsOpenPeak: this.#rowsOpenPeak,
      kv: {
        bytesPerToken,
        tokensHeld,
        tokensHeldPeak: this.#tokensHeldPeak,
        usedBytes: tokensHeld * bytesPerToken,
        committedBytes: this.#kv.bytes,
        committedBytesPeak: this.#committedBytesPeak,
        reservedBytes: this.#kv.bytes,
        copiedBytes: this.#kv.copiedBytes,
      },
      prefillTokens: this.#prefillTokens,
      decodeSteps: this.#decodeSteps,
      decodeTokens: this.#decodeTokens,
    };
  }

  async #decodeOnce(rows: readonly Row[]): Promise<TokenChoice[]> {
    this.#fit(Math.max(...rows.map((row) => row.length)) + 1);
    const { logits } = await this.#session.step({
      kv: this.#kv,
      firstSlot: 0,
      tokens: rows.map((row) => [row.pending!]),
      past: rows.map((row) => row.length),
      logitsAt: rows.map((_, index) => index),
    });
    const { vocabularySize } = this.#config;
    const choices = rows.map((row, index) =>
      choose(row, index, logits.subarray(index * vocabularySize, (index + 1) * vocabularySize)),
    );
    rows.forEach((row, index) => {
      const { token } = choices[index]!;
      row.length += 1;
      row.pending = token;
      row.sampler.accept(token);
    });
    return choices;
  }

  /** Room for `needed` positions in every open row, and in a free one that is about to be. */
  #fit(needed: number, free = -1): void {
    const lengths = this.#rows.map((row) => row?.length ?? 0);
    while (lengths.length > free + 1 && this.#rows[lengths.length - 1] === undefined) lengths.pop();
    this.#kv.fit(lengths, Math.max(needed, ...lengths));
    this.#committedBytesPeak = Math.max(this.#committedBytesPeak, this.#kv.bytes);
  }

  #open(): Row[] {
    return this.#rows.filter((row) => row !== undefined);
  }

  #tokensHeld(): number {
    return this.#open().reduce((sum, row) => sum + row.length, 0);
  }

  #notePeaks(): void {
    this.#tokensHeldPeak = Math.max(this.#tokensHeldPeak, this.#tokensHeld());
  }

  #bytesPerToken(): number {
    return 2 * this.#config.layers * this.#config.width * Float32Array.BYTES_PER_ELEMENT;
  }

  #opened(index: number): Row {
    const row = this.#inRange(index);
    if (row === undefined) throw rowError(`Row ${index} is not open.`);
    return row;
  }

  #free(index: number): void {
    if (this.#inRange(index) !== undefined) throw rowError(`Row ${index} is already open.`);
  }

  #inRange(index: number): Row | undefined {
    if (!Number.isInteger(index) || index < 0 || index >= this.#rows.length) {
      throw rowError(`Row ${index} does not exist: this runner has rows 0 to ${this.#rows.length - 1}.`);
    }
    return this.#rows[index];
  }

  #checkRoom(index: number, row: Row, tokens: number): void {
    if (row.length + tokens <= row.capacity) return;
    throw new RunnerError(
      'INHOUSE_ROW_FULL',
      `Row ${index} holds ${row.length} of ${row.capacity} positions: ${tokens} more do not fit.`,
      { details: { row: index, length: row.length, capacity: row.capacity, tokens } },
    );
  }
}

/** Where a row's logits leave no token, the error names the row: it is nobody else's. */
function choose({ sampler }: Row, row: number, logits: Float32Array): TokenChoice {
  try {
    return sampler.choose(logits);
  } catch (error) {
    if (!(error instanceof RunnerError)) throw error;
    throw new RunnerError(error.code, error.message, { details: { row } });
  }
}
