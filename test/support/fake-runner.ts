// A Runner without a model: follows the contract's bookkeeping, draws tokens from a hash of what a row holds.
import { RunnerError } from '#inhouse/errors.js';
import type {
  RowOptions,
  Runner,
  RunnerInfo,
  RunnerStatistics,
  ScoreResult,
  TokenChoice,
} from '#inhouse/runtime/runner.js';

interface FakeRow {
  readonly options: RowOptions;
  /** Prompt, output, and what was drawn since: what a sampler's penalties and draws are about. */
  readonly history: number[];
  held: number[];
  pending: number | undefined;
}

export interface FakeRunnerOptions {
  readonly maxRows?: number;
  readonly contextLength?: number;
  /** Throws to make a call fail; told the name of the call and its row or row count. */
  readonly sabotage?: (call: string, row: number) => void;
}

/** The token that follows a row's tokens: known to the test without running anything. */
export function nextToken(tokens: readonly number[]): number {
  return tokens.reduce((hash, token) => (hash * 31 + token + 7) % 997, 1);
}

export class FakeRunner implements Runner {
  readonly info: RunnerInfo;
  readonly calls: string[] = [];
  disposed = false;
  /** Most positions that all rows held together. */
  tokensHeldPeak = 0;
  readonly #rows: Array<FakeRow | undefined>;
  readonly #sabotage: (call: string, row: number) => void;

  constructor({ maxRows = 4, contextLength = 64, sabotage = () => {} }: FakeRunnerOptions = {}) {
    this.info = {
      kind: 'portable',
      device: 'cpu',
      precision: 'fp32',
      computeType: 'float32',
      maxRows,
      contextLength,
      vocabularySize: 1000,
      layers: 1,
      width: 8,
      threads: 1,
      runtimeVersion: 'none',
    };
    this.#rows = new Array(maxRows).fill(undefined);
    this.#sabotage = sabotage;
  }

  get tokensHeld(): number {
    return this.#rows.reduce((sum, row) => sum + (row?.held.length ?? 0), 0);
  }

  get rowsOpen(): number {
    return this.#rows.filter((row) => row !== undefined).length;
  }

  async openRow(row: number, options: RowOptions): Promise<void> {
    await this.#called('openRow', row);
    if (this.#rows[row]) throw this.#broken(`row ${row} is open`);
    const history = [...options.prompt, ...options.output];
    this.#rows[row] = { options, history, held: [], pending: undefined };
  }

  prefill(row: number, tokens: readonly number[], options: { readonly sample: true }): Promise<TokenChoice>;
  prefill(
    row: number,
    tokens: readonly number[],
    options?: { readonly sample?: boolean },
  ): Promise<TokenChoice | undefined>;
  async prefill(
    row: number,
    tokens: readonly number[],
    options?: { readonly sample?: boolean },
  ): Promise<TokenChoice | undefined> {
    await this.#called('prefill', row);
    const state = this.#open(row);
    this.#append(state, tokens);
    if (!options?.sample) return undefined;
    return { token: this.#draw(state) };
  }

  async decode(rows: number, steps = 1): Promise<TokenChoice[][]> {
    await this.#called('decode', rows);
    const states = Array.from({ length: rows }, (_, row) => this.#open(row));
    if (states.some(({ pending }) => pending === undefined)) throw this.#broken('a row has no pending token');
    const choices: TokenChoice[][] = states.map(() => []);
    for (let step = 0; step < steps; step++) {
      states.forEach((state, row) => {
        this.#append(state, [state.pending!]);
        choices[row]!.push({ token: this.#draw(state) });
      });
      const ended = ({ pending, held, options: { capacity, sampling } }: FakeRow) =>
        sampling.stopTokenIds.includes(pending!) || held.length === capacity;
      if (states.some(ended)) break;
    }
    return choices;
  }

  async moveRow(from: number, to: number): Promise<void> {
    await this.#called('moveRow', from);
    if (this.#rows[to]) throw this.#broken(`row ${to} is open`);
    this.#rows[to] = this.#open(from);
    this.#rows[from] = undefined;
  }

  async copyPrefix(from: number, to: number, length: number): Promise<void> {
    await this.#called('copyPrefix', from);
    const source = this.#open(from).held.slice(0, length);
    if (source.length < length || this.#open(to).held.length > 0) throw this.#broken('copyPrefix');
    this.#append(this.#open(to), source);
  }

  async truncateRow(row: number, length: number): Promise<void> {
    await this.#called('truncateRow', row);
    const state = this.#open(row);
    state.held = state.held.slice(0, length);
    state.pending = undefined;
  }

  async closeRow(row: number): Promise<void> {
    await this.#called('closeRow', row);
    this.#open(row);
    this.#rows[row] = undefined;
  }

  score(): Promise<ScoreResult> {
    return Promise.reject(new Error('the fake does not score'));
  }

  embed(): Promise<Float32Array> {
    return Promise.reject(new Error('the fake does not embed'));
  }

  statistics(): Promise<RunnerStatistics> {
    return Promise.reject(new Error('the fake keeps no statistics'));
  }

  async dispose(): Promise<void> {
    this.disposed = true;
  }

  /** Notes the call, lets other work in between as a real runner does, and fails it if the test says so. */
  async #called(name: string, row: number): Promise<void> {
    this.calls.push(`${name} ${row}`);
    await new Promise((resolve) => setImmediate(resolve));
    this.#sabotage(name, row);
  }

  #open(row: number): FakeRow {
    const state = this.#rows[row];
    if (!state) throw this.#broken(`row ${row} is not open`);
    return state;
  }

  #append(state: FakeRow, tokens: readonly number[]): void {
    if (state.held.length + tokens.length > state.options.capacity) throw this.#broken('a row is full');
    state.held.push(...tokens);
    this.tokensHeldPeak = Math.max(this.tokensHeldPeak, this.tokensHeld);
  }

  /** A real sampler could not tell; its text would be wrong. */
  #draw(state: FakeRow): number {
    const { held, history } = state;
    const end = history.slice(history.length - held.length);
    if (held.some((token, i) => token !== end[i]))
      throw this.#broken('a row holds other tokens than its history');
    state.pending = nextToken(held);
    history.push(state.pending);
    return state.pending;
  }

  #broken(what: string): RunnerError {
    return new RunnerError('INHOUSE_ROW_INVALID', `contract broken: ${what}`);
  }
}
