// The Runner that needs nothing but onnxruntime-node: a worker thread computes, the caller's event loop stays free.
// Slower than the native runner, because onnxruntime-node copies every output; same results.
import { Piscina } from 'piscina';
import { DisposedError, InvalidInputError, RunnerError } from '../errors.js';
import type { Answer, Call, Calls } from './portable/worker.js';
import {
  type RowOptions,
  type Runner,
  type RunnerInfo,
  type RunnerOptions,
  type RunnerStatistics,
  runnerInfo,
  type ScoreOptions,
  type ScoreResult,
  type TokenChoice,
} from './runner.js';

/** Throws a `RunnerError` (`INHOUSE_RUNTIME_LOAD`) when ONNX Runtime cannot load the graph or its weights. */
export async function openPortableRunner(options: RunnerOptions): Promise<Runner> {
  const pool = new Piscina({
    filename: new URL('./portable/worker.js', import.meta.url).href,
    minThreads: 1,
    maxThreads: 1,
    concurrentTasksPerWorker: 1,
    stricterFIFO: true, // without it a task that has to wait goes behind those that come later
    idleTimeout: Number.POSITIVE_INFINITY, // the thread holds the model
  });
  try {
    const runtimeVersion = await call(pool, 'load', options);
    return new PortableRunner(pool, runnerInfo('portable', options, runtimeVersion));
  } catch (error) {
    await pool.destroy();
    throw error;
  }
}

class PortableRunner implements Runner {
  readonly info: RunnerInfo;
  readonly #pool: Piscina;
  #disposal: Promise<void> | undefined;

  constructor(pool: Piscina, info: RunnerInfo) {
    this.#pool = pool;
    this.info = info;
  }

  async openRow(row: number, options: RowOptions): Promise<void> {
    await this.#call('openRow', row, options);
  }

  prefill(row: number, tokens: readonly number[], options: { readonly sample: true }): Promise<TokenChoice>;
  prefill(
    row: number,
    tokens: readonly number[],
    options?: { readonly sample?: boolean },
  ): Promise<TokenChoice | undefined>;
  prefill(
    row: number,
    tokens: readonly number[],
    options?: { readonly sample?: boolean },
  ): Promise<TokenChoice | undefined> {
    return this.#call('prefill', row, tokens, options?.sample ?? false);
  }

  decode(rows: number, steps = 1): Promise<ReadonlyArray<readonly TokenChoice[]>> {
    return this.#call('decode', rows, steps);
  }

  async moveRow(from: number, to: number): Promise<void> {
    await this.#call('moveRow', from, to);
  }

  async copyPrefix(from: number, to: number, length: number): Promise<void> {
    await this.#call('copyPrefix', from, to, length);
  }

  async truncateRow(row: number, length: number): Promise<void> {
    await this.#call('truncateRow', row, length);
  }

  async closeRow(row: number): Promise<void> {
    await this.#call('closeRow', row);
  }

  score(tokens: readonly number[], options: ScoreOptions = {}): Promise<ScoreResult> {
    return this.#call('score', tokens, options);
  }

  embed(tokens: readonly number[], pooling: 'mean' | 'last'): Promise<Float32Array> {
    return this.#call('embed', tokens, pooling);
  }

  statistics(): Promise<RunnerStatistics> {
    return this.#call('statistics');
  }

  dispose(): Promise<void> {
    this.#disposal ??= (async () => {
      try {
        await call(this.#pool, 'release'); // after the calls already made: the worker serves them in order
      } finally {
        await this.#pool.destroy();
      }
    })();
    return this.#disposal;
  }

  #call<Name extends keyof Calls>(name: Name, ...args: Parameters<Calls[Name]>): Promise<Result<Name>> {
    if (this.#disposal) {
      return Promise.reject(
        new DisposedError('INHOUSE_DISPOSED', `The runner was disposed: it cannot ${name}.`),
      );
    }
    return call(this.#pool, name, ...args);
  }
}

type Result<Name extends keyof Calls> = Awaited<ReturnType<Calls[Name]>>;

async function call<Name extends keyof Calls>(
  pool: Piscina,
  name: Name,
  ...args: Parameters<Calls[Name]>
): Promise<Result<Name>> {
  const request: Call = { name, arguments: args };
  let answer: Answer;
  try {
    answer = await pool.run(request);
  } catch (cause) {
    throw crashed(name, cause);
  }
  if ('value' in answer) return answer.value as Result<Name>;
  if ('crash' in answer) throw crashed(name, answer.crash);
  const { code, message, details } = answer.error;
  throw new (code === 'INHOUSE_INVALID_TOKEN' ? InvalidInputError : RunnerError)(code, message, { details });
}

function crashed(name: string, cause: unknown): RunnerError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RunnerError('INHOUSE_RUNTIME_STEP', `The runner's worker thread failed in ${name}: ${reason}`, {
    cause,
  });
}
