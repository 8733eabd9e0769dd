import { describe, expect, it } from 'vitest';
import { CHECKLIST } from '#bench/governance/benchmark.js';
import { BENCHMARKS } from '#bench/governance/registry.js';
import { BENCHMARK_NAMES } from '#inhouse/cli/bench-governance.js';

/** As little as each can measure; the numbers mean nothing. */
const LEAST = {
  samples: 10,
  pairs: 150,
  requests: 300,
  timeScale: 100,
  faultyCalls: 10,
  watchedCalls: 200,
  profiledCalls: 200,
  generations: 4,
  generationModels: ['embedded'],
  stressSeconds: 0.01,
};

describe('the checklist', () => {
  it('has every row of its families once, in order', () => {
    const family = (letter: string, from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, i) => `${letter}-${String(from + i).padStart(2, '0')}`);
    expect(CHECKLIST.map(({ id }) => id)).toEqual([
      ...family('C', 1, 111),
      ...family('A', 1, 61),
      ...family('T', 1, 41),
      ...family('G', 1, 10),
      ...family('G', 27, 41),
    ]);
  });

  it('A-55: names only benchmarks that exist, and the command line offers all of them', () => {
    const names = BENCHMARKS.map(({ name }) => name).sort();
    expect([...BENCHMARK_NAMES].sort()).toEqual(names);
    expect([...new Set(CHECKLIST.flatMap(({ benchmark }) => benchmark ?? []))].sort()).toEqual(names);
  });

  it.each(BENCHMARKS)('$name measures the rows that name it, and no others', async ({ name, measure }) => {
    const claimed = CHECKLIST.filter(({ benchmark }) => benchmark === name).map(({ id }) => id);
    const rows = await measure(LEAST);
    expect([...new Set(rows.map(({ id }) => id))].sort()).toEqual(claimed.sort());
    const titles = rows.map((row) => `${row.id} ${row.name}`);
    expect(new Set(titles).size).toBe(titles.length);
    expect(rows.filter(({ ours }) => !Number.isFinite(ours))).toEqual([]);
  });
});
