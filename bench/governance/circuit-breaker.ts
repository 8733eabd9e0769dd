// Benchmark 6: what the circuit breaker takes per check, record and transition.
import { InvalidInputError, TimeoutError } from '../../src/errors.js';
import { CircuitBreaker } from '../../src/governance/breaker.js';
import type { Clock } from '../../src/governance/clock.js';
import type { Benchmark } from './benchmark.js';
import { type Distribution, distribution } from './distribution.js';
import { judged, type Row, type SeedStatistics, statisticRows } from './row.js';
import { type TimedWork, timeWork } from './timing.js';

const BATCH = 200;
/** Of errors, which take longer: a batch is to be shorter than what a busy machine gives a process at a time. */
const ERROR_BATCH = 20;
const OPEN_MS = 60_000;
const CHECK_HEADLINE_US = 5;

/** Blames the provider. */
const FAILURE = new TimeoutError('INHOUSE_TIMEOUT', 'No answer.');
/** Blames the caller: gives up a probe's place and decides nothing. */
const REFUSAL = new InvalidInputError('INHOUSE_INVALID_OPTION', 'Refused.');

interface Operation extends Pick<TimedWork, 'work' | 'prepare'> {
  readonly batch?: number;
  readonly id: string;
  readonly name: string;
  readonly seeds: SeedStatistics;
}

export const circuitBreaker: Benchmark = {
  name: 'circuit_breaker',
  about: 'checking, recording and changing state',
  async measure({ samples }) {
    const rows: Row[] = [];
    const checks: Distribution[] = [];
    for (const { id, name, seeds, work, prepare, batch = BATCH } of operations()) {
      const ours = distribution(await timeWork(samples, { work, prepare, batch }));
      rows.push(...statisticRows({ id, name, plane: 'G', unit: 'µs' }, ours, seeds));
      if (name.startsWith('check')) checks.push(ours);
    }
    const slowest = judged({
      id: 'A-48',
      name: 'slowest mean of the checks',
      plane: 'G',
      seed: CHECK_HEADLINE_US,
      ours: Math.max(...checks.map(({ mean }) => mean)),
      unit: 'µs',
      target: { atMost: CHECK_HEADLINE_US },
    });
    return [...rows, slowest];
  },
};

function operations(): Operation[] {
  const clock = new ShiftedClock();
  const closed = new CircuitBreaker({ threshold: Number.MAX_SAFE_INTEGER }, clock);
  const open = opened(clock);
  let several: CircuitBreaker[] = [];
  const prepareAll = (make: () => CircuitBreaker) => () => {
    several = Array.from({ length: BATCH }, make);
  };
  return [
    {
      id: 'A-42',
      name: 'check CLOSED',
      seeds: { mean: 2.1, median: 1.9, p95: 3.2, p99: 4.1 },
      work: () => closed.before(),
    },
    {
      id: 'A-43',
      name: 'check OPEN, its error thrown and caught',
      seeds: { mean: 3.8, median: 3.5, p95: 5.4, p99: 6.9 },
      batch: ERROR_BATCH,
      work: () => {
        try {
          return open.before();
        } catch (error) {
          return error;
        }
      },
    },
    {
      id: 'A-44',
      name: 'check HALF_OPEN',
      seeds: { mean: 2.3, median: 2.1, p95: 3.5, p99: 4.5 },
      prepare: prepareAll(() => halfOpened(clock)),
      work: (i) => several[i]!.before(),
    },
    {
      id: 'A-45',
      name: 'record success',
      seeds: { mean: 4.2, median: 3.9, p95: 6.1, p99: 7.8 },
      work: () => closed.success(),
    },
    {
      id: 'A-46',
      name: 'record failure',
      seeds: { mean: 5.1, median: 4.7, p95: 7.3, p99: 9.2 },
      work: () => closed.failure(FAILURE),
    },
    {
      id: 'A-47',
      name: 'CLOSED to OPEN',
      seeds: { mean: 6.8, median: 6.2, p95: 9.5, p99: 12.1 },
      prepare: prepareAll(() => new CircuitBreaker({ threshold: 1 }, clock)),
      work: (i) => several[i]!.failure(FAILURE),
    },
  ];
}

function opened(clock: Clock): CircuitBreaker {
  const breaker = new CircuitBreaker({ threshold: 1, openMs: OPEN_MS }, clock);
  breaker.failure(FAILURE);
  return breaker;
}

/** Without a probe under way, so that the check lets one through. */
function halfOpened(clock: ShiftedClock): CircuitBreaker {
  const breaker = opened(clock);
  clock.shift(OPEN_MS + 1);
  breaker.failure(REFUSAL, breaker.before());
  clock.shift(-OPEN_MS - 1);
  return breaker;
}

/** The system's, which also takes as long to read, moved on while breakers are made ready. */
class ShiftedClock implements Clock {
  #shiftMs = 0;

  shift(ms: number): void {
    this.#shiftMs += ms;
  }

  now(): number {
    return Date.now() + this.#shiftMs;
  }

  monotonic(): number {
    return performance.now() + this.#shiftMs;
  }
}
