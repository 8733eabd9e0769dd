// How much a run of the benchmarks measures.

export interface Effort {
  /** Of each timed operation. */
  readonly samples: number;
  /** Governed and bare calls of an endpoint in real time, to be compared. */
  readonly pairs: number;
  /** Calls of a load under simulated service times. */
  readonly requests: number;
  /** Simulated service times of loads are divided by it; what governance adds is not. */
  readonly timeScale: number;
  /** Calls with injected faults, on a clock of their own. */
  readonly faultyCalls: number;
  /** Calls whose memory is watched for a leak. */
  readonly watchedCalls: number;
  /** Calls whose allocations are sampled. */
  readonly profiledCalls: number;
  /** Pairs of generations, of each length. */
  readonly generations: number;
  /** Of these models: 'embedded', or a synthetic checkpoint in the shape of a model of the registry. */
  readonly generationModels: readonly string[];
  /** Of the stress loop. */
  readonly stressSeconds: number;
}

export const EFFORTS = {
  quick: {
    samples: 1000,
    pairs: 1000,
    requests: 1000,
    timeScale: 10,
    faultyCalls: 10_000,
    watchedCalls: 20_000,
    profiledCalls: 5000,
    generations: 20,
    generationModels: ['embedded'],
    stressSeconds: 1,
  },
  realistic: {
    samples: 2000,
    pairs: 1000,
    requests: 10_000,
    timeScale: 10,
    faultyCalls: 10_000,
    watchedCalls: 100_000,
    profiledCalls: 5000,
    generations: 100,
    generationModels: ['embedded', 'gpt2'],
    stressSeconds: 5,
  },
  detailed: {
    samples: 10_000,
    pairs: 10_000,
    requests: 10_000,
    timeScale: 1,
    faultyCalls: 100_000,
    watchedCalls: 100_000,
    profiledCalls: 5000,
    generations: 500,
    generationModels: ['embedded', 'gpt2'],
    stressSeconds: 5,
  },
} as const satisfies Readonly<Record<string, Effort>>;
