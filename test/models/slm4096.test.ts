// SLM_4096, a small trained model with exact (erf) GELU that knows its 4 096 characters of training text by heart.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Runner } from '#inhouse/runtime/runner.js';
import { ReferenceGpt2 } from '../support/reference-gpt2.js';
import { RUNNERS } from '../support/runners.js';
import { sharedData } from '../support/shared-data.js';

const folder = sharedData('models/slm4096_mit');
const CONTEXT = 128;

/**
 * Characters from one window's start to the next. The recorded loss, 0.066, leaves its windows unsaid and depends on
 * them, because the first characters of a window have little to go on: in float64, windows of 128 that start every
 * 112 characters give 0.0668, every 64 0.0694, every 128 0.0713.
 */
const STRIDE = 112;

describe.skipIf(folder === undefined).each(RUNNERS)('SLM_4096 on the %s runner', (_name, open) => {
  let runner: Runner;
  let corpus: readonly number[];
  beforeAll(async () => {
    runner = await open(folder!);
    corpus = readCorpus(folder!);
  });
  afterAll(() => runner.dispose());

  it('reproduces its corpus', async () => {
    let loss = 0;
    let predictions = 0;
    for (let begin = 0; begin + CONTEXT <= corpus.length; begin += STRIDE) {
      const { logprobs } = await runner.score(corpus.slice(begin, begin + CONTEXT));
      loss -= logprobs.reduce((sum, logprob) => sum + logprob, 0);
      predictions += logprobs.length;
    }
    expect(predictions).toBe(36 * (CONTEXT - 1));
    expect(Math.abs(loss / predictions - 0.066)).toBeLessThanOrEqual(0.002);
  });

  it('gives each character of its corpus the probability that the float64 reference gives', async () => {
    const reference = ReferenceGpt2.open(folder!);
    for (let begin = 0; begin < corpus.length; begin += 8 * CONTEXT) {
      const window = corpus.slice(begin, begin + CONTEXT);
      const { logprobs } = await runner.score(window);
      const expected = reference.logprobs(window);
      logprobs.forEach((logprob, i) => {
        expect(Math.abs(logprob - expected[i + 1]!)).toBeLessThanOrEqual(2e-4);
      });
    }
  });
});

function readCorpus(from: string): number[] {
  const ids = JSON.parse(readFileSync(join(from, 'char_vocab.json'), 'utf8')) as Record<string, number>;
  return [...readFileSync(join(from, 'corpus.txt'), 'utf8')].map((character) => ids[character]!);
}
