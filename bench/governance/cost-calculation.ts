// Benchmark 2: what it takes to price a call, for carried prices and for those of the local models.
import { PricingCatalogue } from '../../src/governance/pricing/catalogue.js';
import type { Benchmark } from './benchmark.js';
import { distribution, lineThrough, meanOf } from './distribution.js';
import type { Effort } from './effort.js';
import { judged, type Row, statisticRows } from './row.js';
import { timeWork } from './timing.js';

const BATCH = 1000;

/** The published table in microseconds: sizes by rows, 100/50, 1 000/500 and 10 000/5 000 tokens by columns. */
const SIZES = [
  { models: ['meta-llama/Llama-2-7b-chat-hf', 'distilgpt2'], seedsUs: [42, 45, 48] },
  { models: ['meta-llama/Llama-2-13b-chat-hf', 'gpt2'], seedsUs: [43, 46, 49] },
  { models: ['meta-llama/Llama-2-70b-chat-hf', 'gpt2-xl'], seedsUs: [44, 47, 50] },
] as const;
const USAGES = [usageOf(100), usageOf(1000), usageOf(10_000)];
const FIRST_ID = 6;
const STATISTICS = { mean: 46, median: 46, p95: 52, p99: 58 };
const DEVIATION_US = 3.2;

export const costCalculation: Benchmark = {
  name: 'cost_calculation',
  about: 'pricing one call, by model and number of tokens',
  async measure(effort) {
    const catalogue = new PricingCatalogue();
    const rows: Row[] = [];
    const all: number[] = [];
    for (const [size, { models, seedsUs }] of SIZES.entries()) {
      for (const [column, usage] of USAGES.entries()) {
        for (const model of models) {
          const samples = await timePrice(catalogue, model, usage, effort);
          all.push(...samples);
          rows.push(
            judged({
              id: `A-${String(FIRST_ID + size * USAGES.length + column).padStart(2, '0')}`,
              name: `price ${model}, ${usage.promptTokens}/${usage.completionTokens} tokens, mean`,
              plane: 'G',
              seed: seedsUs[column],
              ours: distribution(samples).mean,
              unit: 'µs',
              target: { atMost: seedsUs[column]! },
            }),
          );
        }
      }
    }
    return [...rows, ...statistics(all), await growth(catalogue, effort)];
  },
};

function statistics(samples: readonly number[]): Row[] {
  const ours = distribution(samples);
  const facts = { id: 'A-15', plane: 'G', unit: 'µs' } as const;
  return [
    ...statisticRows({ ...facts, name: 'price of all cells' }, ours, STATISTICS),
    judged({
      ...facts,
      name: 'price of all cells, standard deviation',
      seed: DEVIATION_US,
      ours: ours.deviation,
      target: { atMost: DEVIATION_US },
    }),
  ];
}

/** The change of the fitted time from a hundred to a million tokens: none, were the calculation not O(1). */
async function growth(catalogue: PricingCatalogue, effort: Effort): Promise<Row> {
  const points: [decade: number, us: number][] = [];
  for (let decade = 2; decade <= 6; decade++) {
    const samples = await timePrice(catalogue, 'gpt2', usageOf(10 ** decade), effort);
    points.push([decade, distribution(samples).median]);
  }
  const changeUs = lineThrough(points).slope * 4;
  const percent = (changeUs / meanOf(points.map(([, us]) => us))) * 100;
  return judged({
    id: 'A-16',
    name: 'change of a price calculation from 10² to 10⁶ tokens',
    plane: 'G',
    seed: 0,
    ours: percent,
    unit: '%',
    reason: 'Published as about none, without a bound. Of medians.',
  });
}

function timePrice(
  catalogue: PricingCatalogue,
  model: string,
  usage: { readonly promptTokens: number; readonly completionTokens: number },
  { samples }: Effort,
): Promise<number[]> {
  return timeWork(samples, { batch: BATCH, work: () => catalogue.actual({ model, usage }) });
}

function usageOf(promptTokens: number) {
  return { promptTokens, completionTokens: promptTokens / 2 };
}
