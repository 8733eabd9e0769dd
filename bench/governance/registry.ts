// All governance benchmarks, in the order in which they run.
import type { Benchmark } from './benchmark.js';
import { budget } from './budget.js';
import { circuitBreaker } from './circuit-breaker.js';
import { core } from './core.js';
import { costCalculation } from './cost-calculation.js';
import { endToEnd } from './end-to-end.js';
import { gateway } from './gateway.js';
import { memory } from './memory.js';
import { retryBenchmark } from './retry.js';
import { telemetryOverhead } from './telemetry-overhead.js';
import { throughput } from './throughput.js';
import { together } from './together.js';

export const BENCHMARKS: readonly Benchmark[] = [
  memory, // first, while the heap is small
  telemetryOverhead,
  costCalculation,
  throughput,
  budget,
  circuitBreaker,
  retryBenchmark,
  core,
  together,
  gateway,
  endToEnd,
];
