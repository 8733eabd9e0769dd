import { describe, expect, it } from 'vitest';
import { type BenchOptions, inOrderOf, mostRows, planBench } from '#bench/run/plan.js';
import { runnerKind } from '#bench/run/runners.js';
import { InvalidInputError } from '#inhouse/errors.js';

const OPTIONS: BenchOptions = {
  runners: ['portable'],
  precisions: ['fp32', 'int4'],
  devices: ['cpu'],
  threads: [1, 2],
  nPrompt: [8, 32],
  nGen: 4,
  batchSize: [1, 3],
  depth: [10],
  repetitions: 5,
};

describe('planBench', () => {
  it('measures every combination, decode both step by step and in one call', () => {
    const { setups, cases } = planBench(OPTIONS, 64);
    expect(setups).toEqual([
      { runner: 'portable', precision: 'fp32', device: 'cpu', threads: 1 },
      { runner: 'portable', precision: 'fp32', device: 'cpu', threads: 2 },
      { runner: 'portable', precision: 'int4', device: 'cpu', threads: 1 },
      { runner: 'portable', precision: 'int4', device: 'cpu', threads: 2 },
    ]);
    const decode = { phase: 'decode', depth: 10, newTokens: 4 };
    expect(cases).toEqual([
      { phase: 'prefill', prompt: 8 },
      { phase: 'prefill', prompt: 32 },
      { ...decode, batch: 1, stepsPerCall: 1 },
      { ...decode, batch: 1, stepsPerCall: 4 },
      { ...decode, batch: 3, stepsPerCall: 1 },
      { ...decode, batch: 3, stepsPerCall: 4 },
    ]);
  });

  it('measures nothing twice', () => {
    const repeated: BenchOptions = {
      runners: ['portable', 'portable'],
      precisions: ['fp32', 'fp32'],
      devices: ['cpu', 'cpu'],
      threads: [2, 2],
      nPrompt: [8, 8],
      nGen: 1, // one step is one call either way
      batchSize: [1, 1],
      depth: [10, 10],
      repetitions: 5,
    };
    const { setups, cases } = planBench(repeated, 64);
    expect(setups).toHaveLength(1);
    expect(cases.map(({ phase }) => phase)).toEqual(['prefill', 'decode']);
  });

  it('leaves out what is asked for zero times', () => {
    expect(planBench({ ...OPTIONS, nPrompt: [0], nGen: 0 }, 64).cases).toEqual([]);
    expect(planBench({ ...OPTIONS, nPrompt: [0] }, 64).cases.map(({ phase }) => phase)).not.toContain(
      'prefill',
    );
  });

  it('fills the context to the last position', () => {
    const { cases } = planBench({ ...OPTIONS, nPrompt: [64], depth: [60] }, 64);
    expect(cases).toContainEqual({ phase: 'prefill', prompt: 64 });
    expect(cases).toContainEqual({ phase: 'decode', batch: 1, depth: 60, newTokens: 4, stepsPerCall: 1 });
  });

  it.each([
    { change: { nPrompt: [8, 65] }, message: /nPrompt is 65.*at most .* 64/ },
    { change: { depth: [10, 61] }, message: /depth is 61.*at most 60/ },
    { change: { nGen: 64 }, message: /nGen is 64.*below .* 64/ },
  ])('refuses what the context cannot hold: $change', ({ change, message }) => {
    const plan = () => planBench({ ...OPTIONS, ...change }, 64);
    expect(plan).toThrow(InvalidInputError);
    expect(plan).toThrow(message);
  });
});

it('needs a runner with rows for the largest batch, and one for prefill alone', () => {
  expect(mostRows(planBench(OPTIONS, 64))).toBe(3);
  expect(mostRows(planBench({ ...OPTIONS, nGen: 0 }, 64))).toBe(1);
});

it('goes to and fro', () => {
  const items = ['a', 'b', 'c'];
  expect([0, 1, 2].map((repetition) => inOrderOf(repetition, items).join(''))).toEqual(['abc', 'cba', 'abc']);
});

it('knows the runners by name, and auto stands for one of them', () => {
  expect(runnerKind('portable')).toBe('portable');
  expect(['native', 'portable']).toContain(runnerKind('auto'));
  expect(() => runnerKind('fast')).toThrow(/"fast".*'auto'.*'portable'/);
});
