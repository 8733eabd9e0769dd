// Which candidate to use, by a rule that is stated with the answer. Pure.

/** What the rule looks at; null where it was not measured. */
export interface Choice {
  readonly label: string;
  /** Perplexity over that of FP32, minus 1. */
  readonly perplexityChange: number | null;
  readonly rssPeakBytes: number | null;
  /** In decode, at the first batch size. */
  readonly decodeTokensPerSecond: number | null;
}

export interface Recommendation {
  /** Label of the candidate, or null where the rule leaves none. */
  readonly candidate: string | null;
  readonly rule: string;
  /** The figures that decided. */
  readonly reason: string;
}

const MOST_CHANGE = 0.01;
const AS_FAST = 0.95;

const RULE =
  'Of the candidates whose perplexity is at most 1 % above that of FP32 and whose peak memory fits this machine, those ' +
  'that decode at least 95 % as fast as the fastest count as equally fast; of these, the one with the lowest peak memory.';

type Measured = { readonly [Field in keyof Choice]: NonNullable<Choice[Field]> };

/** @param memoryBytes what a process may use here */
export function recommend(choices: readonly Choice[], memoryBytes: number): Recommendation {
  const measured = choices.filter(isMeasured);
  if (measured.length === 0) {
    return { candidate: null, rule: RULE, reason: 'No candidate was measured in full.' };
  }
  const fit = measured.filter((choice) => choice.rssPeakBytes <= memoryBytes);
  const good = fit.filter((choice) => choice.perplexityChange <= MOST_CHANGE);
  if (good.length === 0) {
    const reason = fit.length === 0 ? 'No candidate fits the memory.' : 'No candidate is that close to FP32.';
    return { candidate: null, rule: RULE, reason };
  }
  const fastest = Math.max(...good.map((choice) => choice.decodeTokensPerSecond));
  const asFast = good.filter((choice) => choice.decodeTokensPerSecond >= AS_FAST * fastest);
  const best = asFast.reduce((a, b) => (b.rssPeakBytes < a.rssPeakBytes ? b : a));
  return { candidate: best.label, rule: RULE, reason: reasonFor(best) };
}

function reasonFor({ label, perplexityChange, rssPeakBytes, decodeTokensPerSecond }: Measured): string {
  const change = `${perplexityChange < 0 ? '' : '+'}${(perplexityChange * 100).toFixed(2)} %`;
  return (
    `${label}: ${decodeTokensPerSecond.toFixed(1)} tokens/s, perplexity ${change} against FP32, ` +
    `${(rssPeakBytes / 1e6).toFixed(0)} MB at the peak.`
  );
}

function isMeasured(choice: Choice): choice is Measured {
  return Object.values(choice).every((value) => value !== null);
}
