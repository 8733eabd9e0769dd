// Loads the model under test, as often as a measurement needs it with other options, and puts loads on it.
import type { EngineOptions } from '../../src/engine/engine-options.js';
import { type LoadOptions, load } from '../../src/load.js';
import type { Model } from '../../src/model.js';
import { Random } from '../run/random.js';
import { type Callers, closedLoop, type Load, openLoop, poissonArrivals } from './drive.js';
import type { LoadRun } from './metrics.js';
import { sendTo } from './send.js';
import type { RequestTrace } from './trace.js';
import { checkFits, requestsOf, type Workload } from './workload.js';

export type ModelSetup = Required<Pick<LoadOptions, 'precision' | 'runner' | 'device' | 'threads'>>;

export interface LoadTools {
  /** Aborting it ends the measurement with what has been measured so far. */
  readonly signal: AbortSignal;
  /** Told what comes next. */
  readonly onProgress: (doing: string) => void;
}

/** Who sends: callers that wait for their answers, or nobody in particular, so many times per second on average. */
export type Source =
  | ({ readonly loop: 'closed' } & Callers)
  | { readonly loop: 'open'; readonly requestRate: number };

export interface LoadCase {
  readonly source: Source;
  readonly workload: Workload;
  readonly durationSeconds: number;
  /** The same load for so long beforehand, which counts for nothing. */
  readonly warmupSeconds: number;
  readonly timeoutMs?: number;
}

/** Of one session: what keeps the seeds of its runs apart from those of another seed. */
const MOST_RUNS = 2 ** 16;

export class LoadSession {
  readonly #folder: string;
  readonly #setup: ModelSetup;
  readonly tools: LoadTools;
  #runs = 0;

  constructor(folder: string, setup: ModelSetup, tools: LoadTools) {
    this.#folder = folder;
    this.#setup = setup;
    this.tools = tools;
  }

  /** Loads the model for the work, and disposes of it when that is over. */
  async withModel<Result>(engine: EngineOptions, work: (model: Model) => Promise<Result>): Promise<Result> {
    await using model = await load(this.#folder, { ...this.#setup, ...engine, signal: this.tools.signal });
    return await work(model);
  }

  /** Throws `INHOUSE_INVALID_OPTION` for requests that the context cannot hold. */
  async measure(model: Model, measured: LoadCase): Promise<LoadRun> {
    const { source, workload, durationSeconds, warmupSeconds, timeoutMs } = measured;
    const { vocabularySize, contextLength } = model.info();
    checkFits(workload, contextLength);
    this.tools.onProgress(`${nameOf(source)}: ${durationSeconds} s`);
    const run = async (seconds: number): Promise<LoadRun> => {
      const seed = workload.seed * MOST_RUNS + this.#runs++; // no prompt of an earlier run comes again
      const traces: RequestTrace[] = [];
      const beginMs = performance.now();
      await drive(source, seed, {
        send: sendTo(model, timeoutMs),
        nextRequest: requestsOf({ ...workload, seed }, vocabularySize),
        durationMs: seconds * 1000,
        signal: this.tools.signal,
        onTrace: (trace) => traces.push(trace),
      });
      return { traces, durationMs: performance.now() - beginMs };
    };
    await run(warmupSeconds);
    return run(durationSeconds);
  }
}

export function nameOf(source: Source): string {
  return source.loop === 'open'
    ? `${source.requestRate} requests/s`
    : `concurrency ${source.concurrency}${source.batchSize > 1 ? `, ${source.batchSize} at once` : ''}`;
}

function drive(source: Source, seed: number, work: Load): Promise<void> {
  if (source.loop === 'closed') return closedLoop(work, source);
  return openLoop(work, poissonArrivals(source.requestRate, new Random(~seed)));
}
