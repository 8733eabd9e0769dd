// Which calls get a span. Only that: costs, tokens, budgets, decisions and metrics are recorded for every call.
import { InvalidInputError } from '../../errors.js';

/**
 * 'exact': of any N calls, floor(N * rate). 'trace-id' and 'parent' follow the span around the call, by its trace id
 * (so that all services at one rate keep the same traces) or by whether it is kept; without one they are exact too.
 */
export type SamplingStrategy = 'exact' | 'trace-id' | 'parent';

export const SAMPLING_STRATEGIES: readonly SamplingStrategy[] = ['exact', 'trace-id', 'parent'];

/** The span around a call. */
export interface ParentSpan {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  readonly sampled: boolean;
}

/** Rates are held as whole trillionths: sums of them stay exact in a double, so the count cannot drift. */
const WHOLE = 1e12;
/** Trace ids are random in their last 14 digits; 13 of them, 52 bits, are exact in a double. */
const RANDOM_DIGITS = 13;
const RANDOM_RANGE = 2 ** 52;

export class TelemetrySampler {
  /** In 0..1. */
  readonly rate: number;
  readonly strategy: SamplingStrategy;
  readonly #step: number;
  #held = 0;

  /** `rate` below 0 counts as 0, above 1 as 1. @throws InvalidInputError where it is not a number */
  constructor(rate = 1, strategy: SamplingStrategy = 'exact') {
    if (Number.isNaN(rate)) {
      const message = 'samplingRate is NaN; it must be a number from 0 to 1.';
      throw new InvalidInputError('INHOUSE_INVALID_OPTION', message, { details: { option: 'samplingRate' } });
    }
    this.rate = Math.min(1, Math.max(0, rate));
    this.strategy = strategy;
    this.#step = Math.round(this.rate * WHOLE);
  }

  /** Decides for the next call. The parent matters to the strategies that follow one. */
  shouldSample(parent?: ParentSpan): boolean {
    if (parent !== undefined && this.strategy === 'parent') return parent.sampled;
    if (parent !== undefined && this.strategy === 'trace-id') return this.#keepsTrace(parent.traceId);
    this.#held += this.#step;
    if (this.#held < WHOLE) return false;
    this.#held -= WHOLE;
    return true;
  }

  #keepsTrace(traceId: string): boolean {
    return Number.parseInt(traceId.slice(-RANDOM_DIGITS), 16) < this.rate * RANDOM_RANGE;
  }
}

/**
 * What was given, else GENOPS_SAMPLING_RATE, else 1.
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION` for a variable that is not a number
 */
export function samplingRate(
  given: number | undefined,
  variables: Readonly<Record<string, string | undefined>> = process.env,
): number {
  if (given !== undefined) return given;
  const text = variables.GENOPS_SAMPLING_RATE?.trim();
  if (!text) return 1;
  const rate = Number(text);
  if (!Number.isNaN(rate)) return rate;
  const message = `GENOPS_SAMPLING_RATE is ${JSON.stringify(text)}; it must be a number from 0 to 1.`;
  throw new InvalidInputError('INHOUSE_INVALID_OPTION', message, {
    details: { option: 'GENOPS_SAMPLING_RATE' },
  });
}
