// A finished comparison with figures made up to be told apart.
import type { CompareReport } from '#bench/compare/report.js';
import type { CandidateResult, Spread } from '#bench/compare/results.js';

export function spreadOf(median: number): Spread {
  return { median, min: median * 0.9, max: median * 1.1 };
}

export function candidate(
  precision: CandidateResult['precision'],
  changes: Partial<CandidateResult> = {},
): CandidateResult {
  return {
    runner: 'native',
    precision,
    device: 'cpu',
    threads: 2,
    label: precision,
    computeType: 'float32',
    failure: null,
    diskBytes: 498e6,
    repetitions: 3,
    loadMs: spreadOf(210),
    rssBeforeBytes: 45e6,
    rssLoadedBytes: spreadOf(600e6),
    rssPeakBytes: spreadOf(700e6),
    kvBytesPerToken: 73728,
    timeToFirstTokenMs: spreadOf(520),
    prefillTokensPerSecond: spreadOf(950),
    decode: [
      { batch: 1, tokensPerSecond: spreadOf(43) },
      { batch: 8, tokensPerSecond: spreadOf(240) },
    ],
    joulesPerToken: null,
    quality: {
      perplexity: 47.4,
      perplexityChange: 0,
      perplexityChangeError: 0,
      bitsPerByte: 1.41,
      top1Agreement: 1,
      meanKl: 0,
      meanAbsLogprobDifference: 0,
      sampleText: ' and then the wheel turned.',
    },
    ...changes,
  };
}

/** Somebody's words that no form may take for its own syntax. */
export const HOSTILE = `</script><b>"bold"</b> & 'x' | a\n\`y\` *z*, "q"`;

export function report(changes: Partial<CompareReport> = {}): CompareReport {
  const fp32 = candidate('fp32');
  return {
    machine: {
      cpu: 'A CPU',
      cores: 2,
      memoryBytes: 8e9,
      platform: 'linux-x64',
      node: 'v20.20.2',
      loadAverage: 0.1,
    },
    command: 'inhouse compare',
    startedAt: '2026-01-02T03:04:05.678Z',
    interrupted: false,
    runtimeVersion: '1.29.0',
    model: {
      id: 'a-model',
      synthetic: false,
      parameters: 124e6,
      layers: 12,
      width: 768,
      vocabularySize: 50257,
      contextLength: 1024,
    },
    text: {
      source: 'a text',
      bytes: 2444,
      tokens: 621,
      scoredTokens: 620,
      window: 621,
      stride: 310,
      prompt: 'The road',
    },
    speed: { repetitions: 3, prompt: 512, depth: 64, newTokens: 64 },
    energy: 'not exposed here (no reason)',
    notes: ['A note.'],
    candidates: [
      fp32,
      candidate('int4', {
        diskBytes: 84e6,
        rssPeakBytes: spreadOf(280e6),
        decode: [
          { batch: 1, tokensPerSecond: spreadOf(131) },
          { batch: 8, tokensPerSecond: spreadOf(420) },
        ],
        quality: {
          ...fp32.quality!,
          perplexity: 48.3,
          perplexityChange: 0.019,
          perplexityChangeError: 0.004,
          top1Agreement: 0.942,
          meanKl: 0.0123,
        },
      }),
    ],
    recommendation: { candidate: 'fp32', rule: 'The rule.', reason: 'fp32: the reason.' },
    ...changes,
  };
}
