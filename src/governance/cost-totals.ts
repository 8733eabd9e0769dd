// Where the money went: running totals by provider, model, operation and customer, over any mix of providers.
// Every operation is added once, whatever is sampled; a summary is a copy that later operations do not change.
import type { LedgerEntry } from './ledger.js';
import { requireUsd, UsdSum } from './usd.js';

/** One finished operation of any provider. */
export interface CostRecord {
  readonly provider: string;
  readonly model: string;
  /** 'completion', 'chat', 'embedding', ... */
  readonly operationType: string;
  readonly costUsd: number;
  /** What the computation cost where it ran, next to the price of its tokens. */
  readonly infrastructureUsd?: number | undefined;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  readonly durationMs?: number | undefined;
  readonly customer?: string | undefined;
  /** Default true. */
  readonly success?: boolean | undefined;
}

export interface Share {
  readonly costUsd: number;
  readonly operations: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

export interface CostTotalsSummary {
  readonly totalCostUsd: number;
  readonly currency: 'USD';
  readonly totalInfrastructureUsd: number;
  readonly totalOperations: number;
  readonly successRatePercent: number;
  readonly totalInputTokens: number;
  readonly totalOutputTokens: number;
  readonly totalTokens: number;
  readonly avgCostPerOperationUsd: number;
  readonly avgCostPerTokenUsd: number;
  /** Over the operations that say how long they took. */
  readonly avgDurationMs: number;
  readonly byProvider: Readonly<Record<string, Share>>;
  /** By `provider/model`. */
  readonly byModel: Readonly<Record<string, Share>>;
  readonly byOperation: Readonly<Record<string, Share>>;
  readonly byCustomer: Readonly<Record<string, Share>>;
  readonly uniqueProviders: readonly string[];
  readonly uniqueModels: readonly string[];
  /** Of the operations; undefined while there are none. */
  readonly timeRange: { readonly fromMs: number; readonly toMs: number } | undefined;
}

/** What of a ledger's entry is counted. */
interface CountedEntry {
  readonly provider: string;
  readonly model: string;
  readonly operation: string;
  readonly costUsd: number;
  readonly infrastructureUsd?: number | undefined;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly timeMs: number;
  readonly durationMs?: number | undefined;
  readonly success?: boolean | undefined;
  readonly scopes: { readonly customer?: string | undefined };
}

class Sums {
  readonly cost = new UsdSum();
  operations = 0;
  inputTokens = 0;
  outputTokens = 0;

  add({ costUsd, promptTokens, completionTokens }: CountedEntry): void {
    this.cost.add(costUsd);
    this.operations++;
    this.inputTokens += promptTokens;
    this.outputTokens += completionTokens;
  }

  share(): Share {
    const { operations, inputTokens, outputTokens } = this;
    return { costUsd: this.cost.value, operations, inputTokens, outputTokens };
  }
}

export class CostTotals {
  readonly #all = new Sums();
  readonly #infrastructure = new UsdSum();
  readonly #byProvider = new Map<string, Sums>();
  /** By provider, then model: joining their names would allocate on every call. */
  readonly #byModel = new Map<string, Map<string, Sums>>();
  readonly #byOperation = new Map<string, Sums>();
  readonly #byCustomer = new Map<string, Sums>();
  #successes = 0;
  #timed = 0;
  #durationMs = 0;
  #fromMs = Number.POSITIVE_INFINITY;
  #toMs = Number.NEGATIVE_INFINITY;

  /** @throws InvalidInputError for a cost that is negative or not finite */
  add(record: CostRecord): void {
    this.addEntry({
      provider: record.provider,
      model: record.model,
      operation: record.operationType,
      costUsd: record.costUsd,
      infrastructureUsd: record.infrastructureUsd,
      promptTokens: record.inputTokens,
      completionTokens: record.outputTokens,
      timeMs: record.timeMs,
      durationMs: record.durationMs,
      success: record.success,
      scopes: record,
    });
  }

  /** As `add`, of what a ledger takes. */
  addEntry(entry: CountedEntry): void {
    const { provider, infrastructureUsd = 0, durationMs, timeMs } = entry;
    const { customer } = entry.scopes;
    requireUsd('cost totals', 'costUsd', entry.costUsd);
    requireUsd('cost totals', 'infrastructureUsd', infrastructureUsd);
    this.#all.add(entry);
    this.#infrastructure.add(infrastructureUsd);
    sumsOf(this.#byProvider, provider).add(entry);
    sumsOf(mapOf(this.#byModel, provider), entry.model).add(entry);
    sumsOf(this.#byOperation, entry.operation).add(entry);
    if (customer !== undefined) sumsOf(this.#byCustomer, customer).add(entry);
    if (entry.success !== false) this.#successes++;
    if (durationMs !== undefined) {
      this.#timed++;
      this.#durationMs += durationMs;
    }
    this.#fromMs = Math.min(this.#fromMs, timeMs);
    this.#toMs = Math.max(this.#toMs, timeMs);
  }

  /** Adds the operations that a ledger remembers, and returns their number. `entries` are as `Ledger.load` returns them. */
  restore(entries: readonly LedgerEntry[]): number {
    const before = this.#all.operations;
    for (const entry of entries) {
      if (entry.type === 'cost') this.addEntry(entry);
    }
    return this.#all.operations - before;
  }

  /** One customer's share so far; O(1). */
  ofCustomer(customer: string): Share {
    return (this.#byCustomer.get(customer) ?? new Sums()).share();
  }

  summary(): CostTotalsSummary {
    const { costUsd, operations, inputTokens, outputTokens } = this.#all.share();
    const totalTokens = inputTokens + outputTokens;
    const byModel: Record<string, Share> = {};
    const models = new Set<string>();
    for (const [provider, ofProvider] of this.#byModel) {
      for (const [model, sums] of ofProvider) {
        byModel[`${provider}/${model}`] = sums.share();
        models.add(model);
      }
    }
    return {
      totalCostUsd: costUsd,
      currency: 'USD',
      totalInfrastructureUsd: this.#infrastructure.value,
      totalOperations: operations,
      successRatePercent: ratio(this.#successes * 100, operations),
      totalInputTokens: inputTokens,
      totalOutputTokens: outputTokens,
      totalTokens,
      avgCostPerOperationUsd: ratio(costUsd, operations),
      avgCostPerTokenUsd: ratio(costUsd, totalTokens),
      avgDurationMs: ratio(this.#durationMs, this.#timed),
      byProvider: shares(this.#byProvider),
      byModel,
      byOperation: shares(this.#byOperation),
      byCustomer: shares(this.#byCustomer),
      uniqueProviders: [...this.#byProvider.keys()],
      uniqueModels: [...models],
      timeRange: operations === 0 ? undefined : { fromMs: this.#fromMs, toMs: this.#toMs },
    };
  }
}

/** The summary of operations that are all known already. */
export function aggregate(records: Iterable<CostRecord>): CostTotalsSummary {
  const totals = new CostTotals();
  for (const record of records) totals.add(record);
  return totals.summary();
}

function sumsOf(map: Map<string, Sums>, key: string): Sums {
  let sums = map.get(key);
  if (!sums) {
    sums = new Sums();
    map.set(key, sums);
  }
  return sums;
}

function mapOf(maps: Map<string, Map<string, Sums>>, key: string): Map<string, Sums> {
  let map = maps.get(key);
  if (!map) {
    map = new Map();
    maps.set(key, map);
  }
  return map;
}

/** Without a prototype: names are the caller's, `__proto__` included. */
function shares(map: ReadonlyMap<string, Sums>): Record<string, Share> {
  const result: Record<string, Share> = Object.create(null);
  for (const [key, sums] of map) result[key] = sums.share();
  return result;
}

function ratio(amount: number, count: number): number {
  return count === 0 ? 0 : amount / count;
}
