// Benchmark 5: what the budget manager takes per operation, with one to four periods.
import { BudgetManager } from '../../src/governance/budget.js';
import { BudgetWindow, PERIODS } from '../../src/governance/budget-window.js';
import { systemClock } from '../../src/governance/clock.js';
import type { Benchmark } from './benchmark.js';
import { type Distribution, distribution } from './distribution.js';
import { judged, type Row, type SeedStatistics, statisticRows } from './row.js';
import { timeWork } from './timing.js';

const BATCH = 200;
const COST_USD = 0.001;
/** Hourly, daily, weekly, monthly. */
const LIMITS_USD = [1, 10, 50, 200];
const HEADLINE_US = 30;

const SEEDS = {
  check: {
    1: { id: 'A-36', mean: 8.2, median: 7.8, p95: 12.1, p99: 15.4 },
    4: { id: 'A-37', mean: 18.5, median: 17.2, p95: 24.3, p99: 29.7 },
  },
  record: {
    1: { id: 'A-38', mean: 12.3, median: 11.5, p95: 16.8, p99: 21.2 },
    4: { id: 'A-39', mean: 28.7, median: 26.9, p95: 35.4, p99: 42.1 },
  },
} as const;
const EXPIRY: SeedStatistics = { mean: 3.1, median: 2.9, p95: 4.5, p99: 5.8 };

const OPERATIONS = {
  check: (manager: BudgetManager) => manager.check({}, COST_USD),
  record: (manager: BudgetManager) => manager.record({}, COST_USD),
};

export const budget: Benchmark = {
  name: 'budget',
  about: 'checking and recording a cost against budgets of one to four periods',
  async measure({ samples }) {
    const rows: Row[] = [];
    for (const operation of ['check', 'record'] as const) {
      const byPeriods: Distribution[] = [];
      for (let periods = 1; periods <= PERIODS.length; periods++) {
        const manager = managerOf(periods);
        const work = () => OPERATIONS[operation](manager);
        const ours = distribution(await timeWork(samples, { batch: BATCH, work }));
        byPeriods.push(ours);
        if (periods !== 1 && periods !== 4) continue;
        const { id, ...seeds } = SEEDS[operation][periods];
        const name = `${operation}, ${periods} period${periods === 1 ? '' : 's'}`;
        rows.push(...statisticRows({ id, name, plane: 'G', unit: 'µs' }, ours, seeds));
      }
      rows.push(...headlines(operation, byPeriods));
    }
    return [...rows, ...(await expiry(samples))];
  },
};

function headlines(operation: 'check' | 'record', byPeriods: readonly Distribution[]): Row[] {
  const means = byPeriods.map(({ mean }) => mean);
  return [
    judged({
      id: 'A-41',
      name: `${operation}, slowest mean over 1 to 4 periods`,
      plane: 'G',
      seed: HEADLINE_US,
      ours: Math.max(...means),
      unit: 'µs',
      target: { atMost: HEADLINE_US },
    }),
    judged({
      id: 'A-41',
      name: `${operation}, 4 periods over 1`,
      plane: 'G',
      seed: SEEDS[operation][4].mean / SEEDS[operation][1].mean,
      ours: means[3]! / means[0]!,
      unit: '×',
      target: { atMost: 4 },
      reason: 'At most linear in the number of periods.',
    }),
  ];
}

/** Asking a window whether it is over, reading the clock included. */
async function expiry(samples: number): Promise<Row[]> {
  const window = new BudgetWindow('hourly', 1, 'rolling', systemClock.now());
  const work = () => window.roll(systemClock.now());
  const ours = distribution(await timeWork(samples, { batch: BATCH, work }));
  return statisticRows({ id: 'A-40', name: 'expiration check', plane: 'G', unit: 'µs' }, ours, EXPIRY);
}

function managerOf(periods: number): BudgetManager {
  const limitsUsd = Object.fromEntries(
    PERIODS.slice(0, periods).map((period, i) => [period, LIMITS_USD[i]!]),
  );
  return new BudgetManager({ budgets: [{ limitsUsd }], clock: systemClock });
}
