// What retries of independent failures come to, exactly: the published figures of the retry benchmark cannot be had
// from independent failures, so ours are held against these. Pure.

/** Mean of a quantity per call, and the standard deviation of that mean over `calls` calls. */
export interface Expected {
  readonly mean: number;
  readonly deviation: number;
}

export interface RetryExpectation {
  readonly attempts: Expected;
  readonly successPercent: Expected;
  readonly waitMs: Expected;
}

/**
 * For attempts that each fail with probability `failure`.
 * @param waitsMs before retry 1, 2, ...; one attempt more than there are waits is made
 * @param calls over which the means are taken
 */
export function expectedRetries(
  failure: number,
  waitsMs: readonly number[],
  calls: number,
): RetryExpectation {
  // A call ends with its attempt number k = 1, 2, ...: the last one ends it whether or not it fails.
  const most = waitsMs.length + 1;
  const ends = Array.from({ length: most }, (_, i) =>
    i === most - 1 ? failure ** i : failure ** i * (1 - failure),
  );
  let waited = 0;
  const waits = ends.map((_, i) => {
    waited += i === 0 ? 0 : waitsMs[i - 1]!;
    return waited;
  });
  const success = 1 - failure ** most;
  return {
    attempts: over(
      ends,
      ends.map((_, i) => i + 1),
      calls,
    ),
    successPercent: over([success, 1 - success], [100, 0], calls),
    waitMs: over(ends, waits, calls),
  };
}

function over(probabilities: readonly number[], values: readonly number[], calls: number): Expected {
  const moment = (power: number) =>
    probabilities.reduce((sum, probability, i) => sum + probability * values[i]! ** power, 0);
  const mean = moment(1);
  return { mean, deviation: Math.sqrt(Math.max(0, moment(2) - mean ** 2) / calls) };
}
