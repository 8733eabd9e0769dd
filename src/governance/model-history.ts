// How the models of this machine have done: averages since the start, the last operations, and what they advise.
// It keeps numbers only; nobody's prompt comes near it.
import { type Clock, requireClock, systemClock } from './clock.js';
import { requireAmount } from './pricing/price.js';

export interface ModelOperation {
  readonly model: string;
  readonly latencyMs: number;
  readonly outputTokens: number;
  readonly costUsd: number;
  /** Memory the model held, where known. */
  readonly memoryBytes?: number;
  readonly ok: boolean;
}

interface PastOperation extends ModelOperation {
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface ModelMetrics {
  readonly model: string;
  readonly operations: number;
  readonly errors: number;
  /** 0 to 1; 1 before the first operation. */
  readonly successRate: number;
  readonly outputTokens: number;
  readonly totalLatencyMs: number;
  readonly averageLatencyMs: number;
  /** Output tokens over the time of all operations. */
  readonly tokensPerSecond: number;
  /** Of the operations that told. */
  readonly averageMemoryBytes: number;
  readonly totalCostUsd: number;
  readonly costPerOperation: number;
}

export interface ModelRanking {
  /** Least cost per operation. */
  readonly bestForCost: string | undefined;
  /** Most tokens per second. */
  readonly bestForSpeed: string | undefined;
  /** Highest success rate, then most operations: how good the texts are is not measured here. */
  readonly bestForQuality: string | undefined;
  readonly models: readonly ModelMetrics[];
}

export interface ModelUsage {
  readonly days: number;
  readonly operations: number;
  readonly outputTokens: number;
  readonly costUsd: number;
  readonly operationsByModel: Readonly<Record<string, number>>;
  /** By UTC date, such as '2026-01-31'. */
  readonly operationsByDay: Readonly<Record<string, number>>;
}

const HISTORY_LENGTH = 1000;
const ANALYSIS_MS = 3_600_000;
const DAY_MS = 86_400_000;

const SLOW_MS = 5000;
const SLOW_TOKENS_PER_SECOND = 5;
const LARGE_BYTES = 8e9;
const DEAR_USD = 0.01;
const LOW_SUCCESS_RATE = 0.9;

export class ModelHistory {
  readonly #clock: Clock;
  readonly #totals = new Map<string, Totals>();
  /** The last operations; a ring once it is full. */
  readonly #history: PastOperation[] = [];
  #recorded = 0;
  #analysis: { readonly at: number; readonly advice: readonly string[] } | undefined;

  constructor(clock: Clock = systemClock) {
    requireClock('model history', clock);
    this.#clock = clock;
  }

  /** Makes models known that have not run yet, such as those a provider lists. */
  discover(models: Iterable<{ readonly id: string }>): void {
    for (const { id } of models) this.#totalsOf(id);
  }

  /** @throws InvalidInputError for a number that is negative or not finite */
  record(operation: ModelOperation): void {
    const { latencyMs, outputTokens, costUsd, memoryBytes } = operation;
    for (const [name, value] of Object.entries({
      latencyMs,
      outputTokens,
      costUsd,
      memoryBytes: memoryBytes ?? 0,
    }))
      requireAmount('model history', name, value);
    this.#totalsOf(operation.model).add(operation);
    this.#history[this.#recorded % HISTORY_LENGTH] = { ...operation, at: this.#clock.now() };
    this.#recorded++;
  }

  get models(): readonly string[] {
    return [...this.#totals.keys()];
  }

  metrics(model: string): ModelMetrics | undefined {
    return this.#totals.get(model)?.metrics(model);
  }

  /** Models that have run; those that are not named are left out. Default: all. */
  compare(models: readonly string[] = this.models): ModelRanking {
    const compared = models
      .map((model) => this.metrics(model))
      .filter((metrics) => metrics !== undefined && metrics.operations > 0) as ModelMetrics[];
    return {
      bestForCost: least(compared, (metrics) => metrics.costPerOperation),
      bestForSpeed: least(compared, (metrics) => -metrics.tokensPerSecond),
      bestForQuality: least(compared, (metrics) => -metrics.successRate - metrics.operations / 1e15),
      models: compared,
    };
  }

  /** What to look into, in sentences. Worked out again when an hour has passed. */
  recommendations(): readonly string[] {
    const now = this.#clock.monotonic();
    if (this.#analysis === undefined || now - this.#analysis.at >= ANALYSIS_MS) {
      this.#analysis = { at: now, advice: this.compare().models.flatMap(adviceOn) };
    }
    return this.#analysis.advice;
  }

  /** Of the last `days` days, as far as the history of 1 000 operations reaches. */
  usage(days: number): ModelUsage {
    const since = this.#clock.now() - days * DAY_MS;
    const recent = this.#history.filter(({ at }) => at >= since);
    return {
      days,
      operations: recent.length,
      outputTokens: sum(recent, ({ outputTokens }) => outputTokens),
      costUsd: sum(recent, ({ costUsd }) => costUsd),
      operationsByModel: countBy(recent, ({ model }) => model),
      operationsByDay: countBy(recent, ({ at }) => new Date(at).toISOString().slice(0, 10)),
    };
  }

  /** For `JSON.stringify`: metrics of every known model, and the history, oldest first. */
  toJSON(): { readonly models: readonly ModelMetrics[]; readonly history: readonly ModelOperation[] } {
    const oldest = this.#recorded > HISTORY_LENGTH ? this.#recorded % HISTORY_LENGTH : 0;
    return {
      models: Array.from(this.#totals, ([model, totals]) => totals.metrics(model)),
      history: [...this.#history.slice(oldest), ...this.#history.slice(0, oldest)],
    };
  }

  #totalsOf(model: string): Totals {
    const known = this.#totals.get(model);
    if (known !== undefined) return known;
    const totals = new Totals();
    this.#totals.set(model, totals);
    return totals;
  }
}

class Totals {
  #operations = 0;
  #errors = 0;
  #outputTokens = 0;
  #latencyMs = 0;
  #costUsd = 0;
  #memoryBytes = 0;
  #memoryReports = 0;

  add(operation: ModelOperation): void {
    this.#operations++;
    if (!operation.ok) this.#errors++;
    this.#outputTokens += operation.outputTokens;
    this.#latencyMs += operation.latencyMs;
    this.#costUsd += operation.costUsd;
    if (operation.memoryBytes !== undefined) {
      this.#memoryBytes += operation.memoryBytes;
      this.#memoryReports++;
    }
  }

  metrics(model: string): ModelMetrics {
    return {
      model,
      operations: this.#operations,
      errors: this.#errors,
      successRate: this.#operations === 0 ? 1 : 1 - this.#errors / this.#operations,
      outputTokens: this.#outputTokens,
      totalLatencyMs: this.#latencyMs,
      averageLatencyMs: over(this.#latencyMs, this.#operations),
      tokensPerSecond: over(this.#outputTokens * 1000, this.#latencyMs),
      averageMemoryBytes: over(this.#memoryBytes, this.#memoryReports),
      totalCostUsd: this.#costUsd,
      costPerOperation: over(this.#costUsd, this.#operations),
    };
  }
}

function adviceOn(metrics: ModelMetrics): readonly string[] {
  const { model, averageLatencyMs, tokensPerSecond, averageMemoryBytes, costPerOperation, successRate } =
    metrics;
  const found: string[] = [];
  if (averageLatencyMs > SLOW_MS) found.push(`takes ${(averageLatencyMs / 1000).toFixed(1)} s on average`);
  if (tokensPerSecond < SLOW_TOKENS_PER_SECOND)
    found.push(`makes ${tokensPerSecond.toFixed(1)} tokens per second`);
  if (averageMemoryBytes > LARGE_BYTES) found.push(`holds ${(averageMemoryBytes / 1e9).toFixed(1)} GB`);
  if (costPerOperation > DEAR_USD) found.push(`costs $${costPerOperation.toFixed(4)} per operation`);
  if (successRate < LOW_SUCCESS_RATE) found.push(`succeeds ${(successRate * 100).toFixed(0)} % of the time`);
  return found.map((fact) => `${model} ${fact}`);
}

function least(models: readonly ModelMetrics[], by: (metrics: ModelMetrics) => number): string | undefined {
  return [...models].sort((a, b) => by(a) - by(b))[0]?.model;
}

function countBy(operations: readonly PastOperation[], key: (operation: PastOperation) => string) {
  const counts = new Map<string, number>();
  for (const operation of operations) counts.set(key(operation), (counts.get(key(operation)) ?? 0) + 1);
  return Object.fromEntries(counts);
}

function sum(operations: readonly PastOperation[], of: (operation: PastOperation) => number): number {
  return operations.reduce((total, operation) => total + of(operation), 0);
}

function over(dividend: number, divisor: number): number {
  return divisor === 0 ? 0 : dividend / divisor;
}
