// The running totals behind the metrics: one set per provider, team, model and kind of operation, however many calls.
// Also the labels of their distributions, made once. Knows nothing of OpenTelemetry.
import type { Usage } from '../../providers/provider.js';
import { GEN_AI, GEN_AI_OPERATION, OPERATION_TYPE, type Operation } from './names.js';

export type Labels = Readonly<Record<string, string>>;

export interface SeriesKey {
  readonly operation: Operation;
  readonly provider: string;
  readonly model: string;
  readonly team: string;
}

export class CallSeries {
  readonly operation: Operation;
  readonly provider: string;
  readonly model: string;
  readonly team: string;
  calls = 0;
  errors = 0;
  costUsd = 0;
  inputTokens = 0;
  outputTokens = 0;

  // labels of distributions
  readonly byOperationType: Labels;
  readonly byEngine: Labels;
  readonly byTeam: Labels;
  readonly genAi: Labels;
  readonly genAiInput: Labels;
  readonly genAiOutput: Labels;

  constructor({ operation, provider, model, team }: SeriesKey) {
    this.operation = operation;
    this.provider = provider;
    this.model = model;
    this.team = team;
    this.byOperationType = { provider, operation_type: OPERATION_TYPE[operation] };
    this.byEngine = { model, engine: provider };
    this.byTeam = { model, team };
    this.genAi = {
      [GEN_AI.operation]: GEN_AI_OPERATION[operation],
      [GEN_AI.provider]: provider,
      [GEN_AI.requestModel]: model,
    };
    this.genAiInput = { ...this.genAi, [GEN_AI.tokenType]: 'input' };
    this.genAiOutput = { ...this.genAi, [GEN_AI.tokenType]: 'output' };
  }

  add(costUsd: number, usage: Usage | undefined, failed: boolean): void {
    this.calls++;
    if (failed) this.errors++;
    this.costUsd += costUsd;
    if (usage === undefined) return;
    this.inputTokens += usage.promptTokens;
    this.outputTokens += usage.completionTokens;
  }
}

/** Team and model come from callers: beyond so many combinations, what is new counts under OTHER. */
const MOST_SERIES = 1_000;
const OTHER = 'other';

export class SeriesBook {
  readonly #series = new Map<string, CallSeries>();
  /** That of the call before, which is that of most calls. */
  #latest: CallSeries | undefined;

  values(): Iterable<CallSeries> {
    return this.#series.values();
  }

  of(key: SeriesKey): CallSeries {
    if (this.#latest === undefined || !isOf(this.#latest, key)) this.#latest = this.#find(key);
    return this.#latest;
  }

  #find(key: SeriesKey): CallSeries {
    const known = this.#series.get(name(key));
    if (known !== undefined) return known;
    if (this.#series.size >= MOST_SERIES && key.team !== OTHER) {
      return this.#find({ ...key, team: OTHER, model: OTHER });
    }
    const series = new CallSeries(key);
    this.#series.set(name(key), series);
    return series;
  }
}

function isOf(series: CallSeries, { operation, provider, model, team }: SeriesKey): boolean {
  return (
    series.operation === operation &&
    series.provider === provider &&
    series.model === model &&
    series.team === team
  );
}

function name({ operation, provider, model, team }: SeriesKey): string {
  return `${operation}\n${provider}\n${model}\n${team}`;
}

/** Counts by a few labels, such as failures by where and what; bounded as the book is. */
export class Tally {
  readonly #counts = new Map<string, { readonly labels: Labels; count: number }>();

  add(labels: Labels): void {
    const key = JSON.stringify(labels);
    const entry = this.#counts.get(key);
    if (entry !== undefined) entry.count++;
    else if (this.#counts.size < MOST_SERIES) this.#counts.set(key, { labels, count: 1 });
  }

  *points(): Iterable<readonly [Labels, number]> {
    for (const { labels, count } of this.#counts.values()) yield [labels, count];
  }
}
